"""Transports that record: they are what sessions ask for, and take no requests."""

from __future__ import annotations

from typing import Any

import pytest
from zope.interface.verify import verifyObject

from tests.testing.applications import Chat
from tests.wiring import Server
from txengineio.server.session import ICarriesSession, ITakesRequests
from txengineio.testing import RecordingSession, RecordingTransport
from txengineio.testing.packet_transport import recording_transport


@pytest.mark.parametrize(
    ("name", "interface"),
    [
        ("polling", ICarriesSession),
        ("polling", ITakesRequests),
        ("websocket", ICarriesSession),
    ],
)
def test_what_they_provide(name: str, interface: Any) -> None:
    transport = recording_transport(name)
    assert transport.name == name
    transport.session = RecordingSession.of(Chat)
    assert verifyObject(interface, transport)


def test_they_write_down_what_they_are_asked() -> None:
    transport = RecordingTransport(closes_at_once=False, flushes_at_once=False)
    assert not transport.send_packets([])
    assert not transport.close()
    assert not transport.send_frame(b"frame")
    transport.pause_reading()
    transport.resume_reading()
    transport.replaced()
    transport.session_ended()
    expected = ["close", "pause_reading", "resume_reading", "replaced", "session_ended"]
    assert transport.calls == expected


def test_requests_for_a_session_that_records_are_refused() -> None:
    server = Server.new()
    engine = server.engine
    session = RecordingSession.of(engine, transport="polling")
    for method in ("GET", "POST"):
        body = b"4hello" if method == "POST" else None
        answer = server.request(method, sid=session.id, body=body).answer
        assert answer.status == 400
    assert session.closed is None
