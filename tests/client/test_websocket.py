"""The client's WebSocket, with a server that says what a test wants."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha1
from http.cookiejar import CookieJar
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Factory, Protocol
from typing_extensions import override

from tests.client.network import Network, World, error_of, result_of
from tests.client.test_connect import HANDSHAKE
from tests.doubles import ended_with
from tests.frames import BINARY, CLOSE, CONTINUATION, PING, TEXT, make_frame
from txengineio.errors import CloseReason, ConnectCause
from txengineio.testing import MemoryConnection, RecordingApplication, RecordingProtocol
from txengineio.websocket.frames import encode_frame

OPEN = f"0{json.dumps(HANDSHAKE)}"
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Accepting(Protocol):
    """Accepts a WebSocket, and says something in the same segment."""

    factory: AcceptingServer

    def __init__(self) -> None:
        self.received = b""
        self.request = b""

    @override
    def dataReceived(self, data: bytes) -> None:
        self.received += data
        if not self.received.endswith(b"\r\n\r\n") or b"Key: " not in self.received:
            return
        key = self.received.split(b"Key: ")[1].split(b"\r\n")[0].decode()
        accept = b64encode(sha1(f"{key}{_GUID}".encode()).digest()).decode()
        head = self.factory.head.format(accept=accept)
        self.request, self.received = self.received, b""
        self.send(head.replace("\n", "\r\n").encode() + self.factory.behind)

    def send(self, data: bytes) -> None:
        self.transport.write(data)  # type: ignore[union-attr]


HEAD = """HTTP/1.1 101 Switching Protocols
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Accept: {accept}

"""


class AcceptingServer(Factory):
    noisy = False

    def __init__(self, behind: bytes, head: str = HEAD) -> None:
        self.behind = behind
        self.head = head
        self.built: list[Accepting] = []

    @override
    def buildProtocol(self, addr: Any) -> Any:
        protocol = Accepting()
        protocol.factory = self
        self.built.append(protocol)
        return protocol


class SwitchingNetwork(Network):
    """Connects WebSockets that have a short path, or have none."""

    short_path = True

    @override
    def make(self, connection: MemoryConnection, factory: Any) -> Deferred[IProtocol]:
        factory.short_path = self.short_path
        return super().make(connection, factory)


class WebSocketWorld(World):
    def __init__(
        self,
        behind: bytes = encode_frame(OPEN),
        head: str = HEAD,
        application: RecordingApplication | None = None,
        short_path: bool = True,
    ) -> None:
        super().__init__()
        self.protocols = application or RecordingApplication()
        self.server = AcceptingServer(behind, head)
        self.network = network = SwitchingNetwork(self.server)
        network.short_path = short_path

    def open_websocket(self, **options: Any) -> RecordingProtocol:
        return self.open(transports=["websocket"], **options)

    def failure(self, **options: Any) -> Any:
        connecting = self.dial(transports=["websocket"], **options)
        self.network.flush()
        self.advance(30)
        error = error_of(connecting)
        for wire in self.network.open_connections:
            wire.lose()
        self.network.flush()
        assert self.clock.getDelayedCalls() == []
        return error

    def send(self, data: bytes) -> None:
        self.server.built[0].send(data)
        self.network.flush()


def test_packets_may_come_right_behind_the_answer() -> None:
    world = WebSocketWorld(encode_frame(OPEN) + encode_frame("4a") + encode_frame(b"b"))
    client = world.open_websocket()
    assert client.messages == ["a", b"b"]


@pytest.mark.parametrize(
    ("behind", "cause", "status"),
    [
        (b"", ConnectCause.OPEN_TIMEOUT, None),
        (encode_frame("4early"), ConnectCause.NOT_ENGINE_IO, None),
        (encode_frame(b"early"), ConnectCause.NOT_ENGINE_IO, None),
        (encode_frame("6"), ConnectCause.NOT_ENGINE_IO, None),
        (encode_frame("hello"), ConnectCause.NOT_ENGINE_IO, None),
        (encode_frame("0{}"), ConnectCause.NOT_ENGINE_IO, None),
        (b"\x88\x00", ConnectCause.CONNECTION_LOST, None),
        (b"\xff\xff", ConnectCause.FAILED, None),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\nUnsupported protocol version",
            ConnectCause.WRONG_VERSION,
            400,
        ),
    ],
)
def test_what_is_no_open_packet(
    behind: bytes, cause: ConnectCause, status: int | None
) -> None:
    error = WebSocketWorld(behind).failure()
    assert (error.cause, error.status) == (cause, status), error


def test_a_refusal_may_come_after_the_websocket_was_accepted() -> None:
    world = WebSocketWorld(b"")
    connecting = world.dial(transports=["websocket"])
    world.network.flush()
    world.send(b"HTTP/1.1 400 Bad Request\r\n\r\nUnsupported protocol version")
    assert error_of(connecting).cause is ConnectCause.WRONG_VERSION


@pytest.mark.parametrize(
    ("head", "cause"),
    [
        (HEAD.replace("{accept}", "wrong"), ConnectCause.NOT_ENGINE_IO),
        (HEAD.replace("Upgrade: websocket\n", ""), ConnectCause.NOT_ENGINE_IO),
        ("HTTP/1.1\n\n", ConnectCause.NOT_ENGINE_IO),
        ("HTTP/1.1 abc\n\n", ConnectCause.NOT_ENGINE_IO),
        ("HTTP/1.0 200 OK\n\n", ConnectCause.HTTP_STATUS),
        (f"HTTP/1.1 101 OK\nA: {'b' * 70_000}", ConnectCause.NOT_ENGINE_IO),
    ],
)
def test_openings_that_break_the_rules(head: str, cause: ConnectCause) -> None:
    error = WebSocketWorld(b"", head).failure()
    assert error.cause is cause, error


def test_cookies_of_the_answer_are_kept() -> None:
    jar = CookieJar()
    cookies = (
        "Set-Cookie: lb=7; Path=/; Expires=Wed, 01 Jan 2200 00:00:00 GMT\n"
        "set-cookie: b=8; Path=/\n\n"
    )
    world = WebSocketWorld(head=HEAD.replace("\n\n", f"\n{cookies}"))
    world.open_websocket(cookies=jar)
    assert {cookie.name: cookie.value for cookie in jar} == {"lb": "7", "b": "8"}
    world.open_websocket(cookies=jar)
    assert b"Cookie: lb=7; b=8\r\n" in world.server.built[1].request


def test_a_refusal_is_read_to_its_end() -> None:
    head = "HTTP/1.1 403 Forbidden\nContent-Length: 34\n\n"
    world = WebSocketWorld(b'{"code":4,', head)
    connecting = world.dial(transports=["websocket"])
    world.network.flush()
    assert not connecting.called
    world.send(b'"message":"go away"}    ')
    error = error_of(connecting)
    assert (error.cause, error.message) == (ConnectCause.FORBIDDEN, "go away")


def test_a_refusal_may_break_off() -> None:
    head = "HTTP/1.1 403 Forbidden\nContent-Length: 1000\n\n"
    world = WebSocketWorld(b"{", head)
    connecting = world.dial(transports=["websocket"])
    world.network.flush()
    world.network.connections[0].lose()
    world.network.flush()
    assert error_of(connecting).cause is ConnectCause.FORBIDDEN


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (encode_frame("x"), CloseReason.PARSE_ERROR),
        (encode_frame("1"), CloseReason.TRANSPORT_CLOSE),
        (encode_frame("3"), CloseReason.TRANSPORT_ERROR),
        (encode_frame("4" + "x" * 2000), CloseReason.TRANSPORT_ERROR),
        (b"\x81\x83\0\0\0\x004ab", CloseReason.TRANSPORT_ERROR),
        (b"\x81\x02\xff\xfe", CloseReason.TRANSPORT_ERROR),
        (b"\x88\x00", CloseReason.TRANSPORT_CLOSE),
    ],
)
@pytest.mark.parametrize("short_path", [True, False])
def test_what_ends_a_session(
    frame: bytes, reason: CloseReason, short_path: bool
) -> None:
    world = WebSocketWorld(short_path=short_path)
    client = world.open_websocket(max_http_buffer_size=1000)
    world.send(frame)
    for wire in world.network.open_connections:
        wire.server.loseConnection()
    world.network.flush()
    assert ended_with(client) is reason
    world.advance(10)
    assert world.clock.getDelayedCalls() == []


# --- the short path, and without ------------------------------------------------------

LIMIT = 100

_TEXTS = st.one_of(
    st.sampled_from(["4", "4é", "4close", "2", "3", "6", "1", "x", "", "4" * 125]),
    st.text(max_size=10).map("4{}".format),
    st.integers(LIMIT - 2, 130).map(lambda length: "4" + "b" * length),
)
_FRAMES = st.one_of(
    _TEXTS.map(encode_frame),
    _TEXTS.map(encode_frame),
    st.binary(max_size=10).map(encode_frame),
    st.builds(
        make_frame,
        st.sampled_from([TEXT, TEXT, BINARY, CONTINUATION, PING, CLOSE, 3]),
        st.sampled_from([b"4a", b"4\xff", b"\x03\xe8", b"", b"4" * 130]),
        fin=st.booleans(),
        rsv=st.sampled_from([0, 0, 0, 4]),
        mask=st.sampled_from([None, None, None, b"mask"]),
        length_bytes=st.sampled_from([None, None, 2]),
    ),
    st.binary(max_size=6),
)


def answer(protocol: RecordingProtocol, message: str | bytes) -> None:
    """Echo, and end the session where the message says so."""
    protocol.session.send(message)
    if message == "close":
        protocol.session.close()


def outcome(pieces: list[bytes], short_path: bool) -> Any:
    """Let a client receive the pieces; return all that became of them."""
    application = RecordingApplication(on_message=answer)
    world = WebSocketWorld(application=application, short_path=short_path)
    client = world.open_websocket(max_http_buffer_size=LIMIT)
    server = world.server.built[0]
    server.received = b""
    states = []
    for piece in pieces:
        world.send(piece)
        states.append(client.session.ready_state)
    wire = world.network.connections[0]
    frames = unmasked(server.received)
    was_over = [end.disconnected is not None for end in (wire.client, wire.server)]
    world.advance(40)
    assert world.clock.getDelayedCalls() == []
    return client.events, states, frames, was_over, str(client.session.closed)


def unmasked(data: bytes) -> list[tuple[int, bytes]]:
    """Return a client's frames, whatever their masks."""
    frames = []
    while data:
        length = data[1] & 0x7F
        start = 2 if length < 126 else 4
        if start > 2:
            length = int.from_bytes(data[2:4], "big")
        mask, payload = data[start : start + 4], data[start + 4 :][:length]
        plain = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        frames.append((data[0], plain))
        data = data[start + 4 + length :]
    return frames


_HIDDEN = b"4" + encode_frame("4a")
_FRAGMENT = make_frame(BINARY, _HIDDEN, fin=False, mask=None)


@settings(max_examples=200)
@example([_FRAGMENT, encode_frame("4a")], None)
@example([_FRAGMENT, make_frame(CONTINUATION, mask=None)], [3, 4])
@example([make_frame(PING, _HIDDEN, mask=None)], [3])
@given(
    st.lists(_FRAMES, max_size=6),
    st.one_of(st.none(), st.lists(st.integers(1, 150), max_size=6)),
)
def test_any_bytes_have_the_same_outcome_without_the_short_path(
    frames: list[bytes], sizes: list[int] | None
) -> None:
    pieces = frames
    if sizes is not None:
        stream, pieces = b"".join(frames), []
        for size in [*sizes, len(stream)]:
            pieces.append(stream[:size])
            stream = stream[size:]
    pieces = [piece for piece in pieces if piece]
    assert outcome(pieces, True) == outcome(pieces, False)


def test_closing_waits_until_the_server_has_everything() -> None:
    world = WebSocketWorld()
    client = world.open_websocket()
    client.session.send("last")
    closing = client.session.close()
    world.network.flush()
    assert not closing.called
    world.send(b"\x88\x00")
    world.network.connections[0].server.loseConnection()
    world.network.flush()
    assert result_of(closing) is CloseReason.FORCED_CLOSE
    assert world.clock.getDelayedCalls() == []


def test_a_server_that_never_answers_the_close_is_dropped() -> None:
    world = WebSocketWorld()
    client = world.open_websocket()
    closing = client.session.close()
    world.advance(6)
    assert result_of(closing) in (
        CloseReason.TRANSPORT_CLOSE,
        CloseReason.PING_TIMEOUT,
    )
    assert world.clock.getDelayedCalls() == []


def test_what_a_slow_server_does_not_take_is_kept() -> None:
    world = WebSocketWorld()
    client = world.open_websocket()
    transport = client.session.transport
    world.network.connections[0].client.stop_reading()
    client.session.send("x" * 100_000)
    assert not transport.writable
    client.session.send("kept")
    assert client.session.write_buffer == [(4, "kept")]
    flushed = client.session.when_flushed()
    closing = client.session.close()
    assert not flushed.called
    # The server's heartbeat is answered even now.
    world.send(encode_frame("2"))
    world.network.connections[0].client.start_reading()
    world.network.flush()
    assert result_of(flushed) is None
    assert client.session.write_buffer == []
    assert not closing.called
    client.session.close(discard=True)
