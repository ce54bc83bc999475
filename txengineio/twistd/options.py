"""``twistd engineio``: the command line, and the service that it starts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar, Final

from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IProtocolFactory, IStreamServerEndpoint
from twisted.python.usage import UsageError
from twisted.web.resource import Resource
from typing_extensions import override

from txengineio.application import EngineIOProtocol, factory_of
from txengineio.checks import check_duration
from txengineio.errors import InvalidOption
from txengineio.integrations.inspector.pages import inspector_pages
from txengineio.loading import NotLoadable, load_application
from txengineio.server.engine import Engine
from txengineio.server.options.engine import EngineOptions
from txengineio.server.web.health import HealthResource
from txengineio.server.web.site import (
    DEFAULT_PATH,
    EngineIOSite,
    engine_site,
    path_segments,
)
from txengineio.twistd.limit_flags import LimitOptions
from txengineio.twistd.service import DEFAULT_DRAIN_TIMEOUT, EngineIOService, Place

__all__ = ["EchoProtocol", "EngineIOService", "Options", "makeService"]

DEFAULT_PORT: Final = "8080"
DEFAULT_INTERFACE: Final = "127.0.0.1"

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


def _number(flag: str, kind: type[float] | type[int]) -> Callable[[str], float]:
    """Return what makes a number of a flag's text, and names the flag if it cannot."""
    expected = "a whole number" if kind is int else "a number"

    def coerce(text: str) -> float:
        try:
            return kind(text)
        except ValueError:
            raise ValueError(f"--{flag} must be {expected}, not {text!r}") from None

    return coerce


class EchoProtocol(EngineIOProtocol):
    """Sends each message back: the application that runs when none is named."""

    @override
    def messageReceived(self, message: str | bytes) -> None:
        self.session.send(message)


class Options(LimitOptions):
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
        [
            "ping-interval",
            None,
            None,
            "Time between heartbeats",
            _number("ping-interval", float),
        ],
        [
            "ping-timeout",
            None,
            None,
            "Time that a client has to answer one",
            _number("ping-timeout", float),
        ],
        [
            "upgrade-timeout",
            None,
            None,
            "Time that an upgrade may take",
            _number("upgrade-timeout", float),
        ],
        [
            "max-http-buffer-size",
            None,
            None,
            "Size of a message, at most",
            _number("max-http-buffer-size", int),
        ],
        ["transports", None, None, "Transports to serve, separated by commas"],
        ["cookie", None, None, "Set a cookie of this name with the session's id"],
        ["initial-packet", None, None, "Text that each session begins with"],
        [
            "drain-timeout",
            None,
            DEFAULT_DRAIN_TIMEOUT,
            "Time that sessions have to end when the server stops",
            _number("drain-timeout", float),
        ],
        [
            "inspector",
            None,
            None,
            "Endpoint to show the inspector on, such as tcp:8081:interface=127.0.0.1. "
            "Without it and without --app it is at / if --interface is local",
        ],
        [
            "metrics-listen",
            None,
            None,
            "Endpoint to serve /metrics and /healthz on, and nothing else",
        ],
    ]
    optFlags: ClassVar[list[list[Any]]] = [
        ["no-allow-upgrades", None, "Keep sessions on the transport they start with"],
        ["allow-eio3", None, "Serve clients of protocol revision 3, too"],
        ["no-http-compression", None, "Do not compress the answers to polls"],
        ["per-message-deflate", None, "Compress WebSocket messages for who offers it"],
        ["no-inspector", None, "Do not show the inspector"],
        ["metrics", None, "Serve OpenMetrics at /metrics, beside --path"],
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
        except InvalidOption as error:
            flag = error.name.replace("_", "-")
            problem = f"--{flag} must be {error.expected}, not {error.got!r}"
            raise SystemExit(f"twistd engineio: {problem}") from error
        except UsageError as error:
            # What a coercion says is said better without Twisted's preface.
            problem = str(error).removeprefix("Parameter type enforcement failed: ")
            raise SystemExit(f"twistd engineio: {problem}") from error

    @override
    def parseArgs(self, *arguments: str) -> None:
        if arguments:
            raise UsageError(
                f"there are only options, no arguments like {arguments[0]!r}"
            )

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
        self._check_operation()

    def _check_operation(self) -> None:
        """Check what is for those who run the server."""
        check_duration("drain_timeout", self["drain-timeout"])
        alone = not path_segments(self["path"])
        if self["inspector"] is not None and self["no-inspector"]:
            raise UsageError("--no-inspector does not go with --inspector")
        if alone and (self["inspector"] is not None or self["metrics"]):
            raise UsageError("--inspector and --metrics need a --path other than /")
        if (self["metrics"] or self["metrics-listen"]) and not find_spec(
            "prometheus_client"
        ):
            raise UsageError("metrics need: pip install prometheus-client")
        # For who tries the server out; an application's site is its own.
        self["shows_inspector"] = (
            self["app"] is None
            and self["inspector"] is None
            and not self["no-inspector"]
            and not alone
            and self["listen"] == [self._port_description()]
            and _is_local(self["interface"] or DEFAULT_INTERFACE)
        )

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
        return given | self.limits()

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


def _is_local(interface: str) -> bool:
    try:
        return ip_address(interface).is_loopback
    except ValueError:
        return interface == "localhost"


def _load_application(name: str | None) -> IProtocolFactory:
    """Return the factory that ``--app`` names.

    Raises:
        UsageError: There is no such thing, or it is no application.
    """
    if name is None:
        return factory_of(EchoProtocol)
    # As with `python -m`: what is in the current directory can be imported.
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return load_application(name)
    except NotLoadable as error:
        raise UsageError(f"--app {error}") from error


def makeService(options: Options) -> EngineIOService:
    """Make the service that ``twistd engineio`` runs.

    Raises:
        SystemExit: An endpoint's description makes no sense; the text says which.
    """
    from twisted.internet import reactor  # the reactor that twistd has chosen

    engine = Engine(
        options["application"], reactor=reactor, **options["engine_options"]
    )
    others = []
    if options["inspector"] is not None:
        others.append(_inspector_place(options, engine, reactor))
    if options["metrics-listen"] is not None:
        others.append(_metrics_place(options, engine, reactor))
    return EngineIOService(
        engine,
        [
            (description, _endpoint(reactor, "listen", description))
            for description in options["listen"]
        ],
        options["path"],
        reactor,
        beside=_beside(options, engine),
        others=others,
        drain_timeout=options["drain-timeout"],
        owns_process=True,
    )


def _endpoint(reactor: Any, option: str, description: str) -> IStreamServerEndpoint:
    try:
        endpoint: IStreamServerEndpoint = serverFromString(reactor, description)
    except Exception as error:
        # Whatever a plugin's or a file's problem is, it is in that description.
        raise SystemExit(
            f"twistd engineio: --{option} {description}: "
            f"{type(error).__name__}: {error}"
        ) from error
    return endpoint


def _beside(options: Options, engine: Engine) -> dict[bytes, Resource]:
    """Return what the engine's own site serves beside it."""
    beside: dict[bytes, Resource] = {}
    if options["shows_inspector"]:
        beside |= inspector_pages(engine, options["path"], echoes=True)
    if options["metrics"]:
        beside[b"metrics"] = _metrics_resource(engine)
    return beside


def _inspector_place(options: Options, engine: Engine, reactor: Any) -> Place:
    """Return where ``--inspector`` says: the page, and the engine for it to talk to."""
    echoes = options["app"] is None
    pages = inspector_pages(engine, options["path"], echoes=echoes)
    return Place(
        purpose="The inspector",
        description=options["inspector"],
        endpoint=_endpoint(reactor, "inspector", options["inspector"]),
        site=engine_site(engine, options["path"], beside=pages, reactor=reactor),
    )


def _metrics_place(options: Options, engine: Engine, reactor: Any) -> Place:
    root = Resource()
    root.putChild(b"metrics", _metrics_resource(engine))
    root.putChild(b"healthz", HealthResource(engine))
    return Place(
        purpose="Metrics",
        description=options["metrics-listen"],
        endpoint=_endpoint(reactor, "metrics-listen", options["metrics-listen"]),
        site=EngineIOSite(root, {}, reactor=reactor),
        path="/metrics",
    )


def _metrics_resource(engine: Engine) -> Resource:
    # An extra: it need not be there for those who do not ask for it.
    from prometheus_client import CollectorRegistry, ProcessCollector

    from txengineio.integrations.metrics import EngineMetrics, MetricsResource

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(EngineMetrics(engine))
    return MetricsResource(registry)
