"""The servers under test, as data, and how each is started."""

import os
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, unique
from pathlib import Path

from benchmarks import install
from benchmarks.install import KERNEL_ECHO, NODE_MODULES, PYTHON

_APPS = Path(__file__).parent / "apps"
ROOT = Path(__file__).parent.parent

OURS = "ours"
OURS_WORKERS = "ours-workers"
OURS_ONE_WORKER = "ours-one-worker"
OURS_CLUSTER = "ours-cluster"
OURS_APART = "ours-apart"
NODE = "node"
KERNEL = "kernel"
OURS_STARTED = "twistd-engineio"
WEB_STARTED = "twistd-web"
PYTHON_ENGINEIO = ("aiohttp", "uvicorn")
SOCKETIO = "socketio"
SOCKETIO_ASYNC = "socketio-async"
SOCKETIO_NODE = "socketio-node"
PYTHON_SOCKETIO = ("socketio-aiohttp", "socketio-uvicorn")


@unique
class Feature(Enum):
    """What a scenario needs of a server."""

    WEBSOCKET = "WebSocket messages"
    BROADCAST = "broadcasts"
    TIMER = "an application that has a timer"
    POLLING = "long-polling"
    ENGINE = "all of Engine.IO"
    START = "start-up by twistd"
    WORKERS = "what it does with workers, too"
    OTHER_WORKERS = "several workers"
    CLUSTER = "several nodes on Redis"
    APART = "several engines without a cluster"
    SOCKETIO = "Socket.IO"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that can be measured.

    `command` is followed by `--ping-interval` and `--ping-timeout` where the
    server has a heartbeat at all. `own` marks what this project makes. A load
    warms the server up for `warm_up` times as long as the others.
    """

    name: str
    title: str
    command: tuple[str, ...]
    features: frozenset[Feature]
    install: Callable[[], None] | None = None
    environment: Mapping[str, str]
    own: bool = False
    warm_up: float = 1.0

    @property
    def has_heartbeat(self) -> bool:
        """Tell whether it takes the heartbeat's times."""
        return bool(self.features & _WITH_HEARTBEAT)


_ALL = frozenset(Feature) - {
    Feature.START,
    Feature.WORKERS,
    Feature.OTHER_WORKERS,
    Feature.CLUSTER,
    Feature.APART,
    Feature.SOCKETIO,
}
_WITH_HEARTBEAT = frozenset(
    {
        Feature.ENGINE,
        Feature.WORKERS,
        Feature.CLUSTER,
        Feature.APART,
        Feature.SOCKETIO,
    }
)
_TWISTD = (
    sys.executable,
    str(Path(sysconfig.get_path("scripts")) / "twistd"),
    "--nodaemon",
    "--pidfile=",
)
# Its compiler goes on making the code faster for seconds.
_NODE_WARM_UP = 4.0
_FRAMES = frozenset({Feature.WEBSOCKET, Feature.BROADCAST})


def _import_from(root: Path) -> dict[str, str]:
    """Return the environment in which Python imports from `root` first."""
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(root), *([inherited] if inherited else [])])
    return {"PYTHONPATH": path}


def own_server(name: str, title: str, root: Path, reactor: str = "epoll") -> Server:
    """Return our server, imported from the tree `root`."""
    return Server(
        name=name,
        title=title,
        command=(sys.executable, str(_APPS / "ours.py"), "--reactor", reactor),
        features=_ALL | {Feature.WORKERS},
        environment=_import_from(root),
        own=True,
    )


def _own_workers(name: str, title: str, workers: int) -> Server:
    server = own_server(name, title, ROOT)
    others = {Feature.OTHER_WORKERS} if workers > 1 else frozenset()
    return replace(
        server,
        command=(*server.command, "--workers", str(workers)),
        features=frozenset({Feature.WORKERS, *others}),
    )


def _own_cluster(name: str, title: str) -> Server:
    return replace(
        own_server(name, title, ROOT),
        command=(sys.executable, str(_APPS / "our_cluster.py")),
        features=frozenset({Feature.CLUSTER}),
        install=install.find_redis,
    )


def _own_apart(name: str, title: str) -> Server:
    server = own_server(name, title, ROOT)
    return replace(
        server,
        command=(sys.executable, str(_APPS / "our_cluster.py"), "--apart"),
        features=frozenset({Feature.APART}),
    )


def _python_engineio(name: str, title: str) -> Server:
    app = str(_APPS / "python_engineio.py")
    return Server(
        name=name,
        title=title,
        command=(str(PYTHON), app, "--server", name),
        features=_ALL,
        install=install.install_python,
        environment={},
    )


def _own_socketio(name: str, server_class: str) -> Server:
    return Server(
        name=name,
        title=f"txengineio.socketio.{server_class}",
        command=(sys.executable, str(_APPS / "our_socketio.py"), server_class),
        features=frozenset({Feature.SOCKETIO}),
        environment=_import_from(ROOT),
        own=True,
    )


def _python_socketio(name: str, server: str) -> Server:
    app = str(_APPS / "python_socketio.py")
    return Server(
        name=name,
        title=f"python-socketio on {server}",
        command=(str(PYTHON), app, "--server", server),
        features=frozenset({Feature.SOCKETIO}),
        install=install.install_python,
        environment=_import_from(ROOT),
    )


def own_twistd(name: str, title: str, root: Path, plugin: str = "engineio") -> Server:
    """Return a server that twistd starts from a plugin's name."""
    return Server(
        name=name,
        title=title,
        command=(*_TWISTD, plugin, "--listen", "tcp:0:interface=127.0.0.1"),
        features=frozenset({Feature.START}),
        environment=_import_from(root),
        own=plugin == "engineio",
    )


SERVERS = {
    server.name: server
    for server in (
        own_server(OURS, "txengineio", ROOT),
        _own_workers(OURS_WORKERS, "txengineio, --workers 2", 2),
        _own_workers(OURS_ONE_WORKER, "txengineio, --workers 1", 1),
        _own_cluster(OURS_CLUSTER, "txengineio, three nodes on Redis"),
        _own_apart(OURS_APART, "txengineio, three engines without a cluster"),
        own_server("ours-asyncio", "txengineio, asyncio reactor", ROOT, "asyncio"),
        own_server(
            "ours-uvloop", "txengineio, asyncio reactor, uvloop", ROOT, "uvloop"
        ),
        Server(
            name=NODE,
            title="engine.io on Node",
            command=("node", str(_APPS / "engine_io.cjs")),
            features=_ALL,
            install=install.install_node,
            environment={"NODE_PATH": str(NODE_MODULES)},
            warm_up=_NODE_WARM_UP,
        ),
        _python_engineio("aiohttp", "python-engineio on aiohttp"),
        _python_engineio("uvicorn", "python-engineio on uvicorn"),
        Server(
            name="autobahn",
            title="bare Autobahn echo",
            command=(sys.executable, str(_APPS / "autobahn_echo.py")),
            features=_FRAMES,
            environment={},
        ),
        Server(
            name=KERNEL,
            title="epoll echo in C",
            command=(str(KERNEL_ECHO),),
            features=_FRAMES | {Feature.POLLING},
            install=install.install_kernel_echo,
            environment={},
        ),
        _own_socketio(SOCKETIO, "Server"),
        _own_socketio(SOCKETIO_ASYNC, "AsyncServer"),
        _own_socketio("socketio-threaded", "ThreadedServer"),
        Server(
            name=SOCKETIO_NODE,
            title="socket.io on Node",
            command=("node", str(_APPS / "socket_io.cjs")),
            features=frozenset({Feature.SOCKETIO}),
            install=install.install_node,
            environment={"NODE_PATH": str(NODE_MODULES)},
            warm_up=_NODE_WARM_UP,
        ),
        *(_python_socketio(name, name.partition("-")[2]) for name in PYTHON_SOCKETIO),
        own_twistd(OURS_STARTED, "twistd engineio", ROOT),
        own_twistd(WEB_STARTED, "twistd web", ROOT, "web"),
    )
}

# Other reactors, and servers in threads, are measured on demand only.
DEFAULT_SERVERS = (
    OURS,
    OURS_WORKERS,
    OURS_ONE_WORKER,
    OURS_CLUSTER,
    OURS_APART,
    NODE,
    *PYTHON_ENGINEIO,
    "autobahn",
    KERNEL,
    SOCKETIO,
    SOCKETIO_ASYNC,
    SOCKETIO_NODE,
    *PYTHON_SOCKETIO,
    OURS_STARTED,
    WEB_STARTED,
)
