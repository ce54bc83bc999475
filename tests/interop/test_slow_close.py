"""A client that reads slowly while the server closes its session."""

from __future__ import annotations

import socket
import time

import pytest

from tests.frames import CLOSE, TEXT, make_frame
from tests.interop.launch import LOOPBACK, Launch
from tests.interop.servers import running_server
from txengineio.websocket.close_timeout import CLOSE_TIMEOUT

pytestmark = pytest.mark.socket

SIZE = 8_000_000
RATE = 1_200_000  # bytes a second: longer on the way than a deaf client would get
OPENING = (
    "GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
    "Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def test_it_gets_all_that_was_sent_before_the_close() -> None:
    launch = Launch(engine={"ping_interval": 300.0, "max_buffered_bytes": 2 * SIZE})
    received = b""
    with running_server(launch) as server, socket.socket() as client:
        # A small window, so that most of it waits in the server's process.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.settimeout(30)
        client.connect((LOOPBACK, server.port))
        client.sendall(OPENING.encode())
        while b"maxPayload" not in received:
            received += client.recv(65536)
        messages = (f"4!big {SIZE}", "4!close")
        client.sendall(b"".join(make_frame(TEXT, each.encode()) for each in messages))
        count, started = 0, time.monotonic()
        while count < SIZE:
            piece = client.recv(65536)
            assert piece, f"the connection ended after {count} bytes"
            count += len(piece)
            time.sleep(len(piece) / RATE)
        client.sendall(make_frame(CLOSE))
    assert time.monotonic() - started > CLOSE_TIMEOUT
