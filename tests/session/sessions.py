"""Sessions on doubles: no bytes, no requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.web.http_headers import Headers

from tests.doubles import RecordingEngine
from txengineio.protocol.packets import Packet
from txengineio.protocol.revisions import codec_for
from txengineio.server.handshake_request import HandshakeRequest
from txengineio.server.session import Session
from txengineio.testing import (
    RecordingApplication,
    RecordingProtocol,
    RecordingTransport,
)

__all__ = ["SID", "Opened", "handshake_request", "new_session", "open_session"]

SID = "abcdefghijklmnopqrst"


def handshake_request() -> HandshakeRequest:
    return HandshakeRequest(
        method="GET",
        uri="/engine.io/?EIO=4&transport=polling",
        query={"EIO": "4", "transport": "polling"},
        headers=Headers({"Cookie": ["a=1", "b=2"]}),
        client_address=IPv4Address("TCP", "192.0.2.1", 1),
        remote_address="192.0.2.1",
        secure=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An open session and everything around it."""

    session: Session
    transport: RecordingTransport
    protocol: RecordingProtocol
    engine: RecordingEngine

    @property
    def clock(self) -> Clock:
        return self.engine.clock

    def is_over(self) -> bool:
        return self.session.closed is not None

    def is_paused(self) -> bool:
        return self.session.reading_paused

    def pump(self, seconds: float) -> None:
        self.clock.pump([0.1] * round(seconds / 0.1))

    def assert_over(self) -> None:
        """Assert that nothing of the session is left."""
        assert self.clock.getDelayedCalls() == []
        assert len(self.engine.ended) == 1
        assert self.transport.calls.count("session_ended") == 1
        assert not self.session.write_buffer
        assert [event for event in self.protocol.events if event[0] == "lost"] == [
            ("lost", self.engine.ended[0][1])
        ]


def new_session(
    engine: RecordingEngine, transport: RecordingTransport, revision: int = 4
) -> Session:
    return Session(
        SID,
        engine=engine,
        codec=codec_for(revision),
        transport=transport,
        request=handshake_request(),
    )


def open_session(
    application: RecordingApplication | None = None,
    transport: RecordingTransport | None = None,
    *,
    first: Sequence[Packet] | None = None,
    revision: int = 4,
    **options: Any,
) -> Opened:
    """Open a session; what it sent so far is forgotten."""
    engine = RecordingEngine(**options)
    transport = transport or RecordingTransport()
    session = new_session(engine, transport, revision)
    protocol = (application or RecordingApplication()).buildProtocol(None)
    assert protocol is not None
    session.open(first or [])
    session.start(protocol)
    return Opened(
        session=session, transport=transport, protocol=protocol, engine=engine
    )
