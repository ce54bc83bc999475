"""The table of transports, and sessions on transports that are not in it."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.web.http_headers import Headers
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.doubles import RecordingTransport, ended_with
from tests.wiring import Server
from txengineio.checks import TRANSPORTS
from txengineio.errors import CloseReason, Refusal, RequestRejected
from txengineio.protocol.packets import PacketType
from txengineio.server.handshake_request import HandshakeRequest
from txengineio.server.requests.session_limits import LimitExceeded
from txengineio.server.session import ICarriesSession, Session
from txengineio.server.transports.table import TRANSPORT_TABLE, upgrades_from


@implementer(ICarriesSession)
class Pipe(RecordingTransport):
    """A transport that is in no table."""

    session: Session | None = None

    def attach(self, session: Session) -> None:
        assert self.batches == []
        self.session = session


def a_request() -> HandshakeRequest:
    return HandshakeRequest(
        method="GET",
        uri="/",
        query={},
        headers=Headers(),
        client_address=IPv4Address("TCP", "192.0.2.9", 1),
        remote_address="192.0.2.9",
        secure=False,
    )


def test_the_table_has_what_may_be_asked_for() -> None:
    assert tuple(TRANSPORT_TABLE) == TRANSPORTS
    for row in TRANSPORT_TABLE.values():
        assert row.revisions == {3, 4}


@pytest.mark.parametrize(
    ("name", "enabled", "upgrades"),
    [
        ("polling", ("polling", "websocket"), ("websocket",)),
        ("polling", ("polling",), ()),
        ("websocket", ("polling", "websocket"), ()),
        ("pipe", ("polling", "websocket"), ()),
    ],
)
def test_who_may_move_to_what(
    name: str, enabled: tuple[str, ...], upgrades: tuple[str, ...]
) -> None:
    assert upgrades_from(name, enabled) == upgrades


def test_a_session_on_a_transport_of_ones_own() -> None:
    server = Server.new()
    opened: list[Any] = []
    server.engine.on("connection", opened.append)
    pipe = Pipe("pipe")
    assert verifyObject(ICarriesSession, pipe)
    session = server.engine.open_session(pipe, a_request())

    assert pipe.session is session
    assert opened == [session]
    assert server.engine.sessions[session.id] is session
    assert session.remote_address == "192.0.2.9"
    ((kind, data),) = pipe.sent
    assert kind is PacketType.OPEN
    assert f'"sid":"{session.id}","upgrades":[]' in str(data)

    session.message_received("hello")
    assert server.application.only.messages == ["hello"]
    assert server.engine.broadcast("to all") == 1
    assert pipe.sent[-1] == (PacketType.MESSAGE, "to all")
    session.transport_closed()
    assert ended_with(server.application.only) is CloseReason.TRANSPORT_CLOSE
    server.assert_nothing_left()


def test_the_limits_on_sessions_count() -> None:
    server = Server.new(max_sessions=1)
    session = server.engine.open_session(Pipe("pipe"), a_request())
    with pytest.raises(LimitExceeded) as raised:
        server.engine.open_session(Pipe("pipe"), a_request())
    assert raised.value.status == 503
    session.transport_closed()
    server.engine.open_session(Pipe("pipe"), a_request())
    assert len(server.engine.sessions) == 1


def test_an_application_may_refuse_it_and_so_does_an_engine_that_is_closed() -> None:
    server = Server.new()
    server.application.refuse = True
    pipe = Pipe("pipe")
    with pytest.raises(RequestRejected):
        server.engine.open_session(pipe, a_request())
    server.engine.close()
    with pytest.raises(Refusal, match="no new sessions"):
        server.engine.open_session(pipe, a_request())
    assert pipe.session is None
    assert not server.engine.sessions
