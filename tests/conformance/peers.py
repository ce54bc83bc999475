"""Clients in memory, one for each transport, that do only what a test tells them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.conformance.exchanges import Headers, Response, parse_response, write_request
from tests.conformance.frames import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frame,
    inflate,
    parse_frames,
)
from tests.conformance.memory import Connection, Exchange, Server

__all__ = [
    "OPEN_PACKET_DELAY",
    "RS",
    "WEBSOCKET_HEADERS",
    "PollingPeer",
    "WebSocketPeer",
    "join",
    "open_websocket",
    "server_for",
    "split",
]

RS = "\x1e"

WEBSOCKET_HEADERS = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}

OPEN_PACKET_DELAY = 0.01
"""Seconds after which the open packet has come, in any revision."""

NOTHING_FOLLOWS = 1005
"""The close code of a close frame without one: RFC 6455, section 7.1.5."""


def server_for(revision: int, **options: Any) -> Server:
    """Return a server that serves clients of a protocol revision."""
    if revision == 3:
        options["allow_eio3"] = True
    return Server(**options)


def join(revision: int, *packets: str) -> str:
    """Return a text payload."""
    if revision == 4:
        return RS.join(packets)
    return "".join(f"{_units(packet)}:{packet}" for packet in packets)


def split(revision: int, payload: str) -> list[str]:
    """Return the packets of a text payload."""
    if revision == 4:
        return payload.split(RS)
    return list(_split_lengths(payload))


def _split_lengths(payload: str) -> Iterator[str]:
    units = payload.encode("utf-16-le")
    while units:
        match = re.match("([0-9]+):", units.decode("utf-16-le", "surrogatepass"))
        assert match is not None, payload
        start = 2 * match.end()
        end = start + 2 * int(match[1])
        assert end <= len(units), payload
        yield units[start:end].decode("utf-16-le")
        units = units[end:]


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


class PollingPeer:
    """A client on polling; it polls and posts when it is told to.

    Args:
        server: The server.
        revision: The protocol revision.
        query: More query parameters of the handshake, beginning with ``&``.
        headers: Of the handshake.

    Attributes:
        handshake: The exchange that opened the session.
        opening: The content of the open packet.
    """

    def __init__(
        self,
        server: Server,
        revision: int = 4,
        query: str = "",
        headers: Headers = (),
    ) -> None:
        self.server = server
        self.revision = revision
        target = f"?EIO={revision}&transport=polling{query}"
        self.handshake = server.get(target, headers)
        assert self.handshake.status == 200, self.handshake.text
        packet = _open_packet(self.handshake.response.body)
        self.opening: dict[str, Any] = json.loads(packet)
        self.sid: str = self.opening["sid"]

    @property
    def target(self) -> str:
        return f"?EIO={self.revision}&transport=polling&sid={self.sid}"

    def poll(self, headers: Headers = (), query: str = "") -> Exchange:
        return self.server.get(self.target + query, headers)

    def receive(self) -> list[str]:
        """Poll; return the packets of the answer, which is text and comes at once."""
        return split(self.revision, self.poll().text)

    def post(self, *packets: str) -> Exchange:
        return self.post_body(join(self.revision, *packets).encode())

    def post_body(
        self,
        body: bytes,
        content_type: str = "text/plain;charset=UTF-8",
        headers: Headers = (),
    ) -> Exchange:
        return self.server.request(
            "POST",
            self.target,
            {"Content-Type": content_type, **dict(headers)},
            body,
        )

    def start_post(self, body: bytes, size: int) -> Exchange:
        """Send a POST of which only a part has arrived so far."""
        headers = {"Content-Length": str(size), "Content-Type": "text/plain"}
        return self.server.request("POST", self.target, headers, body)

    def websocket(self, query: str = "") -> WebSocketPeer:
        """Open a WebSocket for the session."""
        target = f"?EIO={self.revision}&transport=websocket&sid={self.sid}{query}"
        return WebSocketPeer(self.server, target)

    def upgrade(self) -> WebSocketPeer:
        """Do an upgrade, and all of it."""
        websocket = self.websocket()
        websocket.send("2probe")
        assert websocket.received() == ["3probe"]
        websocket.send("5")
        return websocket

    def is_alive(self) -> bool:
        """Whether the server still knows the session."""
        return self.sid in self.server.engine.sessions


def _open_packet(body: bytes) -> str:
    match = re.search(rb"0(\{[^}]*\})", body.replace(b'\\"', b'"'))
    assert match is not None, body
    return match[1].decode()


def open_websocket(
    server: Server, revision: int = 4, query: str = "", headers: Headers = ()
) -> WebSocketPeer:
    """Open a session on a WebSocket, and take the open packet."""
    target = f"?EIO={revision}&transport=websocket{query}"
    websocket = WebSocketPeer(server, target, headers)
    assert websocket.response.status == 101, websocket.response
    websocket.take_open_packet()
    return websocket


class WebSocketPeer:
    """A client's WebSocket; it answers pings and close frames, nothing else.

    Args:
        server: The server.
        target: Of the opening request.
        headers: More headers of the opening request.
        behind: Sent right behind the opening request.
        muted: Whether it does not even answer a close frame.

    Attributes:
        frames: All data frames that have come.
    """

    def __init__(
        self,
        server: Server,
        target: str,
        headers: Headers = (),
        *,
        behind: bytes = b"",
        muted: bool = False,
    ) -> None:
        self.server = server
        self.connection: Connection = server.connect()
        self.frames: list[Frame] = []
        self._close_code: int | None = None
        self.sid = ""
        self.opening: dict[str, Any] = {}
        self._muted = muted
        self._response: Response | None = None
        self._taken = 0
        if target.startswith("?"):
            target = f"/engine.io/{target}"
        every = [*WEBSOCKET_HEADERS.items(), *dict(headers).items()]
        self.connection.send(write_request("GET", target, every) + behind)
        if "sid=" not in target and self._awaits_open_packet():
            server.advance(OPEN_PACKET_DELAY)

    def _awaits_open_packet(self) -> bool:
        """Whether it was let in, and nothing has come yet: so in revision 3."""
        self._read()
        return (
            self.answered
            and self.response.status == 101
            and not self.frames
            and self._close_code is None
        )

    @property
    def answered(self) -> bool:
        if self._response is None:
            self._response, left = parse_response(self.connection.received)
            self.connection.received = left
        return self._response is not None

    @property
    def response(self) -> Response:
        assert self.answered, "no answer yet"
        assert self._response is not None
        return self._response

    def take_open_packet(self) -> None:
        message = self.received(1)[0]
        assert isinstance(message, str)
        assert message[0] == "0"
        self.opening = json.loads(message[1:])
        self.sid = self.opening["sid"]

    @property
    def close_code(self) -> int | None:
        """The code of the server's close frame; None if none has come."""
        self._read()
        return self._close_code

    @property
    def closed(self) -> bool:
        """Whether the server has ended it, with or without a close frame."""
        return self.close_code is not None or self.connection.lost

    def send(self, *messages: str | bytes) -> None:
        """Send messages, a frame for each, all at once."""
        self.send_frames(*map(Frame.of, messages))

    def send_frames(self, *frames: Frame) -> None:
        self.connection.send(b"".join(frame.to_bytes() for frame in frames))

    def close(self) -> None:
        """Send a close frame, as a client that goes."""
        self.send_frames(Frame(opcode=CLOSE, payload=(1000).to_bytes(2)))

    def received(self, count: int | None = None) -> list[str | bytes]:
        """Return the messages that have come since the last call, or the next few."""
        self._read()
        new = self.frames[self._taken :][:count]
        self._taken += len(new)
        return [_message(frame) for frame in new]

    def _read(self) -> None:
        if not self.answered or self.response.status != 101:
            return
        frames, self.connection.received = parse_frames(self.connection.received)
        for frame in frames:
            if frame.opcode == CLOSE:
                code = int.from_bytes(frame.payload[:2])
                self._close_code = code if frame.payload else NOTHING_FOLLOWS
                if not self._muted:
                    self.connection.send(frame.to_bytes())
            elif frame.opcode == PING:
                self.send_frames(Frame(opcode=PONG, payload=frame.payload))
            elif frame.opcode != PONG:
                self.frames.append(frame)


def _message(frame: Frame) -> str | bytes:
    payload = inflate(frame.payload) if frame.compressed else frame.payload
    return payload.decode() if frame.opcode == TEXT else payload
