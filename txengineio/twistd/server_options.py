"""The command lines of twistd's commands, and the service that each starts.

A command is a subclass of `ServerOptions` that says what it `serves`; flags, checks and
the service are the same for all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar, Final

from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.python.usage import UsageError
from twisted.web.resource import Resource
from typing_extensions import override

from txengineio.command_line import CommandLine, WrongCommandLine
from txengineio.integrations.inspector.pages import inspector_pages
from txengineio.server.engine import Engine
from txengineio.server.health import HealthResource
from txengineio.server.options.engine import EngineOptions
from txengineio.server.web.site import EngineIOSite, engine_site, path_segments
from txengineio.twistd.cluster_flags import CLUSTER_LISTEN, cluster_for
from txengineio.twistd.command_service import CommandService, Place, Words
from txengineio.twistd.endpoints import CannotStart, endpoint_for
from txengineio.twistd.flags import DEFAULT_INTERFACE, DEFAULT_PORT, SWITCHES, groups_of
from txengineio.twistd.limit_flags import given_options
from txengineio.twistd.node_flags import (
    DEFAULT_WORKER_TIMEOUT,
    check_node,
    workers_for,
)
from txengineio.twistd.serves import Serves
from txengineio.twistd.shares import check_shares, shares_of
from txengineio.twistd.supervisor.control import Assignment, WorkerSettings
from txengineio.twistd.supervisor.inheritance import as_inherited
from txengineio.twistd.supervisor.service import (
    Launch,
    Listening,
    SupervisorService,
)
from txengineio.twistd.supervisor.sockets import Binder

__all__ = ["ServerOptions", "make_service"]

_GUIDE: Final = """\
The guide is in the folder docs of the source: options.md tells more about each
option, deployment.md how to run a server. twistd --help shows twistd's options."""


# Pages that are served on ports of their own: the flag, the page, and the path.
_INSPECTOR: Final = ("inspector", "The inspector", "/")
_METRICS: Final = ("metrics-listen", "Metrics", "/metrics")


class ServerOptions(CommandLine):
    """The command line of a command that serves something.

    Attributes:
        serves: What it serves.

    Besides the flags, ``assignment`` is the `Assignment` of a supervisor's worker, and
    None elsewhere; it is set before the command line is read.
    """

    serves: ClassVar[Serves]

    @override
    def __init_subclass__(cls) -> None:
        serves = cls.serves
        cls.program = f"twistd {serves.command}"
        cls.usage = f"twistd [twistd's options] {serves.command} [options]"
        cls.introduction = (
            f"{serves.summary} Options without a value are off unless they are given."
        )
        cls.groups = groups_of(serves.protocol, serves.path, serves.app)
        cls.closing = f"Examples:\n{serves.examples}\n\n{_GUIDE}"
        super().__init_subclass__()

    def __init__(self) -> None:
        super().__init__()
        self["arguments"] = []
        # Of a worker: what it is, and the sockets that it has inherited.
        self["assignment"] = None
        self["inheritance"] = None
        self["listen"] = []
        self["cors-origins"] = []
        self["application"] = None
        self["engine_options"] = {}
        self["joins"] = None

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
        self["arguments"] = list(sys.argv[1:] if options is None else options)
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
        check_node(self)
        self["joins"] = cluster_for(self)
        if self["workers"] is not None:
            check_shares(self["engine_options"], self["workers"])
        if self["assignment"] is not None:
            self._become(self["assignment"].settings)
        if not self.has_workers:
            options = self["engine_options"]
            self["application"] = self.serves.application(self["app"], options)
        if not self["listen"] or self["port"] is not None:
            self["listen"].insert(0, self._port_description())
        elif self["interface"] is not None:
            raise UsageError("--interface goes with --port, not with --listen")
        self._check_operation()

    @property
    def has_workers(self) -> bool:
        """Whether workers serve: the application is loaded there, and not here."""
        return self["workers"] is not None and self["assignment"] is None

    def _check_operation(self) -> None:
        """Check the flags for those who run the server."""
        alone = not path_segments(self["path"])
        if self["inspector"] is not None and self["no-inspector"]:
            raise UsageError("--no-inspector does not go with --inspector")
        if alone and (self["inspector"] is not None or self["metrics"]):
            raise UsageError("--inspector and --metrics need a --path other than /")
        if (self["metrics"] or self["metrics-listen"]) and not find_spec(
            "prometheus_client"
        ):
            raise UsageError("metrics need: pip install prometheus-client")
        # Somebody is only trying the server out: pages are served that an application
        # would not want on its site.
        self["is_trial"] = (
            self["app"] is None
            and not alone
            and self["listen"] == [self._port_description()]
            and _is_local(self["interface"] or DEFAULT_INTERFACE)
        )
        self._check_path()

    def _check_path(self) -> None:
        """Check that the engine does not hide what is served beside it."""
        has_inspector = self["is_trial"] and self.serves.echoes
        beside = {
            "/healthz": ("the health page", True),
            "/metrics": ("--metrics", self["metrics"]),
            "/inspector": (
                "the inspector",
                self["inspector"] is not None
                or (has_inspector and not self["no-inspector"]),
            ),
        }
        path = self["path"].rstrip("/")
        what, is_there = beside.get(path, ("", False))
        if is_there:
            raise UsageError(f"--path must leave {path} to {what}")

    def _become(self, settings: WorkerSettings) -> None:
        """Take what a worker has of its own, and its share of what is for all."""
        self["node-directory"] = settings.directory
        options = self["engine_options"]
        shares = shares_of(options, settings.workers, settings.slot)
        if self.serves.brings_options:
            # The application sets options itself, which are not known yet: flags
            # override those, but the defaults of flags do not.
            shares = {name: shares[name] for name in shares if name in options}
        options.update(shares)
        options["node_name"] = settings.node

    def _engine_options(self) -> dict[str, Any]:
        given = given_options(self, self.flags())
        if self["cookie"] is not None:
            given["cookie"] = {"name": self["cookie"]}
        if self["cors-origins"]:
            given["cors"] = self._cors()
        elif self["cors-credentials"]:
            raise UsageError("--cors-credentials goes with --cors-origin")
        for flag, (name, value) in SWITCHES.items():
            if self[flag]:
                given[name] = value
        return given

    def _cors(self) -> dict[str, Any]:
        origins = self["cors-origins"]
        everybody = "*" in origins
        if everybody and self["cors-credentials"]:
            # Browsers refuse that; and allowing each origin by name would be a hole.
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


def make_service(options: ServerOptions) -> Any:
    """Make the service that a command runs.

    Returns:
        A `CommandService`; with ``--workers`` a `SupervisorService`.

    Raises:
        SystemExit: An endpoint's description makes no sense; the text says which.
    """
    from twisted.internet import reactor  # the reactor that twistd has chosen

    if options.has_workers:
        return _supervisor(options, reactor)
    return _server(options, reactor)


def _server(options: ServerOptions, reactor: Any) -> CommandService:
    assignment: Assignment | None = options["assignment"]
    # A worker's endpoints take the sockets that it has inherited.
    ports = reactor if assignment is None else options["inheritance"]
    serves = options.serves
    engine = serves.engine(options["application"], options["engine_options"], reactor)
    # First, as the parts below ask the other nodes.
    workers = workers_for(options, engine, reactor)
    if options["joins"] is not None:
        listen = _endpoint(options, CLUSTER_LISTEN, options[CLUSTER_LISTEN], ports)
        options["joins"].attach(engine, workers, listen)
    metrics = cache(partial(_metrics_resource, engine))
    if options["client-script"] is not None:
        engine.use(options["client-script"])
    others = []
    if options["inspector"] is not None:
        others.append(_inspector_place(options, engine, reactor, ports))
    if options["metrics-listen"] is not None:
        others.append(_metrics_place(options, engine, metrics, reactor, ports))
    return CommandService(
        engine,
        [
            (each, _endpoint(options, "listen", each, ports))
            for each in options["listen"]
        ],
        options["path"],
        beside=_beside(options, engine, metrics),
        others=others,
        drain_timeout=options["drain-timeout"],
        drain_spread=options["drain-spread"],
        workers=workers,
        packet_log=options["debug-packets"],
        words=_words(options),
        worker=None if assignment is None else assignment.settings,
    )


def _supervisor(options: ServerOptions, reactor: Any) -> SupervisorService:
    # Of twistd's own options; other programs have none.
    twistd: Any = options.parent or {}
    if twistd.get("chroot") is not None:
        raise CannotStart(
            f"{options.program}: --workers does not go with twistd's --chroot"
        )
    binder = Binder(reactor, options["workers"])
    words = _words(options)
    served = f"{words.protocol} is served at", f"{options['path'].rstrip('/')}/"
    lines = [served, *((f"{text}:", path) for text, path in words.pages)]
    places: list[tuple[str, str, list[tuple[str, str]]]] = []
    if options["joins"] is not None:
        # First, as in the workers, which also log where they listen.
        places.append((CLUSTER_LISTEN, options[CLUSTER_LISTEN], []))
    places += [("listen", each, lines) for each in options["listen"]]
    for flag, purpose, path in (_INSPECTOR, _METRICS):
        if options[flag] is not None:
            places.append((flag, options[flag], [(f"{purpose}:", path)]))
    return SupervisorService(
        Launch(
            program=options.program,
            command=f"{type(options).__module__}:{type(options).__qualname__}",
            arguments=options["arguments"],
            folder=str(Path.cwd()),
            workers=options["workers"],
            timeout=options["worker-timeout"] or DEFAULT_WORKER_TIMEOUT,
            drain_timeout=options["drain-timeout"],
            machine=options["node-name"] or "",
        ),
        binder,
        [
            Listening(
                description=description,
                endpoint=_endpoint(options, flag, description, binder),
                lines=lines,
            )
            for flag, description, lines in places
        ],
        reactor,
    )


def _words(options: ServerOptions) -> Words:
    words = options.serves.words(options)
    script = options["client-script"]
    if script is None:
        return words
    where = f"{options['path'].rstrip('/')}/{script.name}"
    return replace(words, pages=(*words.pages, ("The client's script", where)))


def _endpoint(
    options: ServerOptions, flag: str, description: str, ports: Any
) -> IStreamServerEndpoint:
    if options["assignment"] is not None:
        description = as_inherited(description)
    return endpoint_for(ports, options.program, flag, description)


def _beside(
    options: ServerOptions, engine: Engine, metrics: Callable[[], Resource]
) -> dict[bytes, Resource]:
    """Return what the engine's own site serves beside it."""
    beside = options.serves.home(options, engine)
    if options["metrics"]:
        beside[b"metrics"] = metrics()
    return beside


def _inspector_place(
    options: ServerOptions, engine: Engine, reactor: Any, ports: Any
) -> Place:
    """Return where ``--inspector`` says: the page, and the engine for it to talk to."""
    flag, purpose, path = _INSPECTOR
    echoes = options.serves.echoes and options["app"] is None
    pages = inspector_pages(engine, options["path"], echoes=echoes)
    return Place(
        purpose=purpose,
        description=options[flag],
        endpoint=_endpoint(options, flag, options[flag], ports),
        site=engine_site(engine, options["path"], beside=pages, reactor=reactor),
        path=path,
    )


def _metrics_place(
    options: ServerOptions,
    engine: Engine,
    metrics: Callable[[], Resource],
    reactor: Any,
    ports: Any,
) -> Place:
    flag, purpose, path = _METRICS
    root = Resource()
    root.putChild(b"metrics", metrics())
    root.putChild(b"healthz", HealthResource(engine))
    return Place(
        purpose=purpose,
        description=options[flag],
        endpoint=_endpoint(options, flag, options[flag], ports),
        site=EngineIOSite(root, {}, reactor=reactor),
        path=path,
    )


def _metrics_resource(engine: Engine) -> Resource:
    # An extra: it need not be installed unless it is asked for.
    from prometheus_client import CollectorRegistry, ProcessCollector

    from txengineio.integrations.metrics import EngineMetrics, MetricsResource

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(EngineMetrics(engine))
    return MetricsResource(registry, engine)
