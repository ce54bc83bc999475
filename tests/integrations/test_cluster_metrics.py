"""Metrics of several processes, scraped from any of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from twisted.web.server import Site

from tests.cluster.nodes import MemoryNode, deliver_all, make_nodes
from tests.conftest import FlushLoggedErrors
from tests.connection import Connection
from txengineio.integrations.cluster_metrics import Merged, as_bytes
from txengineio.integrations.metrics import EngineMetrics, MetricsResource

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Scraped:
    """A node that serves its metrics."""

    def __init__(self, node: MemoryNode) -> None:
        self.node = node
        self.registry = CollectorRegistry()
        self.registry.register(EngineMetrics(node.server.engine))
        self.resource = MetricsResource(self.registry, node.server.engine)

    def scrape(self, nodes: list[MemoryNode], seconds: float = 0.0) -> Samples:
        server = self.node.server
        site = Site(self.resource, reactor=server.clock)
        connection = Connection(site, server.settle)
        server.connections.append(connection)
        response = connection.request("GET", "/metrics")
        deliver_all(nodes)
        server.advance(seconds)
        answer = response.answer
        assert answer.status == 200
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }


@pytest.fixture
def nodes() -> list[MemoryNode]:
    nodes = make_nodes(3)
    for number, node in enumerate(nodes):
        node.joined.worker = str(number)
        node.restarts[:] = [0, 2, 1]
        node.joined.start()
    return nodes


@pytest.fixture
def scraped(nodes: list[MemoryNode]) -> list[Scraped]:
    return [Scraped(node) for node in nodes]


def by_worker(samples: Samples, name: str) -> dict[str, float]:
    return {
        dict(labels)["worker"]: value
        for (found, labels), value in samples.items()
        if found == name
    }


def test_any_node_tells_of_all(nodes: list[MemoryNode], scraped: list[Scraped]) -> None:
    for number, node in enumerate(nodes):
        for _ in range(number):
            node.server.open_polling()
    for each in scraped:
        samples = each.scrape(nodes)
        for worker in range(3):
            labels = {"revision": "4", "transport": "polling", "worker": str(worker)}
            key = "engineio_sessions", tuple(sorted(labels.items()))
            assert samples[key] == worker
        up = by_worker(samples, "engineio_worker_up")
        assert up == {"0": 1, "1": 1, "2": 1}
        restarts = by_worker(samples, "engineio_worker_restarts_total")
        assert restarts == {"0": 0, "1": 2, "2": 1}


def test_who_does_not_answer_is_left_out(
    nodes: list[MemoryNode], scraped: list[Scraped]
) -> None:
    nodes[0].known["n1"].takes = False
    answering = [nodes[0], nodes[2]]
    samples = scraped[0].scrape(answering)
    assert by_worker(samples, "engineio_worker_up") == {"0": 1, "1": 0, "2": 1}
    assert by_worker(samples, "engineio_buffered_bytes").keys() == {"0", "2"}
    # It takes the question, and hangs.
    nodes[0].known["n1"].takes = True
    samples = scraped[0].scrape(answering, seconds=1.5)
    assert by_worker(samples, "engineio_worker_up") == {"0": 1, "1": 0, "2": 1}
    # Nobody serves in its place.
    nodes[0].loses("n1")
    samples = scraped[0].scrape(answering)
    assert by_worker(samples, "engineio_worker_up") == {"0": 1, "1": 0, "2": 1}


def test_who_leaves_its_place_has_another_name(
    nodes: list[MemoryNode], scraped: list[Scraped]
) -> None:
    nodes[1].joined.worker = "2"
    nodes[1].server.engine.drain(0)
    nodes[1].server.clock.advance(1)
    samples = scraped[0].scrape(nodes)
    up = by_worker(samples, "engineio_worker_up")
    assert up == {"0": 1, "1": 0, "2": 1, "2-draining": 1}


def test_what_nodes_have_to_do_with_each_other_is_counted(
    nodes: list[MemoryNode], scraped: list[Scraped]
) -> None:
    counts = nodes[1].counts
    counts.moved.update({"in": 3, "out": 4, "placed": 2, "busy": 1})
    counts.forwarded.update({"answered": 7})
    counts.carried.bytes_in, counts.carried.bytes_out = 8, 9
    counts.told.update({"full": 5, "sent": 6})
    samples = scraped[0].scrape(nodes)

    def value(name: str, **labels: str) -> float:
        labels["worker"] = "1"
        return samples[name, tuple(sorted(labels.items()))]

    assert value("engineio_handed_over_total", direction="in") == 3
    assert value("engineio_handed_over_total", direction="out") == 4
    assert value("engineio_placed_total") == 2
    assert value("engineio_hand_over_failures_total", reason="busy") == 1
    assert value("engineio_hand_over_failures_total", reason="lost") == 0
    assert value("engineio_forwarded_total", outcome="answered") == 7
    assert value("engineio_forwarded_bytes_total", direction="in") == 8
    assert value("engineio_forwarded_bytes_total", direction="out") == 9
    assert value("engineio_node_messages_total", direction="out") == 6
    assert value("engineio_dropped_node_messages_total", reason="full") == 5


def test_a_scrape_that_breaks_off_is_forgotten(
    nodes: list[MemoryNode], scraped: list[Scraped]
) -> None:
    server = nodes[0].server
    connection = Connection(
        Site(scraped[0].resource, reactor=server.clock), server.settle
    )
    server.connections.append(connection)
    connection.request("GET", "/metrics")
    connection.lose()
    deliver_all(nodes)
    server.settle()


def test_an_answer_that_makes_no_sense_is_an_error(
    nodes: list[MemoryNode],
    scraped: list[Scraped],
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    scraped[1].resource._as_bytes = lambda: b"[[]]"  # type: ignore[method-assign]
    server = nodes[0].server
    connection = Connection(
        Site(scraped[0].resource, reactor=server.clock), server.settle
    )
    server.connections.append(connection)
    response = connection.request("GET", "/metrics")
    deliver_all(nodes)
    assert response.answer.status == 500
    assert len(flush_logged_errors(ValueError)) == 1


def test_there_is_one_resource_for_an_engine(scraped: list[Scraped]) -> None:
    with pytest.raises(ValueError, match="a function that answers already"):
        MetricsResource(scraped[0].registry, scraped[0].node.server.engine)


@given(st.binary() | st.text().map(str.encode))
def test_whatever_is_answered_is_read_or_refused(data: bytes) -> None:
    merged = Merged(MemoryNode("n0").joined)
    try:
        merged.add("0", data)
    except ValueError:
        return
    assert list(merged.collect())


def test_metrics_travel_whole() -> None:
    registry = CollectorRegistry()
    node = MemoryNode("n0")
    registry.register(EngineMetrics(node.server.engine))
    merged = Merged(node.joined)
    merged.add("0", as_bytes(registry.collect()))
    before = {family.name: family for family in registry.collect()}
    after = {family.name: family for family in merged.collect()}
    assert before.keys() <= after.keys()
    for name, family in before.items():
        assert after[name].type == family.type
        assert after[name].documentation == family.documentation
        assert len(after[name].samples) == len(family.samples)


def test_nodes_of_other_machines_tell_theirs_themselves(
    nodes: list[MemoryNode], scraped: list[Scraped]
) -> None:
    nodes[0].state = "ok"
    far: Any = nodes[0].known["n2"]
    far.is_near = False
    nodes[0].counts.links["accepted"] += 2
    samples = scraped[0].scrape(nodes)
    assert by_worker(samples, "engineio_worker_up").keys() == {"0", "1", "2"}
    assert by_worker(samples, "engineio_sessions").keys() == {"0", "1"}
    assert by_worker(samples, "engineio_cluster_ok") == {"0": 1}
    assert by_worker(samples, "engineio_cluster_nodes") == {"0": 3}
    assert samples["engineio_links_total", (("outcome", "accepted"), ("worker", "0"))]
    nodes[0].state = "degraded"
    samples = scraped[0].scrape(nodes)
    assert by_worker(samples, "engineio_cluster_ok") == {"0": 0}
