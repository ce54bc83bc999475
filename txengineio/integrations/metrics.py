"""What an engine counts, as OpenMetrics; needs the package ``prometheus-client``.

    registry = CollectorRegistry()
    registry.register(EngineMetrics(engine))
    root.putChild(b"metrics", MetricsResource(registry))

Nothing is kept here: each scrape reads the sessions that are open then, and the
engine's `Statistics`, so that no gauge can drift.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
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
from twisted.web.http import Request
from twisted.web.resource import Resource
from typing_extensions import override

from txengineio.errors import CloseReason, ErrorCode
from txengineio.server.engine import Engine
from txengineio.server.statistics import ROUND_TRIP_BOUNDS

__all__ = ["EngineMetrics", "MetricsResource"]

_UPGRADES: Final = ("started", "completed", "failed")


class EngineMetrics(Collector):
    """Tells ``prometheus_client`` about one engine; register it with a registry.

    The engine begins to count when this is made.

    Args:
        engine: The engine.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._statistics = engine.keep_statistics()

    @override
    def collect(self) -> Iterator[Metric]:
        """Read everything; ``prometheus_client`` calls this for each scrape."""
        yield from self._sessions()
        yield from self._events()
        yield from self._carried()
        yield self._round_trips()

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
        for transport in options.transports:
            for revision in revisions:
                family.add_metric(
                    [transport, str(revision)], counts[transport, revision]
                )
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


class MetricsResource(Resource):
    """Serves a registry as OpenMetrics text; rendered in the reactor's thread.

    Args:
        registry: What is to be served.
    """

    isLeaf = True

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._registry = registry

    def render_GET(self, request: Request) -> bytes:
        """Read all metrics."""
        request.setHeader(b"Content-Type", CONTENT_TYPE_LATEST.encode("ascii"))
        request.setHeader(b"Cache-Control", b"no-store")
        text: bytes = generate_latest(self._registry)
        return text
