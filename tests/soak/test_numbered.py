"""What the soaks' own clients write down."""

from __future__ import annotations

import asyncio

from tests.frames import TEXT, make_frame
from tests.soak.history import Session
from tests.soak.numbered import RawPeer

_OPEN = b'0{"sid":"w0a-x","upgrades":["websocket"]}'
_SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


class LosesPosts:
    """A server that drops each POST, and answers a probe only after that."""

    def __init__(self) -> None:
        self._has_dropped = asyncio.Event()

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"POST"):
            self._has_dropped.set()
        elif b"transport=polling" in head:
            size = b"Content-Length: %d" % len(_OPEN)
            writer.write(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (size, _OPEN))
            await reader.read()
        else:
            writer.write(_SWITCHING)
            await self._has_dropped.wait()
            writer.write(make_frame(TEXT, b"3probe", mask=None))
            await reader.read(1)
        writer.close()


def test_a_session_that_lost_a_post_while_it_moved_has_not_moved() -> None:
    async def run() -> Session:
        server = await asyncio.start_server(LosesPosts().serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            peer = RawPeer(Session(client="a"), port, "upgrade")
            async with asyncio.timeout(30):
                await peer.open()
                await peer.send(["a 0"])
                assert peer._reading is not None
                await asyncio.wait([peer._reading])
                await peer.close()
        return peer.session

    session = asyncio.run(run())
    assert len(session.ends) == 1
    assert not session.has_moved
