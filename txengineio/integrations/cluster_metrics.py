"""Metrics of a cluster: what a node counts of the others, and all nodes' as one.

Nothing but JSON goes between the nodes. Each sample gets a label ``worker``, the place
of its node on the machine, which stays the same when a process takes another's place.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
)

from txengineio.server.cluster import Cluster, ClusterCounts

__all__ = ["CHANNEL", "Merged", "as_bytes", "machine_families", "node_families"]

CHANNEL: Final = "engineio.metrics"
"""The channel on which nodes are asked for their metrics."""

_LABEL: Final = "worker"

_DIRECTIONS: Final = ("in", "out")
_NOT_MOVED: Final = ("busy", "lost")
_FORWARDED: Final = ("answered", "tunnels", "busy", "lost", "cut", "left", "abandoned")
_LINKS: Final = (
    *("accepted", "strangers", "late", "astray", "crowded"),
    *("refused", "unknown", "timeout", "unproven", "closed", "failed"),
)
_MESSAGES: Final = {"in": "received", "out": "sent"}
_DROPPED: Final = (
    *("full", "large", "gone", "torn", "broken", "unknown", "late"),
    *("away", "unheard", "lost", "forged", "stranger", "version", "again"),
)


def node_families(cluster: Cluster) -> Iterator[Metric]:
    """Yield what a node counts of its dealings with the others."""
    counts = cluster.counts
    yield _counted(
        "engineio_handed_over",
        "Connections that moved to another process, or came from one.",
        "direction",
        {each: counts.moved[each] for each in _DIRECTIONS},
    )
    yield CounterMetricFamily(
        "engineio_placed",
        "Connections that moved to another process as that has fewer sessions.",
        value=counts.moved["placed"],
    )
    yield _counted(
        "engineio_hand_over_failures",
        "Connections that could not be moved to their session.",
        "reason",
        {each: counts.moved[each] for each in _NOT_MOVED},
    )
    yield from _forwarded_families(counts)
    yield _counted(
        "engineio_node_messages",
        "Messages between processes.",
        "direction",
        {each: counts.told[name] for each, name in _MESSAGES.items()},
    )
    yield _counted(
        "engineio_dropped_node_messages",
        "Messages between processes that were dropped.",
        "reason",
        {each: counts.told[each] for each in _DROPPED},
    )


def _forwarded_families(counts: ClusterCounts) -> Iterator[Metric]:
    yield _counted(
        "engineio_forwarded",
        "Requests for another process on connections that cannot be moved.",
        "outcome",
        {each: counts.forwarded[each] for each in _FORWARDED},
    )
    yield _counted(
        "engineio_forwarded_bytes",
        "Bytes of those requests, their answers and tunnels, between processes.",
        "direction",
        {"in": counts.carried.bytes_in, "out": counts.carried.bytes_out},
    )


def machine_families(cluster: Cluster) -> Iterator[Metric]:
    """Yield what a node knows of those on other machines."""
    yield GaugeMetricFamily(
        "engineio_cluster_ok",
        "Whether this node hears the others; without, requests are still forwarded.",
        value=cluster.state == "ok",
    )
    yield GaugeMetricFamily(
        "engineio_cluster_nodes",
        "Nodes that this one knows to live, with itself.",
        value=1 + len(cluster.peers()),
    )
    yield GaugeMetricFamily(
        "engineio_cluster_sessions",
        "Sessions of all nodes; those of others are seconds old.",
        value=cluster.sessions,
    )
    yield _counted(
        "engineio_links",
        "Connections between nodes of several machines.",
        "outcome",
        {each: cluster.counts.links[each] for each in _LINKS},
    )


def _counted(
    name: str, text: str, label: str, values: Mapping[str, int]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in values.items():
        family.add_metric([value], count)
    return family


def as_bytes(families: Iterable[Metric]) -> bytes:
    """Return metrics as a node sends them."""
    return json.dumps(
        [
            {
                "name": family.name,
                "text": family.documentation,
                "type": family.type,
                "unit": family.unit,
                "samples": [
                    (sample.name, sample.labels, sample.value)
                    for sample in family.samples
                ],
            }
            for family in families
        ]
    ).encode()


class Merged:
    """The metrics of several nodes, as one registry.

    Args:
        cluster: The nodes; its own metrics are added like those of the others.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._families: dict[str, Metric] = {}
        self._restarts = cluster.restarts
        self._up = dict.fromkeys(self._restarts, 0)

    def add(self, worker: str, metrics: bytes | None) -> None:
        """Add a node's answer; None if it has not answered.

        Raises:
            ValueError: `as_bytes` returns no such bytes.
        """
        # A process that another one has replaced is still there while it drains.
        while metrics is not None and self._up.get(worker):
            worker = f"{worker}-draining"
        self._up[worker] = max(self._up.get(worker, 0), metrics is not None)
        if metrics is None:
            return
        try:
            for each in json.loads(metrics):
                self._add(worker, each)
        except (KeyError, TypeError) as error:
            raise ValueError(f"no metrics: {error!r}") from error

    def _add(self, worker: str, each: Mapping[str, Any]) -> None:
        family = self._families.get(each["name"])
        if family is None:
            family = Metric(each["name"], each["text"], each["type"], each["unit"])
            self._families[each["name"]] = family
        for name, labels, value in each["samples"]:
            family.add_sample(name, {**labels, _LABEL: worker}, value)

    def collect(self) -> Iterator[Metric]:
        """Return all of them; ``prometheus_client`` calls this."""
        yield from self._families.values()
        up = GaugeMetricFamily(
            "engineio_worker_up",
            "Whether a process has told its metrics in time.",
            labels=[_LABEL],
        )
        for worker, is_up in self._up.items():
            up.add_metric([worker], is_up)
        yield up
        restarts = CounterMetricFamily(
            "engineio_worker_restarts",
            "How often a worker was started anew as it had ended by itself.",
            labels=[_LABEL],
        )
        for worker, count in self._restarts.items():
            restarts.add_metric([worker], count)
        yield restarts
