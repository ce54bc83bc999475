"""A WebSocket client on a real socket that sends exactly what a case says.

It shares no code with the server. A case is what is sent, in how many pieces, and what
must come back; a table of cases is run by `check`.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tests.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from tests.interop.launch import LOOPBACK

__all__ = [
    "NO_CODE",
    "Case",
    "Frame",
    "Peer",
    "bytewise",
    "check",
    "close_payload",
    "fragments",
    "frame",
    "message",
    "ping",
    "pong",
]

NO_CODE: Final = 1005
"""What stands for a close frame without a code: RFC 6455, section 7.4.1."""

DEADLINE: Final = 60.0
MASK: Final = b"\x37\xfa\x21\x3d"

Frame = tuple[int, bytes]
"""The first byte of a frame, and its payload."""


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    length_bytes: int | None = None,
    mask: bytes | None = MASK,
) -> bytes:
    """Return a client's frame; ``length_bytes`` asks for a form of the length."""
    size = len(payload)
    if length_bytes is None:
        length_bytes = 0 if size < 126 else 2 if size < 65536 else 8
    short = {0: size, 2: 126, 8: 127}[length_bytes]
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    header = bytes((first, short | (0 if mask is None else 0x80)))
    header += size.to_bytes(length_bytes, "big") if length_bytes else b""
    if mask is None:
        return header + payload
    # One large number: megabytes are masked in no time.
    key = int.from_bytes((mask * (size // 4 + 1))[:size], "little")
    masked = int.from_bytes(payload, "little") ^ key
    return header + mask + masked.to_bytes(size, "little")


def message(content: str | bytes) -> bytes:
    """Return a frame with a whole message; text gets the type of its packet."""
    if isinstance(content, str):
        return frame(TEXT, b"4" + content.encode())
    return frame(BINARY, content)


def fragments(opcode: int, *pieces: bytes) -> list[bytes]:
    """Return a message in as many frames as there are pieces."""
    last = len(pieces) - 1
    return [
        frame(CONTINUATION if number else opcode, piece, fin=number == last)
        for number, piece in enumerate(pieces)
    ]


def bytewise(data: bytes) -> list[bytes]:
    """Return single bytes."""
    return [bytes((byte,)) for byte in data]


def ping(payload: bytes = b"") -> bytes:
    return frame(PING, payload)


def pong(payload: bytes = b"") -> Frame:
    """Return the pong that the server must send."""
    return 0x80 | PONG, payload


def close_payload(code: int, reason: bytes = b"") -> bytes:
    return code.to_bytes(2, "big") + reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is sent, and what must come back.

    Attributes:
        name: What it is about.
        send: The bytes, each piece written on its own.
        expect: The frames that come back, the close frame excepted.
        close: The code with which the server ends the connection; None if it does not,
            but goes along when the client then says goodbye.
        extensions: What the opening request offers.
    """

    name: str
    send: Iterable[bytes]
    expect: Sequence[Frame] = ()
    close: int | None = None
    extensions: str | None = None


class Peer:
    """One WebSocket; the open packet was taken.

    Attributes:
        headers: Those of the server's answer, their names in lower case.
    """

    def __init__(self, port: int, extensions: str | None = None) -> None:
        self._socket = socket.create_connection((LOOPBACK, port), DEADLINE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = bytearray()
        lines = [
            "GET /engine.io/?EIO=4&transport=websocket HTTP/1.1",
            f"Host: {LOOPBACK}:{port}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
        ]
        if extensions is not None:
            lines.append(f"Sec-WebSocket-Extensions: {extensions}")
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        status, *fields = self._until(b"\r\n\r\n").decode().split("\r\n")
        assert status.split()[1] == "101", status
        pairs = (field.partition(":") for field in fields if field)
        self.headers = {name.lower(): value.strip() for name, _, value in pairs}
        assert self.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        self.opening = self.receive()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @property
    def extensions(self) -> str | None:
        """What the server has accepted."""
        return self.headers.get("sec-websocket-extensions")

    def send(self, *pieces: bytes) -> None:
        """Send the pieces; that the server has gone meanwhile is no error."""
        try:
            for piece in pieces:
                self._socket.sendall(piece)
        except ConnectionError:
            pass

    def receive(self) -> Frame:
        """Return the next frame."""
        first, length = self._exactly(2)
        assert length < 128, "a server must not mask"
        if length >= 126:
            width = 2 if length == 126 else 8
            length = int.from_bytes(self._exactly(width), "big")
            assert length >= (126 if width == 2 else 65536), "not the shortest form"
        return first, self._exactly(length)

    def receive_until_close(self) -> tuple[list[Frame], int]:
        """Return the frames up to the close frame, and the code of that."""
        frames: list[Frame] = []
        while True:
            first, payload = self.receive()
            if first & 0x0F == CLOSE:
                assert first == 0x80 | CLOSE
                assert len(payload) in (0, 2), payload
                return frames, int.from_bytes(payload, "big") or NO_CODE
            frames.append((first, payload))

    def is_over(self) -> bool:
        """Whether the server closes the connection, and sends nothing more."""
        try:
            return not self._received and not self._socket.recv(1)
        except ConnectionError:
            return True

    def goodbye(self) -> None:
        self.send(frame(CLOSE, close_payload(1000)))

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._received:
            self._read()
        head, _, rest = bytes(self._received).partition(mark)
        self._received = bytearray(rest)
        return head

    def _exactly(self, size: int) -> bytes:
        while len(self._received) < size:
            self._read()
        data = bytes(memoryview(self._received)[:size])
        del self._received[:size]
        return data

    def _read(self) -> None:
        data = self._socket.recv(1 << 20)
        if not data:
            raise EOFError(f"over behind {bytes(self._received[:100])!r}")
        self._received += data


def check(port: int, cases: Iterable[Case]) -> None:
    """Run each case on a connection of its own; say of all that fail what happened."""
    problems = {}
    number = 0
    for case in cases:
        number += 1
        problem = _problem(port, case)
        if problem is not None:
            problems[case.name] = problem
    assert number
    assert not problems, "\n".join(f"{name}: {it}" for name, it in problems.items())


def _problem(port: int, case: Case) -> str | None:
    with Peer(port, case.extensions) as peer:
        assert case.extensions or json.loads(peer.opening[1][1:])["sid"]
        peer.send(*case.send)
        expected = list(case.expect), case.close or 1000
        received: list[Frame] = []
        try:
            if case.close is None:
                # Not before: what a peer has not been sent yet when it goes is dropped.
                received = [peer.receive() for _ in case.expect]
                peer.goodbye()
            more, code = peer.receive_until_close()
        except (OSError, EOFError) as error:
            return f"no close frame: {error}"
        outcome = received + more, code
        if outcome != expected:
            return f"received {_short(outcome)}, expected {_short(expected)}"
        if case.close is not None:
            # The answer to the server's close frame, if that was no answer itself.
            peer.goodbye()
        return None if peer.is_over() else "the connection stays open"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 300 else f"{text[:300]} … ({len(text)} characters)"
