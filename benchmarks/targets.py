"""The targets, as data, and whether a run has met them."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from benchmarks.figures import P50, P99, ratio
from benchmarks.load.flood import FLOODS
from benchmarks.results import Results
from benchmarks.scenarios import SCENARIOS
from benchmarks.servers import (
    KERNEL,
    NODE,
    OURS,
    OURS_APART,
    OURS_CLUSTER,
    OURS_ONE_WORKER,
    OURS_STARTED,
    OURS_WORKERS,
    PYTHON_ENGINEIO,
    PYTHON_SOCKETIO,
    SOCKETIO,
    SOCKETIO_ASYNC,
    SOCKETIO_NODE,
    WEB_STARTED,
)


class Field(NamedTuple):
    """Who is compared with whom: a server of ours with Node's, and the best of Python.

    `title` tells apart what several of ours have done in one scenario.
    """

    own: str
    node: str
    python: tuple[str, ...]
    python_title: str
    title: str = ""


ENGINEIO_FIELD = Field(OURS, NODE, PYTHON_ENGINEIO, "python-engineio")
_PEERS = (SOCKETIO_NODE, PYTHON_SOCKETIO, "python-socketio")
SERVER_FIELD = Field(SOCKETIO, *_PEERS, "Server")
ASYNC_SERVER_FIELD = Field(SOCKETIO_ASYNC, *_PEERS, "AsyncServer")


class Target(NamedTuple):
    """The least that a peer's value may be, as multiple of ours.

    None: it is only compared.
    """

    scenario: str
    node: float | None
    python: float | None
    field: Field = ENGINEIO_FIELD

    @property
    def name(self) -> str:
        """The scenario, and which server of ours is meant if there are several."""
        return ", ".join(filter(None, [self.scenario, self.field.title]))


Figure = Callable[[Results], float | None]


class Limit(NamedTuple):
    """The most that one figure may be, as multiple of another.

    `bare` are both for a server that does nothing of its own, if there is one.
    """

    title: str
    at_most: float
    figure: Figure
    reference: Figure
    bare: tuple[Figure, Figure] | None = None


class Verdict(NamedTuple):
    """A target beside what was measured; both are bounds on a ratio.

    `bare` is the ratio of a server that does nothing of its own, where one was
    measured: none can reach a better one.
    """

    title: str
    measured: float
    bound: float
    at_least: bool
    bare: float | None = None

    @property
    def met(self) -> bool:
        """Tell whether the measured ratio keeps the bound."""
        if self.at_least:
            return self.measured >= self.bound
        return self.measured <= self.bound

    @property
    def out_of_reach(self) -> bool:
        """Tell whether the kernel alone takes more than the bound allows."""
        if self.bare is None:
            return False
        return self.bare < self.bound if self.at_least else self.bare > self.bound


TARGETS = (
    Target("echo-pipelined", node=4.5, python=4.5),
    Target("echo-single", node=1.3, python=4.5),
    Target("echo-4k", node=2.8, python=4.5),
    Target("echo-64k", node=2.7, python=4.5),
    Target("polling-1", node=1.15, python=2.5),
    Target("polling-10", node=1.05, python=2.5),
    Target("handshake-polling", node=1.35, python=2.5),
    Target("handshake-websocket", node=1.4, python=2.5),
    Target("upgrade", node=1.35, python=2.5),
    Target("broadcast", node=1.6, python=4.5),
    Target("heartbeat", node=1.6, python=2.5),
    Target("memory", node=6.0, python=2.5),
    Target("trickle-200", node=1.0, python=2.5),
    Target("trickle-2000", node=1.0, python=2.5),
    Target("trickle-polling", node=1.0, python=2.5),
    *(Target(f"fairness-{flood}", node=1.0, python=None) for flood in FLOODS),
    Target("socketio-ack-pipelined", None, 3.0, SERVER_FIELD),
    Target("socketio-ack-pipelined", None, 1.5, ASYNC_SERVER_FIELD),
    Target("socketio-ack-single", None, 3.0, SERVER_FIELD),
    Target("socketio-ack-single", None, 1.5, ASYNC_SERVER_FIELD),
    Target("socketio-room", 1.0, 4.0, SERVER_FIELD),
    Target("socketio-room", 1.0, 4.0, ASYNC_SERVER_FIELD),
    Target("socketio-connect", None, None, SERVER_FIELD),
    Target("socketio-connect", None, None, ASYNC_SERVER_FIELD),
)


def _value(scenario: str, server: str = OURS) -> Figure:
    parts = SCENARIOS[scenario].parts

    def figure(results: Results) -> float | None:
        value = results.value(scenario, server)
        return None if value is None else value / parts

    return figure


def _latency(which: int, scenario: str, server: str) -> Figure:
    def figure(results: Results) -> float | None:
        found = results.of(scenario, server)
        return found.percentiles[which] if found and found.percentiles else None

    return figure


LIMITS = (
    Limit(
        "heartbeat: 10,000 idle sessions / 1,000",
        1.2,
        _value("heartbeat-10000"),
        _value("heartbeat"),
    ),
    Limit(
        "memory of a session: 10,000 / 1,000",
        1.2,
        _value("memory-10000"),
        _value("memory"),
    ),
    Limit(
        "cost of a message: 2,000 connections / 10",
        1.2,
        _value("echo-of-2000"),
        _value("echo-of-10"),
    ),
    Limit(
        # Were it quadratic, it would be 4; the processor's caches allow no 1.
        "cost of a byte: message of 900 kB / 225 kB",
        1.5,
        _value("size-900k"),
        _value("size-225k"),
    ),
    Limit(
        "99th percentile, pipelined load: ours / Node's",
        1.0,
        _latency(P99, "echo-pipelined", OURS),
        _latency(P99, "echo-pipelined", NODE),
    ),
    *(
        Limit(
            f"{scenario}: median latency, ours / Node's",
            1.0,
            _latency(P50, scenario, OURS),
            _latency(P50, scenario, NODE),
        )
        for scenario in ("trickle-200", "trickle-2000", "trickle-polling")
    ),
    Limit(
        "another worker's session, kept connection / local",
        1.1,
        _value("workers-poll-moved", OURS_WORKERS),
        _value("workers-poll", OURS_WORKERS),
    ),
    Limit(
        "another worker's session, new connections / local",
        2.0,
        _value("workers-poll-new-moved", OURS_WORKERS),
        _value("workers-poll-new", OURS_WORKERS),
    ),
    Limit(
        # There is nothing between; the rest is how far samples differ.
        "WebSocket handed over by another worker / local",
        1.02,
        _value("workers-echo-moved", OURS_WORKERS),
        _value("workers-echo", OURS_WORKERS),
    ),
    *(
        Limit(
            f"{scenario}: --workers 1 / without",
            1.02,
            _value(scenario, OURS_ONE_WORKER),
            _value(scenario),
        )
        for scenario in ("workers-poll", "workers-poll-new", "workers-echo")
    ),
    Limit(
        "another node's session, kept connection / local",
        4.5,
        _value("cluster-poll-forwarded", OURS_CLUSTER),
        _value("cluster-poll", OURS_CLUSTER),
    ),
    Limit(
        "broadcast to three nodes / to one",
        1.2,
        _value("cluster-broadcast", OURS_CLUSTER),
        _value("broadcast"),
        # Three times as many sockets on the same processor.
        (_value("broadcast-3000", KERNEL), _value("broadcast", KERNEL)),
    ),
    Limit(
        "broadcast to three nodes / to one, as many sessions",
        1.2,
        _value("cluster-broadcast", OURS_CLUSTER),
        _value("broadcast-3000"),
    ),
    Limit(
        "broadcast to three nodes / three broadcasts without a cluster",
        1.1,
        _value("cluster-broadcast", OURS_CLUSTER),
        _value("cluster-broadcast-apart", OURS_APART),
    ),
    Limit(
        "start to first answer: twistd engineio / web",
        1.5,
        _value("start", OURS_STARTED),
        _value("start", WEB_STARTED),
    ),
)


def verdicts(results: Results) -> Iterator[Verdict]:
    """Judge everything that the run has measured."""
    for target in TARGETS:
        field = target.field
        own = results.value(target.scenario, field.own)
        if own is None:
            continue
        least = results.value(target.scenario, KERNEL)
        bounds = (
            ("Node", target.node, results.value(target.scenario, field.node)),
            (
                field.python_title,
                target.python,
                results.best(target.scenario, field.python),
            ),
        )
        for peer, bound, value in bounds:
            if bound is not None and value is not None:
                title = f"{target.name}: {peer} / ours"
                bare = None if least is None else ratio(value, least)
                yield Verdict(title, ratio(value, own), bound, True, bare)
    yield from _limits(results)


def _limits(results: Results) -> Iterator[Verdict]:
    for limit in LIMITS:
        measured = _ratio(results, limit.figure, limit.reference)
        if measured is not None:
            bare = None if limit.bare is None else _ratio(results, *limit.bare)
            yield Verdict(limit.title, measured, limit.at_most, False, bare)


def _ratio(results: Results, figure: Figure, reference: Figure) -> float | None:
    one, another = figure(results), reference(results)
    return None if one is None or another is None else ratio(one, another)
