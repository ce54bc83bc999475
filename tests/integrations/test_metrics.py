"""Metrics, scraped over HTTP from an engine in memory."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from twisted.web.resource import Resource
from twisted.web.server import Site

from tests.connection import Connection
from tests.session.sessions import handshake_request
from tests.wiring import Server
from txengineio import Engine, EngineIOProtocol, InvalidOption
from txengineio.integrations.metrics import EngineMetrics, MetricsResource
from txengineio.server.transports.websocket import OPEN_PACKET_DELAY
from txengineio.testing import RecordingApplication, RecordingTransport

Samples = dict[tuple[str, tuple[str, ...]], float]


def echo() -> RecordingApplication:
    return RecordingApplication(
        on_message=lambda protocol, message: protocol.session.send(message)
    )


def scrape(server: Server, metrics: EngineMetrics) -> Samples:
    """Return the values by the names and label values of their samples."""
    registry = CollectorRegistry()
    registry.register(metrics)
    root = Resource()
    root.putChild(b"metrics", MetricsResource(registry))
    connection = Connection(Site(root, reactor=server.clock), server.settle)
    server.connections.append(connection)
    answer = connection.request("GET", "/metrics").answer
    assert answer.status == 200
    assert (answer.header("Content-Type") or "").startswith(
        "application/openmetrics-text"
    )
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_an_engine_counts_nothing_before_somebody_asks() -> None:
    server = Server.new()
    client = server.open_polling()

    assert server.engine.statistics is None
    assert client.session.traffic is None


def test_sessions_are_read_when_they_are_asked_for() -> None:
    server = Server.new(allow_eio3=True)
    metrics = EngineMetrics(server.engine)
    server.open_polling()
    server.open_polling()
    server.open_websocket(EIO="3")
    server.advance(OPEN_PACKET_DELAY)

    samples = scrape(server, metrics)

    assert samples["engineio_sessions", ("4", "polling")] == 2
    assert samples["engineio_sessions", ("3", "websocket")] == 1
    assert samples["engineio_sessions", ("4", "websocket")] == 0
    assert samples["engineio_handshakes_total", ("4", "polling")] == 2
    assert samples["engineio_handshakes_total", ("3", "websocket")] == 1


def test_sessions_that_are_older_than_the_metrics_are_read_and_counted() -> None:
    server = Server.new(echo())
    client = server.open_polling()
    metrics = EngineMetrics(server.engine)
    client.post("4hello")

    samples = scrape(server, metrics)

    assert samples["engineio_sessions", ("4", "polling")] == 1
    assert samples["engineio_messages_total", ("in", "polling")] == 1


def test_messages_and_bytes_are_counted_by_direction_and_transport() -> None:
    server = Server.new(echo())
    metrics = EngineMetrics(server.engine)
    client = server.open_polling()
    client.post("4hello", "4you")
    assert client.poll().answer.packets == ["4hello", "4you"]
    handshake = len(client.handshake.answer.body)
    before = scrape(server, metrics)
    websocket = client.upgrade()
    websocket.send("4four")
    assert websocket.packets() == ["4four"]

    after = scrape(server, metrics)

    assert before["engineio_messages_total", ("in", "polling")] == 2
    assert before["engineio_messages_total", ("out", "polling")] == 2
    assert before["engineio_carried_bytes_total", ("in", "polling")] == 11
    assert before["engineio_carried_bytes_total", ("out", "polling")] == handshake + 11
    assert after["engineio_messages_total", ("in", "polling")] == 2
    assert after["engineio_messages_total", ("in", "websocket")] == 1
    assert after["engineio_messages_total", ("out", "websocket")] == 1
    # Frames: a header of two bytes, and a mask of four from the client.
    assert after["engineio_carried_bytes_total", ("in", "websocket")] == 11
    assert after["engineio_carried_bytes_total", ("out", "websocket")] == 7


def test_what_a_session_carried_is_still_counted_when_it_is_gone() -> None:
    server = Server.new(echo())
    metrics = EngineMetrics(server.engine)
    websocket = server.open_websocket()
    websocket.send("4hello")
    websocket.close()

    samples = scrape(server, metrics)

    assert samples["engineio_sessions", ("4", "websocket")] == 0
    assert samples["engineio_messages_total", ("in", "websocket")] == 1
    assert samples["engineio_messages_total", ("out", "websocket")] == 1
    assert samples["engineio_closes_total", ("transport close",)] == 1


def test_upgrades_are_counted_as_they_go() -> None:
    server = Server.new()
    metrics = EngineMetrics(server.engine)
    server.open_polling().upgrade()
    server.open_polling().open_websocket().send("4too early")
    server.open_polling().open_websocket()

    samples = scrape(server, metrics)

    assert samples["engineio_upgrades_total", ("started",)] == 3
    assert samples["engineio_upgrades_total", ("completed",)] == 1
    assert samples["engineio_upgrades_total", ("failed",)] == 1


def test_refused_requests_are_counted_by_code() -> None:
    server = Server.new()
    metrics = EngineMetrics(server.engine)
    server.request(transport="pigeon")
    server.request(sid="unknown")
    server.request(sid="unknown")
    server.open_websocket(headers={"Sec-WebSocket-Version": "7"})

    samples = scrape(server, metrics)

    assert samples["engineio_rejections_total", ("0",)] == 1
    assert samples["engineio_rejections_total", ("1",)] == 2
    assert samples["engineio_rejections_total", ("3",)] == 0
    assert samples["engineio_rejections_total", ("400",)] == 1


def test_what_waits_for_a_poll_is_told() -> None:
    server = Server.new()
    metrics = EngineMetrics(server.engine)
    client = server.open_polling()
    client.session.send("grüße")
    client.session.send(b"\0\1")

    waiting = scrape(server, metrics)["engineio_buffered_bytes", ()]
    assert waiting == client.session.buffered_bytes > 9
    client.poll()
    assert scrape(server, metrics)["engineio_buffered_bytes", ()] == 0


def test_round_trips_of_heartbeats_go_into_a_histogram() -> None:
    server = Server.new(ping_interval=25.0)
    metrics = EngineMetrics(server.engine)
    websocket = server.open_websocket()
    assert websocket.sid
    server.advance(25.0)
    assert websocket.packets() == ["2"]
    server.advance(0.03)
    websocket.send("3")
    # Nobody has asked for this one.
    websocket.send("3")

    samples = scrape(server, metrics)

    name = "engineio_heartbeat_round_trip_seconds"
    assert samples[f"{name}_bucket", ("0.025",)] == 0
    assert samples[f"{name}_bucket", ("0.05",)] == 1
    assert samples[f"{name}_bucket", ("+Inf",)] == 1
    assert samples[f"{name}_sum", ()] == pytest.approx(0.03)


def test_heartbeats_between_the_batches_for_a_slow_client_are_no_messages() -> None:
    server = Server.new(ping_interval=25.0)
    metrics = EngineMetrics(server.engine)
    websocket = server.open_websocket()
    session = server.session(websocket.sid)
    websocket.connection.transport.stop_reading()
    for _ in range(40):
        session.send("x" * 70_000)
    server.advance(25.0)
    for _ in range(3):
        session.send("after the ping")
    websocket.connection.transport.start_reading()
    server.settle()

    assert len(websocket.packets()) == 44
    samples = scrape(server, metrics)
    assert samples["engineio_messages_total", ("out", "websocket")] == 43


@pytest.mark.parametrize("wrong", [Engine, EngineIOProtocol, "engine"])
def test_what_is_no_engine_is_refused_at_once(wrong: Any) -> None:
    with pytest.raises(InvalidOption, match="engine must be an Engine, as Engine"):
        EngineMetrics(wrong)
    with pytest.raises(InvalidOption, match="engine must be an Engine, as Engine"):
        MetricsResource(CollectorRegistry(), wrong)


def test_sessions_on_a_transport_of_ones_own_are_counted_by_its_name() -> None:
    server = Server.new(echo())
    metrics = EngineMetrics(server.engine)
    transport = RecordingTransport("radio")
    session = server.engine.open_session(transport, handshake_request())
    session.message_received("hello")

    during = scrape(server, metrics)
    session.close()
    after = scrape(server, metrics)

    assert during["engineio_sessions", ("4", "radio")] == 1
    assert during["engineio_handshakes_total", ("4", "radio")] == 1
    assert during["engineio_messages_total", ("in", "radio")] == 1
    assert ("engineio_sessions", ("4", "radio")) not in after
    assert after["engineio_closes_total", ("forced close",)] == 1
    assert after["engineio_messages_total", ("out", "radio")] == 1
