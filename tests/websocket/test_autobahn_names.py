"""What Autobahn keeps to itself and the door to it relies on: one test for each name.

A test that fails says what stopped working; `txengineio.websocket._autobahn` is the one
file to mend.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from autobahn.twisted.websocket import WebSocketClientProtocol, WebSocketServerProtocol
from autobahn.websocket.compress_deflate import PerMessageDeflate
from autobahn.websocket.protocol import WebSocketProtocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from tests.client.test_websocket import WebSocketWorld
from tests.doubles import ended_with
from tests.frames import BINARY, CONTINUATION, PING, PONG, TEXT, make_frame
from tests.wiring import Server, WebSocketClient
from txengineio.errors import CloseReason
from txengineio.testing import RecordingApplication
from txengineio.websocket._autobahn import (
    ClientConnection,
    Connection,
    ServerConnection,
    _native_masker,
)
from txengineio.websocket.factories import ServerFactory
from txengineio.websocket.frames import encode_frame
from txengineio.websocket.limits import FrameLimits, protocol_options

_OURS = [
    # Ours as Twisted calls it, or for the owner and the reader: they call each other.
    *("dataReceived", "belong_to", "begin_writing", "let_go", "write", "close"),
    *("answer_last_ping", "ping_received", "close_received", "frame_received"),
    *("violation_received", "limit_exceeded", "_limit_closing"),
]


def opened(**options: Any) -> tuple[Server, WebSocketClient, Any]:
    server = Server.new(
        RecordingApplication(
            on_message=lambda protocol, data: protocol.session.send(data) and None
        ),
        short_path=False,
        **options,
    )
    websocket = server.open_websocket()
    assert websocket.sid
    return server, websocket, websocket.connection.transport.protocol


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("onMessage", "messages that Autobahn reads reach nobody"),
        ("onPing", "pings that Autobahn reads are answered twice, or never"),
        ("onCloseFrame", "a close frame does not end a session at once"),
        ("sendData", "what Autobahn sends goes out in the wrong order"),
        ("sendCloseFrame", "close frames tell strangers why, and no time-out starts"),
        ("_fail_connection", "a session does not learn that its peer broke a rule"),
        ("_closeConnection", "connections are reset that have ended well"),
    ],
)
@pytest.mark.parametrize(
    ("side", "theirs"),
    [
        (ServerConnection, WebSocketServerProtocol),
        (ClientConnection, WebSocketClientProtocol),
    ],
)
def test_a_method_that_is_replaced_is_there(
    side: type, theirs: type, name: str, what: str
) -> None:
    assert callable(getattr(theirs, name, None)), what
    ours: Callable[..., Any] = getattr(side, name)
    assert ours.__module__ == Connection.__module__, what
    parameters = list(inspect.signature(getattr(theirs, name)).parameters)
    assert list(inspect.signature(ours).parameters) == parameters, what


@pytest.mark.parametrize("side", [ServerConnection, ClientConnection])
def test_no_method_of_autobahns_hides_one_of_ours(side: type) -> None:
    for name in vars(Connection):
        if inspect.isfunction(vars(Connection)[name]):
            assert getattr(side, name).__module__ == Connection.__module__, name


@pytest.mark.parametrize("name", _OURS)
def test_autobahn_has_no_name_of_ours(name: str) -> None:
    # Its adapter for Twisted has `dataReceived`, which is replaced.
    assert not hasattr(WebSocketProtocol, name)


@pytest.mark.parametrize("name", ["_onOpen", "_onClose", "startHandshake"])
def test_a_method_of_a_client_that_is_replaced_is_there(name: str) -> None:
    assert callable(getattr(WebSocketClientProtocol, name, None))


def test_new_connections_are_as_the_class_says() -> None:
    """`_connectionMade`: else options are wrong, limits among them."""
    limits = FrameLimits(max_size=5000, seconds=Clock().seconds)
    factory = ServerFactory(limits, Clock())
    sample: Any = WebSocketServerProtocol()
    sample.factory = factory
    WebSocketProtocol._connectionMade(sample)
    connection = ServerConnection(factory)
    for name, expected in vars(sample).items():
        if name not in ("is_open", "is_closed") and type(expected) in (
            *(bool, int, float, str, bytes, list, dict),
            type(None),
        ):
            assert getattr(connection, name) == expected, name
    assert connection.maxFramePayloadSize == connection.maxMessagePayloadSize == 5000
    assert connection.utf8validator is not ServerConnection(factory).utf8validator
    for option in protocol_options(0):
        assert hasattr(factory, option), option
        assert hasattr(connection, option), option


def test_autobahn_parses_what_it_is_given() -> None:
    """`_dataReceived`, `data`, `inside_message`: no frames otherwise."""
    _, websocket, connection = opened()
    websocket.send_frame(BINARY, b"a", fin=False)
    assert connection.inside_message
    assert connection.current_frame is None
    websocket.send_frame(PING, b"?")
    websocket.send_frame(CONTINUATION, b"b")
    assert not connection.inside_message
    assert connection.data == b""
    assert websocket.frames() == [(PONG, b"?"), (BINARY, b"ab")]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (make_frame(TEXT, b"4a", mask=None)[:2], 1002),
        (make_frame(TEXT, b"4a", rsv=4)[:2], 1002),
        (make_frame(TEXT, b"4a", rsv=1)[:2], 1002),
        (make_frame(0x3, b"4a")[:2], 1002),
        (make_frame(0xB, b"4a")[:2], 1002),
        (make_frame(CONTINUATION, b"4a")[:2], 1002),
        (make_frame(PING, b"", fin=False)[:2], 1002),
        (make_frame(PING, b"a" * 126)[:2], 1002),
        (make_frame(TEXT, b"4a", length_bytes=2)[:8], 1002),
        (make_frame(TEXT, b"4a", length_bytes=8)[:14], 1002),
        (make_frame(TEXT, b"4" * 1001)[:8], 1009),
        (make_frame(TEXT, b"4\xff"), 1007),
    ],
)
def test_autobahn_says_what_is_wrong_as_soon_as_it_can(frame: bytes, code: int) -> None:
    """`_fail_connection`, called for each rule: else codes and reasons are wrong."""
    _, websocket, connection = opened(max_http_buffer_size=1000)
    connection._dataReceived(frame)
    assert connection.failedByMe
    assert websocket.close_code() == code


def test_a_reader_ends_when_autobahn_has_failed_or_closed_the_connection() -> None:
    """`failedByMe`, `wasClean`, `state`: else connections stay, or are reset."""
    server, websocket, connection = opened()
    websocket.close(3000)
    assert connection.wasClean
    assert connection.droppedByMe
    assert connection.remoteCloseCode == 3000
    assert connection.state == WebSocketProtocol.STATE_CLOSED
    assert not websocket.connection.was_reset
    assert ended_with(server.application.only) is CloseReason.TRANSPORT_CLOSE


def test_no_timer_of_autobahns_is_left() -> None:
    """`openHandshakeTimeout` and its like: else each handshake costs a timer."""
    server, websocket, _ = opened()
    websocket.connection.lose()
    server.assert_nothing_left()


def test_autobahn_inflates_within_the_limit() -> None:
    """`_perMessageCompress`, `PerMessageDeflate`: else no compression, or no limit."""
    names = list(inspect.signature(PerMessageDeflate).parameters)
    assert names[:6] == [
        "is_server",
        "server_no_context_takeover",
        "client_no_context_takeover",
        "server_max_window_bits",
        "client_max_window_bits",
        "mem_level",
    ]
    deflate = PerMessageDeflate(True, False, False, 0, 0, None)
    deflate.start_compress_message()
    data = deflate.compress_message_data(b"4" * 2000) + deflate.end_compress_message()
    server = Server.new(per_message_deflate=True, max_http_buffer_size=2000)
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate"}
    websocket = server.open_websocket(headers=offer)
    assert websocket.sid
    websocket.send_frame(TEXT, data, rsv=4)
    assert server.application.only.messages == ["4" * 1999]
    bomb = PerMessageDeflate(True, False, False, 0, 0, None)
    bomb.start_compress_message()
    data = bomb.compress_message_data(b"4" * 20_000) + bomb.end_compress_message()
    websocket.send_frame(TEXT, data, rsv=4)
    assert websocket.close_code() == 1009


def test_a_client_opens_and_reads_what_comes_behind_the_answer() -> None:
    """`_actuallyStartHandshake`, `_onOpen`, `data`: else a client never opens."""
    world = WebSocketWorld()
    client = world.open_websocket()
    transport: Any = client.session.transport
    assert transport.connection.data == b""
    assert transport.connection.http_response_data.startswith(b"HTTP/1.1 101")
    world.send(encode_frame("4a"))
    assert client.messages == ["a"]


def test_a_client_hears_of_a_refusal() -> None:
    """`failHandshake`, `data`: else a client waits for its time-out."""
    world = WebSocketWorld(b"", "HTTP/1.1 404 Not Found\nContent-Length: 0\n\n")
    assert world.failure().status == 404


def test_a_client_hears_of_the_end() -> None:
    """`_connectionLost`, `_onClose`: else a client's session stays for ever."""
    world = WebSocketWorld()
    client = world.open_websocket()
    world.network.connections[0].lose()
    world.network.flush()
    assert ended_with(client) is CloseReason.TRANSPORT_CLOSE


def test_the_extension_for_masking() -> None:
    """`_nvx_xormasker`: without it, large messages take longer; nothing else."""
    masker = _native_masker()
    assert masker is not None, "Autobahn was built without, or has renamed it"
    assert masker(b"abcdefgh" * 100, b"\0\0\0\0", 800) == b"abcdefgh" * 100
    assert masker(b"\xff" * 5, b"\x01\x02\x03\x04", 5) == b"\xfe\xfd\xfc\xfb\xfe"


def test_the_states_are_those_that_the_door_knows() -> None:
    states = [
        getattr(WebSocketProtocol, f"STATE_{name}")
        for name in ("CONNECTING", "OPEN", "CLOSING", "CLOSED")
    ]
    assert len(set(states)) == 4


def test_a_connection_has_no_log_of_its_own() -> None:
    """`peer`: Autobahn's log lines name it, and would fail without."""
    connection = ServerConnection(
        ServerFactory(FrameLimits(max_size=1, seconds=Clock().seconds), Clock())
    )
    transport = StringTransport()
    connection.transport = transport
    assert connection.peer == str(transport.getPeer())
