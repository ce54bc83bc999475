"""What is measured, as data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, unique

from benchmarks import frames
from benchmarks.load.base import Load
from benchmarks.load.crowd import BroadcastLoad, IdleLoad, NodesLoad
from benchmarks.load.echo import EchoLoad, EchoMessages
from benchmarks.load.flood import FLOODS, FloodedEchoLoad
from benchmarks.load.loop import Address
from benchmarks.load.polling import PollingLoad
from benchmarks.load.socketio import (
    AcknowledgedEvents,
    AcknowledgedLoad,
    ConnectLoad,
    RoomLoad,
)
from benchmarks.load.visits import (
    PollingHandshakeLoad,
    UpgradeLoad,
    WebSocketHandshakeLoad,
)
from benchmarks.load.workers import (
    CrossedPollingLoad,
    MovedEchoLoad,
    NewConnectionsLoad,
)
from benchmarks.measuring import (
    MakeLoad,
    Measure,
    processor_time,
    session_memory,
    start_time,
    worst_waits,
)
from benchmarks.servers import Feature

# Longer than any round: no heartbeat disturbs a measurement.
_NO_HEARTBEAT = 300.0
_HEARTBEAT = 1.0

_SMALL = 32
_PAGE = 4_096
_LARGE = 65_536
# Below the limit of 1,000,000 bytes which is the default everywhere.
_HUGE = 900_000


@unique
class Unit(Enum):
    """A unit of the compared value: its name, and how many make one base unit."""

    MICROSECONDS = "µs", 1e6
    NANOSECONDS_PER_BYTE = "ns/B", 1e9
    KILOBYTES = "kB", 1e-3
    MILLISECONDS = "ms", 1e3

    def __init__(self, label: str, factor: float) -> None:
        self.label = label
        self.factor = factor


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One thing that servers do, and how its cost is measured.

    `own_only` marks what only tells how our own cost grows. The measured value
    is divided by `parts` before it is shown (the bytes of a message).
    """

    name: str
    title: str
    needs: Feature
    measure: Measure
    unit: Unit = Unit.MICROSECONDS
    ping_interval: float = _NO_HEARTBEAT
    own_only: bool = False
    parts: int = 1


def _echo(
    size: int,
    connections: int,
    window: int,
    *,
    binary: bool = False,
    rate: float | None = None,
) -> MakeLoad:
    def make(address: Address) -> Load:
        messages = EchoMessages(size, window, binary=binary)
        return EchoLoad(address, messages, connections=connections, rate=rate)

    return make


def _flooded(flood: str) -> Callable[[Address], FloodedEchoLoad]:
    def make(address: Address) -> FloodedEchoLoad:
        messages = EchoMessages(_SMALL, 1)
        return FloodedEchoLoad(address, messages, connections=50, flood=flood)

    return make


def _moved(crossed: bool) -> MakeLoad:
    def make(address: Address) -> Load:
        messages = EchoMessages(_SMALL, 1)
        return MovedEchoLoad(address, messages, connections=20, crossed=crossed)

    return make


def _polling(
    messages: int, *, clients: int = 20, rate: float | None = None
) -> MakeLoad:
    return lambda address: PollingLoad(
        address, clients=clients, messages=messages, size=_SMALL, rate=rate
    )


def _on_new_connections(crossed: bool) -> MakeLoad:
    return lambda address: NewConnectionsLoad(
        address, places=20, size=_SMALL, crossed=crossed
    )


_SAID = f"4B{frames.message_text(_SMALL - 1)}".encode()


def _broadcast(sessions: int) -> MakeLoad:
    return lambda address: BroadcastLoad(
        address, sessions=sessions, request=_SAID, reply=_SAID
    )


def _broadcast_to_nodes(apart: bool) -> MakeLoad:
    return lambda address: NodesLoad(
        address, nodes=3, apart=apart, sessions=3_000, request=_SAID, reply=_SAID
    )


def _acknowledged(connections: int, window: int) -> MakeLoad:
    def make(address: Address) -> Load:
        events = AcknowledgedEvents(_SMALL, window)
        return AcknowledgedLoad(address, events, connections=connections)

    return make


def _heartbeats(sessions: int) -> Measure:
    return processor_time(
        lambda address: IdleLoad(address, sessions=sessions),
        # Several rounds of heartbeats: the sessions have opened together, theirs come
        # together, and what is cut off at the ends is much of one round.
        least_seconds=6 * _HEARTBEAT,
    )


_MAIN = (
    Scenario(
        name="echo-pipelined",
        title="WebSocket echo, 32 B, 20 connections × 100 in flight",
        needs=Feature.WEBSOCKET,
        measure=processor_time(_echo(_SMALL, 20, 100)),
    ),
    Scenario(
        name="echo-single",
        title="WebSocket echo, 32 B, 100 connections × 1 in flight",
        needs=Feature.WEBSOCKET,
        measure=processor_time(_echo(_SMALL, 100, 1)),
    ),
    Scenario(
        name="echo-4k",
        title="WebSocket echo, 4 kB, 20 × 50 in flight",
        needs=Feature.WEBSOCKET,
        measure=processor_time(_echo(_PAGE, 20, 50)),
    ),
    Scenario(
        name="echo-64k",
        title="WebSocket echo, 64 kB binary, 10 × 4 in flight",
        needs=Feature.WEBSOCKET,
        measure=processor_time(_echo(_LARGE, 10, 4, binary=True)),
    ),
    Scenario(
        name="polling-1",
        title="POST of one message and GET of its echo, keep-alive",
        needs=Feature.POLLING,
        measure=processor_time(_polling(1)),
    ),
    Scenario(
        name="polling-10",
        title="POST and GET with 10 messages a payload, keep-alive",
        needs=Feature.POLLING,
        measure=processor_time(_polling(10)),
    ),
    Scenario(
        name="handshake-polling",
        title="polling handshake, new connection each",
        needs=Feature.POLLING,
        measure=processor_time(
            lambda address: PollingHandshakeLoad(address, places=20)
        ),
    ),
    Scenario(
        name="handshake-websocket",
        title="WebSocket handshake, new connection each",
        needs=Feature.WEBSOCKET,
        measure=processor_time(
            lambda address: WebSocketHandshakeLoad(address, places=20)
        ),
    ),
    Scenario(
        name="upgrade",
        title="handshake, probe, upgrade, one echo",
        needs=Feature.ENGINE,
        measure=processor_time(lambda address: UpgradeLoad(address, places=20)),
    ),
    Scenario(
        name="broadcast",
        title="broadcast to 1,000 WebSocket clients, per delivery",
        needs=Feature.BROADCAST,
        measure=processor_time(_broadcast(1_000)),
    ),
    Scenario(
        name="heartbeat",
        title="heartbeat of an idle session, ping and pong",
        needs=Feature.ENGINE,
        measure=_heartbeats(1_000),
        ping_interval=_HEARTBEAT,
    ),
    Scenario(
        name="memory",
        title="memory of an idle WebSocket session (Pss)",
        needs=Feature.ENGINE,
        measure=session_memory(1_000),
        unit=Unit.KILOBYTES,
    ),
)


_TRICKLE = (
    Scenario(
        name="trickle-200",
        title="WebSocket echo, 200 a second over 200 connections",
        needs=Feature.WEBSOCKET,
        measure=processor_time(_echo(_SMALL, 200, 1, rate=200)),
    ),
    Scenario(
        name="trickle-2000",
        title="WebSocket echo, 2,000 a second over 200 connections",
        needs=Feature.WEBSOCKET,
        measure=processor_time(_echo(_SMALL, 200, 1, rate=2_000)),
    ),
    Scenario(
        name="trickle-polling",
        title="POST and GET, 1,000 a second over 200 connections",
        needs=Feature.POLLING,
        measure=processor_time(_polling(1, clients=200, rate=1_000)),
    ),
)

_FAIRNESS = tuple(
    Scenario(
        name=f"fairness-{flood}",
        title=f"99th percentile of 50 × 1 in flight beside a flood of {flood}",
        needs=Feature.TIMER,
        measure=worst_waits(_flooded(flood)),
        unit=Unit.MILLISECONDS,
    )
    for flood in FLOODS
)


def _by_size(label: str, size: int) -> Scenario:
    return Scenario(
        name=f"size-{label}",
        title=f"WebSocket echo, {label}B binary, per byte",
        needs=Feature.WEBSOCKET,
        measure=processor_time(_echo(size, 2, 1, binary=True)),
        unit=Unit.NANOSECONDS_PER_BYTE,
        own_only=True,
        parts=size,
    )


_GROWTH = (
    Scenario(
        name="heartbeat-10000",
        title="heartbeat of one of 10,000 idle sessions",
        needs=Feature.ENGINE,
        measure=_heartbeats(10_000),
        ping_interval=_HEARTBEAT,
        own_only=True,
    ),
    Scenario(
        name="memory-10000",
        title="memory of one of 10,000 idle WebSocket sessions",
        needs=Feature.ENGINE,
        measure=session_memory(10_000),
        unit=Unit.KILOBYTES,
        own_only=True,
    ),
    Scenario(
        name="echo-of-10",
        title="WebSocket echo, 32 B, 10 connections × 1 in flight",
        needs=Feature.WEBSOCKET,
        measure=processor_time(_echo(_SMALL, 10, 1)),
        own_only=True,
    ),
    Scenario(
        name="echo-of-2000",
        title="WebSocket echo, 32 B, 2,000 connections × 1 in flight",
        needs=Feature.WEBSOCKET,
        measure=processor_time(_echo(_SMALL, 2_000, 1)),
        own_only=True,
    ),
    Scenario(
        name="broadcast-3000",
        title="broadcast to 3,000 WebSocket clients, per delivery",
        needs=Feature.BROADCAST,
        measure=processor_time(_broadcast(3_000)),
    ),
    _by_size("225k", _HUGE // 4),
    _by_size("900k", _HUGE),
    Scenario(
        name="start",
        title="start to first answer",
        needs=Feature.START,
        measure=start_time,
        unit=Unit.MILLISECONDS,
    ),
)


_WORKERS = tuple(
    Scenario(
        name=f"workers-{name}",
        title=title,
        needs=Feature.OTHER_WORKERS if name.endswith("-moved") else Feature.WORKERS,
        measure=processor_time(make_load),
        own_only=True,
    )
    for name, title, make_load in (
        ("poll", "POST and GET, connection of the session's worker", _polling(1)),
        (
            "poll-moved",
            "POST and GET, kept connection that came to another worker",
            lambda address: CrossedPollingLoad(
                address, clients=20, messages=1, size=_SMALL
            ),
        ),
        (
            "poll-new",
            "POST and GET, each on a new connection to the session's worker",
            _on_new_connections(False),
        ),
        (
            "poll-new-moved",
            "POST and GET, each on a new connection to another worker",
            _on_new_connections(True),
        ),
        ("echo", "WebSocket echo, handshake at the session's worker", _moved(False)),
        ("echo-moved", "WebSocket echo, handshake at another worker", _moved(True)),
    )
)

_CLUSTER = tuple(
    Scenario(
        name=f"cluster-{name}",
        title=title,
        needs=Feature.APART if name.endswith("-apart") else Feature.CLUSTER,
        measure=processor_time(make_load),
        own_only=True,
    )
    for name, title, make_load in (
        ("poll", "POST and GET, connection of the session's node", _polling(1)),
        (
            "poll-forwarded",
            "POST and GET, kept connection that came to another node",
            lambda address: CrossedPollingLoad(
                address, clients=20, messages=1, size=_SMALL
            ),
        ),
        ("echo", "WebSocket echo, handshake at the session's node", _moved(False)),
        ("echo-tunnelled", "WebSocket echo, handshake at another node", _moved(True)),
        (
            "broadcast",
            "broadcast to 3 × 1,000 WebSocket clients of three nodes, per delivery",
            _broadcast_to_nodes(apart=False),
        ),
        (
            "broadcast-apart",
            "three broadcasts at a time, of three engines, per delivery",
            _broadcast_to_nodes(apart=True),
        ),
    )
)

_SOCKETIO = tuple(
    Scenario(
        name=f"socketio-{name}",
        title=title,
        needs=Feature.SOCKETIO,
        measure=processor_time(make_load),
    )
    for name, title, make_load in (
        (
            "ack-pipelined",
            "event and its acknowledgement, 20 clients × 100 in flight",
            _acknowledged(20, 100),
        ),
        (
            "ack-single",
            "event and its acknowledgement, 100 clients × 1 in flight",
            _acknowledged(100, 1),
        ),
        (
            "room",
            "event to a room of 500 clients, per delivery",
            lambda address: RoomLoad(address, members=500, size=_SMALL),
        ),
        (
            "connect",
            "WebSocket, connect to the main namespace, close",
            lambda address: ConnectLoad(address, places=20),
        ),
    )
)

GROUPS: Mapping[str, tuple[Scenario, ...]] = {
    "main": _MAIN,
    "trickle": _TRICKLE,
    "fairness": _FAIRNESS,
    "growth": _GROWTH,
    "workers": _WORKERS,
    "cluster": _CLUSTER,
    "socketio": _SOCKETIO,
    "all": _MAIN + _TRICKLE + _FAIRNESS + _GROWTH + _WORKERS + _CLUSTER + _SOCKETIO,
}

SCENARIOS = {scenario.name: scenario for scenario in GROUPS["all"]}
