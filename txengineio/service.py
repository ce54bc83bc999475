"""``twistd engineio``: the command line, and the service that it starts."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError
from twisted.web.server import Site
from typing_extensions import override

from txengineio.application import EngineIOProtocol
from txengineio.errors import InvalidOption
from txengineio.loading import NotLoadable, factory_for, load_application
from txengineio.server.engine import Engine
from txengineio.server.options import EngineOptions
from txengineio.server.site import DEFAULT_PATH, engine_site, path_segments

__all__ = ["EchoProtocol", "EngineIOService", "Options", "makeService"]

DEFAULT_PORT: Final = "8080"
DEFAULT_INTERFACE: Final = "127.0.0.1"

_STOP_TIMEOUT: Final = 1.5
"""Seconds that stopping waits for connections to end before it drops them."""

_STOP_GRACE: Final = 0.1
"""Seconds that the answers to parked polls get to leave the process."""

_MAX_PORT: Final = 65535

# Options of the engine that take one value, and what flags stand for.
_SINGLE_VALUES: Final = (
    "ping_interval",
    "ping_timeout",
    "upgrade_timeout",
    "max_http_buffer_size",
    "initial_packet",
)
_FLAGS: Final[Mapping[str, tuple[str, bool]]] = {
    "no-allow-upgrades": ("allow_upgrades", False),
    "allow-eio3": ("allow_eio3", True),
    "no-http-compression": ("http_compression", False),
    "per-message-deflate": ("per_message_deflate", True),
}


class EchoProtocol(EngineIOProtocol):
    """Sends each message back: the application that runs when none is named."""

    @override
    def messageReceived(self, message: str | bytes) -> None:
        self.session.send(message)


class Options(UsageOptions):
    """What ``twistd engineio`` can be told."""

    synopsis = "[options]"
    longdesc = (
        "Serve Engine.IO: long-polling and WebSocket. Without --app, an application "
        "that sends each message back. Durations are in seconds, sizes in bytes."
    )

    optParameters: ClassVar[list[list[Any]]] = [
        ["port", "p", None, f"TCP port to listen on; {DEFAULT_PORT} unless --listen"],
        [
            "interface",
            "i",
            None,
            f"Address to listen on with --port; {DEFAULT_INTERFACE} by default, "
            "0.0.0.0 or :: for all",
        ],
        ["path", None, DEFAULT_PATH, "Path to serve"],
        [
            "app",
            "a",
            None,
            "Application, as package.module:name: an EngineIOProtocol subclass, or a "
            "factory of such protocols",
        ],
        ["ping-interval", None, None, "Time between heartbeats", float],
        ["ping-timeout", None, None, "Time that a client has to answer one", float],
        ["upgrade-timeout", None, None, "Time that an upgrade may take", float],
        ["max-http-buffer-size", None, None, "Size of a message, at most", int],
        ["transports", None, None, "Transports to serve, separated by commas"],
        ["cookie", None, None, "Set a cookie of this name with the session's id"],
        ["initial-packet", None, None, "Text that each session begins with"],
    ]
    optFlags: ClassVar[list[list[Any]]] = [
        ["no-allow-upgrades", None, "Keep sessions on the transport they start with"],
        ["allow-eio3", None, "Serve clients of protocol revision 3, too"],
        ["no-http-compression", None, "Do not compress the answers to polls"],
        ["per-message-deflate", None, "Compress WebSocket messages for who offers it"],
        ["cors-credentials", None, "Let pages of the --cors-origins send cookies"],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["listen"] = []
        self["cors-origins"] = []
        self["application"] = None
        self["engine_options"] = {}

    def opt_listen(self, description: str) -> None:
        """Endpoint to listen on, such as tcp:8080 or unix:/run/app.sock; repeatable."""
        self["listen"].append(description)

    opt_l = opt_listen

    def opt_cors_origin(self, origin: str) -> None:
        """Origin whose pages may use the engine, or * for all; repeatable."""
        self["cors-origins"].append(origin)

    @override
    def parseOptions(self, options: Any = None) -> None:
        # twistd would print the whole help, and end as if nothing were wrong.
        try:
            super().parseOptions(options)
        except (UsageError, InvalidOption) as error:
            raise SystemExit(f"twistd engineio: {error}") from error

    @override
    def postOptions(self) -> None:
        path_segments(self["path"])
        self["engine_options"] = self._engine_options()
        EngineOptions.from_mapping(self["engine_options"])
        self["application"] = _load_application(self["app"])
        if not self["listen"] or self["port"] is not None:
            self["listen"].insert(0, self._port_description())
        elif self["interface"] is not None:
            raise UsageError("--interface goes with --port, not with --listen")

    def _engine_options(self) -> dict[str, Any]:
        given = {
            name: self[name.replace("_", "-")]
            for name in _SINGLE_VALUES
            if self[name.replace("_", "-")] is not None
        }
        if self["transports"] is not None:
            given["transports"] = tuple(
                name.strip() for name in self["transports"].split(",")
            )
        if self["cookie"] is not None:
            given["cookie"] = {"name": self["cookie"]}
        if self["cors-origins"]:
            given["cors"] = self._cors()
        elif self["cors-credentials"]:
            raise UsageError("--cors-credentials goes with --cors-origin")
        for flag, (name, value) in _FLAGS.items():
            if self[flag]:
                given[name] = value
        return given

    def _cors(self) -> dict[str, Any]:
        origins = self["cors-origins"]
        everybody = "*" in origins
        if everybody and self["cors-credentials"]:
            # Browsers would not have it; and to allow it one by one would be a hole.
            raise UsageError("--cors-credentials does not go with --cors-origin '*'")
        return {
            "origin": "*" if everybody else origins,
            "credentials": bool(self["cors-credentials"]),
        }

    def _port_description(self) -> str:
        port = self["port"] or DEFAULT_PORT
        if not (port.isascii() and port.isdigit() and int(port) <= _MAX_PORT):
            raise UsageError(f"--port must be a number up to {_MAX_PORT}, not {port!r}")
        interface = self["interface"] or DEFAULT_INTERFACE
        kind = "tcp6" if ":" in interface else "tcp"
        return f"{kind}:{port}:interface={interface.replace(':', chr(92) + ':')}"


def _load_application(name: str | None) -> IProtocolFactory:
    """Return the factory that ``--app`` names.

    Raises:
        UsageError: There is no such thing, or it is no application.
    """
    if name is None:
        return factory_for(EchoProtocol)
    # As with `python -m`: what is in the current directory can be imported.
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return load_application(name)
    except NotLoadable as error:
        raise UsageError(f"--app {error}") from error


class EngineIOService(Service):
    """Serves an engine while it runs.

    Args:
        engine: The engine.
        endpoints: Where to listen, each with the description that errors name.
        path: The path to serve.
        reactor: The reactor.
    """

    _log = Logger()

    def __init__(
        self,
        engine: Engine,
        endpoints: list[tuple[str, IStreamServerEndpoint]],
        path: str,
        reactor: Any,
    ) -> None:
        self.engine = engine
        self._endpoints = endpoints
        self._path = path
        self._reactor = reactor
        self._ports: list[IListeningPort] = []
        self._site: Site | None = None

    @override
    def privilegedStartService(self) -> None:
        """Listen; ports below 1024 may still be had now.

        Raises:
            SystemExit: An endpoint cannot listen; its text says which and why.
        """
        super().privilegedStartService()
        self._site = site = engine_site(self.engine, self._path, reactor=self._reactor)
        for description, endpoint in self._endpoints:
            outcome: list[IListeningPort | Failure] = []
            endpoint.listen(site).addBoth(outcome.append)
            # Nothing that describes an endpoint needs more time than the call.
            port = outcome[0] if outcome else Failure(TimeoutError("not at once"))
            if isinstance(port, Failure):
                raise SystemExit(
                    f"twistd engineio: cannot listen on {description}: {port.value}"
                )
            self._ports.append(port)
            self._log.info(
                "Engine.IO is served at {url} (transports: {transports})",
                url=_url(port, description, self._path),
                transports=", ".join(self.engine.options.transports),
            )

    @override
    def startService(self) -> None:
        """Say what runs; listen first if that was not done before."""
        super().startService()
        if self._site is None:
            self.privilegedStartService()
        application = self.engine.application
        runs = getattr(application, "protocol", None) or type(application)
        self._log.info(
            "The application is {name}", name=f"{runs.__module__}.{runs.__qualname__}"
        )

    @override
    def stopService(self) -> Deferred[None]:
        """Stop listening, tell every session, and wait a little for their goodbyes.

        Returns:
            Fires within two seconds, whatever the clients do.
        """
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        ports, self._ports = self._ports, []
        count = len(self.engine.sessions)
        self._log.info("Stopping with {count} sessions open", count=count)
        closed = self.engine.close()
        closed.addTimeout(_STOP_TIMEOUT, self._reactor, onTimeoutCancel=_give_up)
        await DeferredList([maybeDeferred(port.stopListening) for port in ports])
        await closed
        self.engine.abort_connections()
        # What was written, goodbyes to parked polls among it, leaves by the reactor.
        await deferLater(self._reactor, _STOP_GRACE)


def _give_up(_result: object, _timeout: float) -> None:
    return None


def _url(port: IListeningPort, description: str, path: str) -> str:
    """Return where a client connects: a URL, or the path of a Unix socket."""
    address: Any = port.getHost()
    host = getattr(address, "host", None)
    path = "/" + "/".join(part.decode() for part in path_segments(path)) + "/"
    if host is None:
        return f"{description} ({path})"
    scheme = "https" if description.startswith(("ssl:", "tls:")) else "http"
    if ":" in host:
        host = f"[{host}]"
    return f"{scheme}://{host}:{address.port}{path.replace('//', '/')}"


def makeService(options: Options) -> EngineIOService:
    """Make the service that ``twistd engineio`` runs.

    Raises:
        SystemExit: An endpoint's description makes no sense; the text says which.
    """
    from twisted.internet import reactor  # the reactor that twistd has chosen

    engine = Engine(
        options["application"], reactor=reactor, **options["engine_options"]
    )
    endpoints = []
    for description in options["listen"]:
        try:
            endpoints.append((description, serverFromString(reactor, description)))
        except Exception as error:
            # Whatever a plugin's or a file's problem is, it is in that description.
            raise SystemExit(
                f"twistd engineio: --listen {description}: "
                f"{type(error).__name__}: {error}"
            ) from error
    return EngineIOService(engine, endpoints, options["path"], reactor)
