"""A client of the stateful test, and what it may expect."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.connection import SEPARATOR, Exchange, Response
from tests.frames import BINARY, PONG, TEXT, make_frame
from tests.wiring import Server, WebSocketClient
from txengineio.errors import CloseReason
from txengineio.protocol.states import ReadyState
from txengineio.testing import RecordingProtocol

__all__ = ["LIMIT", "Client"]

LIMIT = 2000
"""Bytes of a body, or of a WebSocket message, at most."""


@dataclass(kw_only=True, eq=False)
class Client:
    """One session: what went to and fro, and what is under way.

    Attributes:
        sent: The messages that the server has got whole.
        expected: The messages that the application has sent.
        received: Those that have come.
        poll: The GET that waits for its answer.
        posts: The POSTs that wait for theirs.
        upload: A POST of which only a part was sent: with the rest, and its messages.
        candidate: The WebSocket of an upgrade that is not settled.
        websocket: The WebSocket that carries the session.
        pings: Pings that were not answered.
        is_spoiled: Whether the WebSocket has carried something after which nothing
            counts that is sent on it.
        said_goodbye: Whether the server has.
        closed_politely: Whether the application has closed the session, and waits.
    """

    server: Server
    sid: str
    protocol: RecordingProtocol
    sent: list[str | bytes] = field(default_factory=list)
    expected: list[str | bytes] = field(default_factory=list)
    received: list[str | bytes] = field(default_factory=list)
    poll: Exchange | None = None
    posts: list[Exchange] = field(default_factory=list)
    upload: tuple[Exchange, bytes, list[str | bytes]] | None = None
    candidate: WebSocketClient | None = None
    websocket: WebSocketClient | None = None
    pings: int = 0
    is_spoiled: bool = False
    said_goodbye: bool = False
    closed_politely: bool = False

    @property
    def is_open(self) -> bool:
        return bool(self.protocol.session.ready_state is ReadyState.OPEN)

    @property
    def is_polling(self) -> bool:
        return self.websocket is None

    # --- from the client to the application -------------------------------------------

    def start_poll(self) -> Exchange:
        return self.server.request(sid=self.sid)

    def post(self, messages: Sequence[str | bytes]) -> None:
        body, whole = self._body(messages)
        self.posts.append(self.server.request("POST", sid=self.sid, body=body))
        self.sent += whole

    def start_upload(self, messages: Sequence[str | bytes], share: float) -> None:
        body, whole = self._body(messages)
        size = max(int(len(body) * share), 1)
        exchange = self.server.connect().request(
            "POST",
            self.server.target(sid=self.sid),
            None,
            {"Content-Length": str(len(body))},
        )
        exchange.connection.send(body[:size])
        self.upload = exchange, body[size:], whole

    def finish_upload(self) -> None:
        assert self.upload is not None
        exchange, rest, whole = self.upload
        self.upload = None
        self.posts.append(exchange)
        if not exchange.connection.is_closed:
            self.sent += whole
            exchange.connection.send(rest)

    def _body(self, messages: Sequence[str | bytes]) -> tuple[bytes, list[str | bytes]]:
        whole = self._numbered(messages)
        while True:
            body = SEPARATOR.join(map(_as_text, whole)).encode()
            if len(body) <= LIMIT:
                return body, whole
            whole.pop()

    def send_frames(self, messages: Sequence[str | bytes], pieces: int) -> None:
        """Send each message in so many frames, all in one segment."""
        assert self.websocket is not None
        whole = self._numbered(messages)
        if not self.is_spoiled and not self.websocket.connection.is_closed:
            self.sent += whole
        self.websocket.connection.send(
            b"".join(_frames(message, pieces) for message in whole)
        )

    def _numbered(self, messages: Sequence[str | bytes]) -> list[str | bytes]:
        """Make each message one of its kind, so that none is taken for another."""
        number = len(self.sent)
        return [_number(number + i, message) for i, message in enumerate(messages)]

    def answer_pings(self) -> None:
        pings, self.pings = self.pings, 0
        for _ in range(pings):
            if self.websocket is not None:
                self.websocket.send("3")
            else:
                self.server.request("POST", sid=self.sid, body=b"3")

    # --- from the application to the client -------------------------------------------

    def application_sends(self, message: str | bytes, volatile: bool) -> None:
        message = _number(len(self.expected), message)
        if self.protocol.session.send(message, volatile=volatile):
            self.expected.append(message)

    def read(self) -> None:
        """Take all that has come."""
        if self.poll is not None and not self.poll.is_pending:
            answer, self.poll = self.poll.answer, None
            self._take_answer(answer)
        elif self.poll is not None and self.poll.connection.is_closed:
            self.poll = None
        self.posts = [each for each in self.posts if each.is_pending]
        if self.websocket is not None:
            for opcode, payload in self.websocket.frames():
                if opcode != PONG:
                    self._take(payload.decode() if opcode == TEXT else payload)
            if self.websocket.close_code() is not None:
                self.said_goodbye = True

    def _take_answer(self, answer: Response) -> None:
        assert answer.status in (200, 400), answer
        for packet in answer.packets if answer.status == 200 else ():
            if packet[:1] == "b":
                self._take(b64decode(packet[1:]))
            else:
                self._take(packet)

    def _take(self, packet: str | bytes) -> None:
        if isinstance(packet, bytes):
            self.received.append(packet)
        elif packet[:1] == "4":
            self.received.append(packet[1:])
        elif packet == "2":
            self.pings += 1
        elif packet == "1":
            self.said_goodbye = True
        else:
            assert packet == "6", packet

    # --- what must hold ---------------------------------------------------------------

    def check(self, is_idle: bool) -> None:
        """Check that nothing came twice, or in another order, or from nowhere.

        Args:
            is_idle: Whether the application has nothing more to do: all must be there.
        """
        taken = self.protocol.messages
        assert taken == self.sent[: len(taken)]
        assert self.received == self.expected[: len(self.received)]
        if self.is_open:
            assert not is_idle or taken == self.sent
            assert self.protocol.lost == []
            websocket = self.websocket
            if websocket is not None and websocket.connection.transport.peer_reads:
                assert self.received == self.expected
        self._check_end(is_idle)

    def _check_end(self, is_idle: bool) -> None:
        closed = self.protocol.session.closed
        if closed is None:
            return
        assert self.sid not in self.server.engine.sessions
        kinds = [event[0] for event in self.protocol.events]
        assert kinds.count("lost") <= 1
        if is_idle:
            assert kinds[-1] == "lost"
        politely = self.closed_politely and closed.reason is CloseReason.FORCED_CLOSE
        if politely and self.said_goodbye:
            assert self.received == self.expected


def _number(number: int, message: str | bytes) -> str | bytes:
    prefix = f"{number} "
    return prefix + message if isinstance(message, str) else prefix.encode() + message


def _as_text(message: str | bytes) -> str:
    if isinstance(message, str):
        return "4" + message
    return "b" + b64encode(message).decode()


def _frames(message: str | bytes, pieces: int) -> bytes:
    if isinstance(message, str):
        opcode, content = TEXT, b"4" + message.encode()
    else:
        opcode, content = BINARY, message
    size = len(content) // pieces
    cuts = [content[i * size : (i + 1) * size] for i in range(pieces - 1)]
    cuts.append(content[(pieces - 1) * size :])
    return b"".join(
        make_frame(0 if i else opcode, cut, fin=i == pieces - 1)
        for i, cut in enumerate(cuts)
    )
