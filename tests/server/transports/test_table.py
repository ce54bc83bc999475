"""The table of transports, and sessions on transports that are not in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers
from typing_extensions import override
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.doubles import ended_with
from tests.server.conftest import NewServer
from tests.wiring import Server
from txengineio.errors import (
    CloseReason,
    InvalidOption,
    Refusal,
    RequestRejected,
    TransportError,
)
from txengineio.protocol.packets import PacketType
from txengineio.protocol.query import SessionQuery
from txengineio.server.handshake_request import HandshakeRequest
from txengineio.server.options.engine import EngineOptions
from txengineio.server.requests.session_limits import LimitExceeded
from txengineio.server.session import ICarriesSession, ITakesRequests, Session
from txengineio.server.transports.table import (
    TRANSPORT_TABLE,
    TransportRow,
    Workshop,
    upgrades_from,
)
from txengineio.server.web.incoming_request import IncomingRequest
from txengineio.session.base import BaseSession
from txengineio.session.interfaces import OutgoingPacket
from txengineio.testing import RecordingApplication, RecordingTransport


class Pipe(RecordingTransport):
    """A transport that is in no table."""

    @override
    def attach(self, session: BaseSession) -> None:
        assert self.batches == []
        super().attach(session)


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
    assert tuple(TRANSPORT_TABLE) == EngineOptions().transports
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
    assert pipe.batches == []
    assert not server.engine.sessions


def test_a_name_that_gets_requests_is_for_transports_that_take_them() -> None:
    server = Server.new()
    with pytest.raises(InvalidOption, match="an ITakesRequests, as its name is 'poll"):
        server.engine.open_session(Pipe("polling"), a_request())
    session = server.engine.open_session(Pipe("websocket"), a_request())
    assert session.transport.name == "websocket"


# --- a row of one's own ---------------------------------------------------------------


@implementer(ITakesRequests)
class Lines:
    """A transport by requests: each POST is a message, each GET takes all there is."""

    name = "lines"
    writable = True
    supports_binary = False

    session: Session

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self.begun: list[IncomingRequest] = []

    def attach(self, session: Session) -> None:
        self.session = session

    def handle(self, request: IncomingRequest) -> None:
        if request.method == b"POST":
            self.session.message_received(request.read_body().decode())
        elif request.method != b"GET":
            raise Refusal("a GET or a POST, please", status=405)
        body, self.waiting = "\n".join(self.waiting), []
        request.answer(200, {}, body.encode())

    def post_begun(self, request: IncomingRequest) -> None:
        if self.begun:
            raise Refusal("one at a time", status=409)
        self.begun.append(request)

    def post_answered(self, request: IncomingRequest) -> None:
        self.begun.remove(request)

    def post_lost(self, request: IncomingRequest, error: TransportError) -> bool:
        self.session.transport_failed(error)
        return True

    def came_back(self) -> None:
        """Do nothing: it does not wait for that."""

    def answer_with_noop(self) -> None:
        """Do nothing: no request waits."""

    def send_packets(self, packets: Sequence[OutgoingPacket]) -> bool:
        self.waiting += [f"{kind.value}{data or ''!s}" for kind, data, *_ in packets]
        return True

    def send_frame(self, frame: bytes) -> bool:
        return False

    def close(self) -> bool:
        return True

    def session_ended(self) -> None:
        """Do nothing: there is nobody to tell."""

    replaced = pause_reading = resume_reading = session_ended


def open_lines(
    workshop: Workshop,
    request: IncomingRequest,
    query: SessionQuery,
    asked: object,
    start: Callable[[ICarriesSession], Session],
) -> None:
    assert asked == "checked"
    transport = Lines()
    start(transport)
    transport.handle(request)


LINES = TransportRow(
    name="lines",
    revisions=frozenset({4}),
    upgraded_from=frozenset(),
    check=lambda request, engine: "checked",
    open=open_lines,
)


@pytest.fixture
def lines_server(monkeypatch: pytest.MonkeyPatch, new_server: NewServer) -> Server:
    """A server with a transport that nothing but a row and a class makes one."""
    monkeypatch.setitem(TRANSPORT_TABLE, "lines", LINES)
    application = RecordingApplication(
        on_message=lambda protocol, message: protocol.session.send(message) and None
    )
    return new_server(application, transports=["polling", "lines"])


def opened(server: Server) -> str:
    handshake = server.request(transport="lines").answer
    assert handshake.status == 200, handshake
    assert handshake.text[0] == "0"
    return str(json.loads(handshake.text[1:])["sid"])


def test_a_row_and_a_class_make_a_transport(lines_server: Server) -> None:
    server = lines_server
    sid = opened(server)
    session = server.session(sid)
    assert session.transport.name == "lines"
    post = server.request("POST", transport="lines", sid=sid, body=b"hello")
    assert post.answer.text == "4hello"
    session.send("from here")
    assert server.request(transport="lines", sid=sid).answer.text == "4from here"
    refused = server.request("PUT", transport="lines", sid=sid, body=b"")
    assert refused.answer.status == 405
    # The checks are those of all transports.
    mismatch = server.request(transport="polling", sid=sid).answer
    assert (mismatch.status, mismatch.json["code"]) == (400, 3)
    disabled = server.request(transport="websocket", sid=sid).answer
    assert (disabled.status, disabled.json["code"]) == (400, 0)
    unknown = server.request(transport="lines", sid="unknown").answer
    assert unknown.json["code"] == 1
    session.close()
    assert ended_with(server.application.only) is CloseReason.FORCED_CLOSE
    server.assert_nothing_left()


def test_its_posts_may_take_their_time(lines_server: Server) -> None:
    server = lines_server
    sid = opened(server)
    ready: Deferred[None] = Deferred()
    server.engine.use(lambda _: ready)
    first = server.request("POST", transport="lines", sid=sid, body=b"first")
    second = server.request("POST", transport="lines", sid=sid, body=b"second")
    assert first.is_pending
    assert second.answer.status == 409
    ready.callback(None)
    assert first.answer.text == "4first"


def test_a_transport_that_is_not_enabled_is_unknown(new_server: NewServer) -> None:
    answer = new_server().request(transport="lines").answer
    assert (answer.status, answer.json["code"]) == (400, 0)


@pytest.mark.parametrize("transports", [["lines"], ["polling", "lines"]])
def test_what_is_not_in_the_table_cannot_be_enabled(transports: list[str]) -> None:
    with pytest.raises(
        InvalidOption, match="one or more of 'polling' and 'websocket', not"
    ):
        Server.new(transports=transports)
