"""What an engine counts, as OpenMetrics; needs the package ``prometheus-client``.

    registry = CollectorRegistry()
    registry.register(EngineMetrics(engine))
    root.putChild(b"metrics", MetricsResource(registry))

Nothing is kept here: each scrape reads the sessions that are open then, and the
engine's `Statistics`, so that no gauge can drift. Where an engine is one of several, a
scrape of any of them asks all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import accumulate, product
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.openmetrics.exposition import (
    CONTENT_TYPE_LATEST,
    generate_latest,
)
from prometheus_client.registry import Collector
from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.server import NOT_DONE_YET
from typing_extensions import override

from txengineio.errors import CloseReason, ErrorCode
from txengineio.integrations.cluster_metrics import (
    CHANNEL,
    Merged,
    as_bytes,
    machine_families,
    node_families,
)
from txengineio.server.child_resource import ChildResource
from txengineio.server.cluster import Cluster
from txengineio.server.engine import Engine
from txengineio.server.statistics import ROUND_TRIP_BOUNDS
from txengineio.server.web.resource import check_engine

__all__ = ["EngineMetrics", "MetricsResource"]

_log = Logger()

_INTERNAL_SERVER_ERROR: Final = 500
_UPGRADES: Final = ("started", "completed", "failed")


class EngineMetrics(Collector):
    """Tells ``prometheus_client`` about one engine; register it with a registry.

    The engine begins to count when this is made.

    Args:
        engine: The engine.

    Raises:
        InvalidOption: It is something else.
    """

    def __init__(self, engine: Engine) -> None:
        check_engine(engine)
        self._engine = engine
        self._statistics = engine.keep_statistics()

    @override
    def collect(self) -> Iterator[Metric]:
        """Read everything; ``prometheus_client`` calls this for each scrape."""
        yield from self._sessions()
        yield from self._events()
        yield from self._carried()
        yield self._round_trips()
        cluster = self._engine.cluster
        if cluster is not None:
            yield from node_families(cluster)
            if cluster.state is not None:
                yield from machine_families(cluster)

    def _sessions(self) -> Iterator[Metric]:
        kinds: Counter[tuple[str, int]] = Counter()
        buffered = 0
        for session in self._engine.sessions.values():
            kinds[session.transport.name, session.protocol_revision] += 1
            buffered += session.buffered_bytes
            self._statistics.settle(session.transport.name, session.traffic)
        yield self._by_kind(
            GaugeMetricFamily(
                "engineio_sessions",
                "Sessions that are open.",
                labels=["transport", "revision"],
            ),
            kinds,
        )
        yield GaugeMetricFamily(
            "engineio_buffered_bytes",
            "Memory of what waits for clients.",
            value=buffered,
        )
        yield self._by_kind(
            CounterMetricFamily(
                "engineio_handshakes",
                "Sessions that were opened.",
                labels=["transport", "revision"],
            ),
            self._statistics.handshakes,
        )

    def _by_kind(
        self,
        family: GaugeMetricFamily | CounterMetricFamily,
        counts: Counter[tuple[str, int]],
    ) -> Metric:
        options = self._engine.options
        revisions = (3, 4) if options.allow_eio3 else (4,)
        kinds = dict.fromkeys(product(options.transports, revisions), 0)
        # Sessions that the application has opened may be on other transports.
        for (transport, revision), count in {**kinds, **counts}.items():
            family.add_metric([transport, str(revision)], count)
        return family

    def _events(self) -> Iterator[Metric]:
        upgrades = CounterMetricFamily(
            "engineio_upgrades", "Moves from polling to WebSocket.", labels=["step"]
        )
        for step in _UPGRADES:
            upgrades.add_metric([step], self._statistics.upgrades[step])
        yield upgrades
        closes = CounterMetricFamily(
            "engineio_closes", "Sessions that ended.", labels=["reason"]
        )
        for reason in CloseReason:
            closes.add_metric([reason.value], self._statistics.closes[reason])
        yield closes
        rejections = CounterMetricFamily(
            "engineio_rejections",
            "Requests that were refused, by Engine.IO's code or the status of HTTP.",
            labels=["code"],
        )
        counts = dict.fromkeys((each.value for each in ErrorCode), 0)
        for code, count in {**counts, **self._statistics.rejections}.items():
            rejections.add_metric([str(code)], count)
        yield rejections

    def _carried(self) -> Iterator[Metric]:
        labels = ["direction", "transport"]
        messages = CounterMetricFamily(
            "engineio_messages", "Messages carried.", labels=labels
        )
        size = CounterMetricFamily(
            "engineio_carried_bytes",
            "Bytes of WebSocket frames and of HTTP bodies, as they travelled.",
            labels=labels,
        )
        for transport, carried in self._statistics.carried.items():
            messages.add_metric(["in", transport], carried.messages_in)
            messages.add_metric(["out", transport], carried.messages_out)
            size.add_metric(["in", transport], carried.bytes_in)
            size.add_metric(["out", transport], carried.bytes_out)
        yield messages
        yield size

    def _round_trips(self) -> Metric:
        round_trips = self._statistics.round_trips
        bounds = [*(str(bound) for bound in ROUND_TRIP_BOUNDS), "+Inf"]
        return HistogramMetricFamily(
            "engineio_heartbeat_round_trip_seconds",
            "From a ping of the server to the client's pong.",
            buckets=list(zip(bounds, accumulate(round_trips.counts), strict=True)),
            sum_value=round_trips.total,
        )


class MetricsResource(ChildResource):
    """Serves a registry as OpenMetrics text; rendered in the reactor's thread.

    Args:
        registry: What is to be served.
        engine: If it is one of several (`Engine.cluster`, by now), what the other
            nodes' resources serve is shown with it, by a label ``worker``; and the
            other nodes get what is to be served here. A node that has not answered
            within a second is left out, and ``engineio_worker_up`` says so.

    Raises:
        InvalidOption: The engine is none.
        ValueError: There is such a resource for the engine already.
    """

    isLeaf = True

    def __init__(
        self, registry: CollectorRegistry, engine: Engine | None = None
    ) -> None:
        super().__init__()
        if engine is not None:
            check_engine(engine)
        self._registry = registry
        self._cluster = None if engine is None else engine.cluster
        if self._cluster is not None:
            self._cluster.answer(CHANNEL, lambda _node, _data: self._as_bytes())

    def render_GET(self, request: Request) -> bytes | int:
        """Read all metrics."""
        request.setHeader(b"Content-Type", CONTENT_TYPE_LATEST.encode("ascii"))
        request.setHeader(b"Cache-Control", b"no-store")
        if self._cluster is None:
            text: bytes = generate_latest(self._registry)
            return text
        # Each machine has metrics of its own.
        asking = self._cluster.ask(CHANNEL, near=True)
        request.notifyFinish().addErrback(lambda _: asking.cancel())
        asking.addCallback(self._merge, self._cluster)
        asking.addCallbacks(
            lambda merged: _finish(request, merged), lambda why: _fail(request, why)
        )
        return NOT_DONE_YET

    def _as_bytes(self) -> bytes:
        return as_bytes(self._registry.collect())

    def _merge(self, answers: Mapping[str, bytes | None], cluster: Cluster) -> bytes:
        merged = Merged(cluster)
        merged.add(cluster.worker, self._as_bytes())
        # `Merged` marks a second node of a worker as the one that drains.
        for peer in sorted(cluster.peers(), key=lambda peer: peer.draining):
            if peer.name in answers:
                merged.add(peer.worker, answers[peer.name])
        text: bytes = generate_latest(merged)
        return text


def _finish(request: Request, text: bytes) -> None:
    request.write(text)
    request.finish()


def _fail(request: Request, failure: Failure) -> None:
    if not failure.check(CancelledError):
        _log.failure("the metrics cannot be sent", failure)
        request.setResponseCode(_INTERNAL_SERVER_ERROR)
        request.finish()
