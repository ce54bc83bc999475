"""Clients of a soak: good ones, and those that go wrong in one way each."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from tests.frames import BINARY, CLOSE, PING, TEXT, make_frame

__all__ = ["BEHAVIOURS", "Client", "run"]

_SEPARATOR = "\x1e"
_RESET = struct.pack("ii", 1, 0)
_PATIENCE = 30.0


class Gone(Exception):
    """The server has ended the session, or the connection."""


@dataclass(kw_only=True, eq=False)
class Client:
    """One session.

    Attributes:
        acknowledged: Messages of which the server has said that it has them.
        received: Messages that have come back.
    """

    port: int
    random: Random
    sid: str = ""
    sent: int = 0
    acknowledged: int = 0
    received: int = 0

    async def connect(self) -> Connection:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        return Connection(reader, writer)

    def target(self, transport: str) -> str:
        sid = f"&sid={self.sid}" if self.sid else ""
        return f"/engine.io/?EIO=4&transport={transport}{sid}"

    def messages(self) -> list[str]:
        count = self.random.randint(1, 4)
        sizes = (self.random.choice((0, 10, 300, 2000)) for _ in range(count))
        start, self.sent = self.sent, self.sent + count
        return [f"4{start + i} {'x' * size}" for i, size in enumerate(sizes)]

    def take(self, packet: str) -> None:
        """Take a packet; an echo must be the next one."""
        if packet == "1":
            raise Gone
        if packet[:1] == "0":
            self.sid = json.loads(packet[1:])["sid"]
        elif packet[:1] == "4" and packet[1:2] != "x":
            number = int(packet[1:].partition(" ")[0])
            assert number == self.received, (number, self.received)
            self.received += 1
            # What comes back was there.
            self.acknowledged = max(self.acknowledged, self.received)

    async def open_polling(self, connection: Connection) -> None:
        await self.poll(connection)
        assert self.sid

    async def poll(self, connection: Connection) -> bool:
        """Poll once; whether a ping came."""
        connection.write_request("GET", self.target("polling"))
        packets = (await connection.read_body()).split(_SEPARATOR)
        for packet in packets:
            self.take(packet)
        return "2" in packets

    async def post(self, connection: Connection, packets: list[str]) -> None:
        body = _SEPARATOR.join(packets).encode()
        connection.write_request("POST", self.target("polling"), body)
        assert await connection.read_body() == "ok"
        self.acknowledged = self.sent

    async def open_websocket(self, connection: Connection) -> None:
        connection.write_request("GET", self.target("websocket"), upgrade=True)
        await connection.read_head("101")
        if not self.sid:
            self.take(await connection.read_packet())

    async def read_echoes(self, connection: Connection) -> None:
        while self.received < self.sent:
            packet = await connection.read_packet()
            if packet == "2":
                connection.write(make_frame(TEXT, b"3"))
            self.take(packet)


class Connection:
    """One TCP connection, and what goes over it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reader = reader
        self.writer = writer

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    def write_request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        *,
        upgrade: bool = False,
        size: int | None = None,
    ) -> None:
        lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1"]
        if upgrade:
            lines += [
                "Connection: Upgrade",
                "Upgrade: websocket",
                "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            ]
        if body is not None:
            lines.append(f"Content-Length: {len(body) if size is None else size}")
        self.write("\r\n".join([*lines, "", ""]).encode() + (body or b""))

    async def read_head(self, status: str) -> dict[str, str]:
        try:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        except (OSError, EOFError) as error:
            raise Gone from error
        first, *lines = head.split("\r\n")
        if first.split()[1] != status:
            raise Gone(first)
        pairs = (line.partition(": ") for line in lines if line)
        return {name.lower(): value for name, _, value in pairs}

    async def read_body(self) -> str:
        headers = await self.read_head("200")
        return (await self._exactly(int(headers["content-length"]))).decode()

    async def read_packet(self) -> str:
        """Return the next text frame."""
        while True:
            first, length = await self._exactly(2)
            if length >= 126:
                width = 2 if length == 126 else 8
                length = int.from_bytes(await self._exactly(width), "big")
            payload = await self._exactly(length)
            if first == 0x80 | CLOSE:
                raise Gone
            if first == 0x80 | TEXT:
                return payload.decode()

    async def _exactly(self, size: int) -> bytes:
        try:
            return await self.reader.readexactly(size)
        except (OSError, EOFError) as error:
            raise Gone from error

    def reset(self) -> None:
        """End the connection by RST."""
        sock = self.writer.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.writer.transport.abort()

    def close(self) -> None:
        self.writer.close()


# --- what they do ---------------------------------------------------------------------


async def _polling(client: Client, first: Connection, second: Connection) -> None:
    await client.open_polling(first)
    for _ in range(client.random.randint(1, 4)):
        await client.post(second, client.messages())
        while client.received < client.sent:
            if await client.poll(first):
                await client.post(second, ["3"])
    await client.post(second, ["1"])


async def _websocket(client: Client, first: Connection, second: Connection) -> None:
    await client.open_websocket(first)
    for _ in range(client.random.randint(1, 4)):
        frames = [make_frame(TEXT, each.encode()) for each in client.messages()]
        first.write(b"".join(frames))
        await client.read_echoes(first)
    first.write(make_frame(CLOSE, (1000).to_bytes(2, "big")))


async def _upgrading(client: Client, first: Connection, second: Connection) -> None:
    await client.open_polling(first)
    await client.post(first, client.messages())
    await client.open_websocket(second)
    second.write(make_frame(TEXT, b"2probe"))
    while await second.read_packet() != "3probe":
        pass
    if client.random.random() < 0.2:
        second.reset()
        return
    while client.received < client.sent:
        await client.poll(first)
    second.write(make_frame(TEXT, b"5"))
    for each in client.messages():
        second.write(make_frame(TEXT, each.encode()))
    await client.read_echoes(second)


async def _aborted_poll(client: Client, first: Connection, second: Connection) -> None:
    await client.open_polling(first)
    await client.post(second, client.messages())
    while client.received < client.sent:
        await client.poll(first)
    first.write_request("GET", client.target("polling"))
    await first.writer.drain()
    await asyncio.sleep(client.random.random() * 0.1)
    first.reset()


async def _half_post(client: Client, first: Connection, second: Connection) -> None:
    await client.open_polling(first)
    second.write_request("POST", client.target("polling"), b"40 half", size=500)
    await second.writer.drain()
    await asyncio.sleep(client.random.random() * 0.1)
    if client.random.random() < 0.5:
        second.reset()


async def _half_frame(client: Client, first: Connection, second: Connection) -> None:
    await client.open_websocket(first)
    first.write(make_frame(BINARY, bytes(1000))[: client.random.randint(1, 999)])
    await first.writer.drain()
    await asyncio.sleep(client.random.random() * 0.05)
    first.reset()


async def _wrong_frame(client: Client, first: Connection, second: Connection) -> None:
    await client.open_websocket(first)
    wrong = (
        make_frame(3),
        make_frame(TEXT, b"4\xff"),
        make_frame(TEXT, b"9"),
        make_frame(PING, b"x" * 126),
        make_frame(TEXT, b"4" * 30_000),
        client.random.randbytes(50),
    )
    first.write(client.random.choice(wrong))
    await first.read_packet()


async def _silent(client: Client, first: Connection, second: Connection) -> None:
    if client.random.random() < 0.5:
        await client.open_polling(first)
    else:
        await client.open_websocket(first)
    await asyncio.sleep(client.random.random() * 6)


async def _slow(client: Client, first: Connection, second: Connection) -> None:
    await client.open_websocket(first)
    first.write(make_frame(TEXT, b"4flood") * client.random.randint(1, 4))
    for _ in range(20):
        await asyncio.sleep(0.1)
        await first._exactly(1000)
    first.reset()


_Behaviour = Callable[[Client, Connection, Connection], Awaitable[None]]

BEHAVIOURS: tuple[_Behaviour, ...] = (
    _polling,
    _polling,
    _websocket,
    _websocket,
    _upgrading,
    _upgrading,
    _aborted_poll,
    _half_post,
    _half_frame,
    _wrong_frame,
    _silent,
    _slow,
)


async def run(client: Client, behaviour: _Behaviour) -> None:
    """Let a client do what it does; that the server ends it is no error."""
    first, second = await client.connect(), await client.connect()
    try:
        async with asyncio.timeout(_PATIENCE):
            await behaviour(client, first, second)
    except (Gone, ConnectionError):
        pass
    finally:
        first.close()
        second.close()
