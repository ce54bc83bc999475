"""``twistd engineio``: the command line, and the service that it starts."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from twisted.internet.interfaces import IProtocolFactory
from twisted.python.usage import UsageError
from twisted.web.resource import Resource
from typing_extensions import override

from txengineio.application import EngineIOProtocol, factory_of
from txengineio.command_line import (
    HELP_FLAGS,
    NONE,
    CommandLine,
    Flag,
    WrongCommandLine,
    as_float,
    as_names,
    check_wait,
)
from txengineio.errors import InvalidOption
from txengineio.integrations.inspector.pages import inspector_pages
from txengineio.loading import NotLoadable, load_application
from txengineio.server.engine import Engine
from txengineio.server.health import HealthResource
from txengineio.server.options.engine import EngineOptions
from txengineio.server.web.site import (
    DEFAULT_PATH,
    EngineIOSite,
    engine_site,
    path_segments,
)
from txengineio.twistd.endpoints import MAX_PORT, endpoint_for
from txengineio.twistd.limit_flags import (
    ADDRESSES,
    LIMITS,
    ORIGINS,
    engine_flag,
    given_options,
)
from txengineio.twistd.node_flags import NODE, check_node, workers_for
from txengineio.twistd.service import DEFAULT_DRAIN_TIMEOUT, EngineIOService, Place

__all__ = ["EchoProtocol", "EngineIOService", "Options", "makeService"]

DEFAULT_PORT: Final = "8080"
DEFAULT_INTERFACE: Final = "127.0.0.1"

_FLAGS: Final[Mapping[str, tuple[str, bool]]] = {
    "no-allow-upgrades": ("allow_upgrades", False),
    "allow-eio3": ("allow_eio3", True),
    "no-http-compression": ("http_compression", False),
    "per-message-deflate": ("per_message_deflate", True),
}
"""The options that flags without a value set, and to what."""


class EchoProtocol(EngineIOProtocol):
    """Sends each message back: the application that runs when none is named."""

    @override
    def messageReceived(self, message: str | bytes) -> None:
        self.session.send(message)


def _check_port(text: str) -> str:
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_PORT):
        raise InvalidOption("port", f"a whole number from 0 to {MAX_PORT}", text)
    return text


def _check_interface(text: str) -> str:
    if not text:
        raise InvalidOption("interface", "an address such as 127.0.0.1 or ::", text)
    return text


def _check_path(text: str) -> str:
    path_segments(text)
    return text


def _check_cookie(text: str) -> str:
    EngineOptions.from_mapping({"cookie": {"name": text}})
    return text


_LISTENING: Final = (
    Flag(
        name="port",
        letter="p",
        value="PORT",
        text="TCP port to listen on; 0 for any that is free.",
        take=_check_port,
        shown_default=f"{DEFAULT_PORT}, unless --listen is given",
    ),
    Flag(
        name="interface",
        letter="i",
        value="ADDRESS",
        text="Address to listen on with --port; 0.0.0.0 or :: for all.",
        take=_check_interface,
        shown_default=DEFAULT_INTERFACE,
    ),
    Flag(
        name="listen",
        letter="l",
        value="ENDPOINT",
        text="Any Twisted endpoint to listen on, such as unix:/run/app.sock or "
        "ssl:443:privateKey=key.pem:certKey=cert.pem. May be given more than once.",
        shown_default=NONE,
    ),
    Flag(
        name="path",
        value="PATH",
        text="Path to serve Engine.IO at.",
        take=_check_path,
        default=DEFAULT_PATH,
    ),
)

_SERVING: Final = (
    Flag(
        name="app",
        letter="a",
        value="MODULE:NAME",
        text="Application to run, as package.module:name: an EngineIOProtocol "
        "subclass, or a factory of such protocols. Modules are also looked for in the "
        "current directory.",
        shown_default="one that sends each message back",
    ),
    engine_flag(
        "transports",
        "NAMES",
        "Transports that clients may use, separated by commas.",
        as_names,
        expected="polling, websocket, or both with a comma between them",
    ),
    Flag(
        name="no-allow-upgrades",
        text="Keep sessions on the transport that they start with. Otherwise they may "
        "move from polling to WebSocket.",
    ),
    engine_flag(
        "upgrade-timeout",
        "SECONDS",
        "Time that a move from polling to WebSocket may take.",
        as_float,
    ),
    engine_flag("initial-packet", "TEXT", "Message that each session begins with."),
    Flag(
        name="allow-eio3",
        text="Serve clients of protocol revision 3 (Socket.IO 2) as well.",
    ),
)

_HEARTBEAT: Final = (
    engine_flag(
        "ping-interval",
        "SECONDS",
        "Time between a client's answer to a heartbeat and the next heartbeat.",
        as_float,
    ),
    engine_flag(
        "ping-timeout",
        "SECONDS",
        "Time that a client has to answer a heartbeat before its session ends.",
        as_float,
    ),
)

_ADMITTING: Final = (
    ORIGINS,
    Flag(
        name="cors-origin",
        value="ORIGIN",
        text="Other site whose pages may use the engine, such as "
        "https://app.example.com, or * for all. May be given more than once.",
        shown_default=NONE,
    ),
    Flag(
        name="cors-credentials",
        text="Let the pages of each --cors-origin send cookies.",
    ),
    Flag(
        name="cookie",
        value="NAME",
        text="Set a cookie of this name, with the session's id for load balancers.",
        take=_check_cookie,
        expected="the name of a cookie",
        shown_default="no cookie",
    ),
    ADDRESSES,
    *NODE,
)

_COMPRESSION: Final = (
    Flag(
        name="no-http-compression",
        text="Do not compress the answers to polls. Otherwise those of 1024 bytes or "
        "more are compressed.",
    ),
    Flag(
        name="per-message-deflate",
        text="Compress WebSocket messages for clients that offer it. It costs memory "
        "for each connection.",
    ),
)

_OPERATION: Final = (
    Flag(
        name="drain-timeout",
        value="SECONDS",
        text="Time that sessions have to end when the server stops; 0 to drop them "
        "at once.",
        take=check_wait,
        default=DEFAULT_DRAIN_TIMEOUT,
    ),
    Flag(
        name="metrics", text="Serve metrics for Prometheus at /metrics, beside --path."
    ),
    Flag(
        name="metrics-listen",
        value="ENDPOINT",
        text="Endpoint that serves /metrics and /healthz and nothing else, such as "
        "tcp:9090:interface=127.0.0.1.",
        shown_default=NONE,
    ),
    Flag(
        name="inspector",
        value="ENDPOINT",
        text="Endpoint that serves the inspector, a page that shows the sessions, such "
        "as tcp:8081:interface=127.0.0.1.",
        shown_default="at / if there is no --app and --interface is local",
    ),
    Flag(name="no-inspector", text="Do not serve the inspector at all."),
)


class Options(CommandLine):
    """What ``twistd engineio`` can be told."""

    program = "twistd engineio"
    usage = "twistd [twistd's options] engineio [options]"
    introduction = (
        "Serve Engine.IO: HTTP long-polling, upgraded to WebSocket. Options without a "
        "value are off unless they are given."
    )
    groups = (
        ("Where to listen", _LISTENING),
        ("What to serve", _SERVING),
        ("Heartbeat", _HEARTBEAT),
        ("Who gets in", _ADMITTING),
        ("Limits", LIMITS),
        ("Compression", _COMPRESSION),
        ("Operation", _OPERATION),
        ("Help", HELP_FLAGS),
    )
    closing = """\
Examples:
  Try it out, in the foreground; then look at http://127.0.0.1:8080/ with a browser:
    twistd -n engineio
  Serve the class Chat of chat.py behind a reverse proxy on the same machine:
    twistd -n engineio --app chat:Chat --port 8080 --trusted-proxies 127.0.0.1

The guide is in the folder docs of the source: options.md tells more about each
option, deployment.md how to run a server. twistd --help shows twistd's options."""

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
        """Read the command line.

        Raises:
            SystemExit: It makes no sense. Twisted would print the whole help.
        """
        try:
            super().parseOptions(options)
        except WrongCommandLine as error:
            raise SystemExit(str(error)) from error

    @override
    def parseArgs(self, *arguments: str) -> None:
        if arguments:
            raise UsageError(
                f"{arguments[0]!r} is no option, and nothing else is taken"
            )

    @override
    def postOptions(self) -> None:
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
        alone = not path_segments(self["path"])
        check_node(self)
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
        given = given_options(self, self.flags())
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
            (description, endpoint_for(reactor, "listen", description))
            for description in options["listen"]
        ],
        options["path"],
        reactor,
        beside=_beside(options, engine),
        others=others,
        drain_timeout=options["drain-timeout"],
        owns_process=True,
        workers=workers_for(options, engine, reactor),
    )


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
        endpoint=endpoint_for(reactor, "inspector", options["inspector"]),
        site=engine_site(engine, options["path"], beside=pages, reactor=reactor),
    )


def _metrics_place(options: Options, engine: Engine, reactor: Any) -> Place:
    root = Resource()
    root.putChild(b"metrics", _metrics_resource(engine))
    root.putChild(b"healthz", HealthResource(engine))
    return Place(
        purpose="Metrics",
        description=options["metrics-listen"],
        endpoint=endpoint_for(reactor, "metrics-listen", options["metrics-listen"]),
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
