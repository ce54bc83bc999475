"""What the protocol's published suites check, over real sockets and in real time.

The rest of what they check is in `test_protocol3` and `test_protocol4`, in memory.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection

import pytest

from tests.conformance.agents import LOOPBACK, running
from tests.conformance.exchanges import write_request
from tests.conformance.frames import CLOSE, Frame, parse_frames
from tests.conformance.peers import WEBSOCKET_HEADERS, join, split

pytestmark = pytest.mark.socket

INTERVAL, TIMEOUT = 0.3, 0.2
LATE = 0.1
"""Seconds for two time-outs, a handshake, and three requests: a few milliseconds, where
the machine does nothing else."""
ATTEMPTS = 20
"""All but one may meet a moment in which the machine is busy."""
DEADLINE = 60.0


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a server with the durations of the suites."""
    command = [sys.executable, "-m", "tests.conformance.echo_server"]
    options = {
        "ping_interval": INTERVAL,
        "ping_timeout": TIMEOUT,
        "allow_eio3": True,
    }
    with running(command, options) as ports:
        yield ports["port"]


class Polling:
    """A session by polling: each request on a connection of its own."""

    def __init__(self, port: int, revision: int) -> None:
        self._port = port
        self._revision = revision
        self._path = f"/engine.io/?EIO={revision}&transport=polling&b64=1"
        _, body = self.request("GET")
        (packet,) = split(revision, body)
        self._path += f"&sid={json.loads(packet[1:])['sid']}"

    def request(self, method: str, *packets: str) -> tuple[int, str]:
        connection = HTTPConnection(LOOPBACK, self._port, timeout=DEADLINE)
        body = join(self._revision, *packets) if packets else None
        connection.request(method, self._path, body)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def poll(self) -> list[str]:
        status, body = self.request("GET")
        assert status == 200
        return split(self._revision, body)


class WebSocket:
    """A session by WebSocket, whose client reads what has come, read by read."""

    def __init__(self, port: int, revision: int) -> None:
        self._socket = socket.create_connection((LOOPBACK, port), DEADLINE)
        target = f"/engine.io/?EIO={revision}&transport=websocket"
        self._socket.sendall(write_request("GET", target, [*WEBSOCKET_HEADERS.items()]))
        first = self._socket.recv(65536)
        self.with_answer = first.partition(b"\r\n\r\n")[2]
        self._data = self.with_answer
        self._frames: list[Frame] = []

    def receive(self) -> Frame:
        while not self._frames:
            self._frames, self._data = parse_frames(self._data)
            if not self._frames:
                data = self._socket.recv(65536)
                assert data, "the connection is closed"
                self._data += data
        return self._frames.pop(0)

    def send(self, text: str) -> None:
        self._socket.sendall(Frame.of(text).to_bytes())

    def close(self) -> None:
        self._socket.close()


def lifetime_by_polling(port: int, revision: int) -> float:
    """Be silent; return the seconds until the parked poll tells that it is over."""
    began = time.monotonic()
    polling = Polling(port, revision)
    packets = polling.poll()
    if revision == 4:
        assert packets == ["2"]
        packets = polling.poll()
    lived = time.monotonic() - began
    assert packets == ["1"]
    assert polling.request("GET")[0] == 400
    return lived


def lifetime_by_websocket(port: int, revision: int) -> float:
    """Be silent; return the seconds until the close frame."""
    began = time.monotonic()
    websocket = WebSocket(port, revision)
    frames = [websocket.receive()]
    while frames[-1].opcode != CLOSE:
        frames.append(websocket.receive())
    lived = time.monotonic() - began
    websocket.close()
    assert len(frames) == (3 if revision == 4 else 2)
    return lived


@pytest.mark.behaviour("B206", "B208", "B225")
@pytest.mark.parametrize("lifetime", [lifetime_by_polling, lifetime_by_websocket])
@pytest.mark.parametrize("revision", [3, 4])
def test_a_silent_client_is_given_up_in_time(
    port: int, revision: int, lifetime: Callable[[int, int], float]
) -> None:
    for _ in range(ATTEMPTS):
        lived = lifetime(port, revision)
        assert lived >= INTERVAL + TIMEOUT
        if lived <= INTERVAL + TIMEOUT + LATE:
            return
    pytest.fail(f"late by more than {LATE} s each time")


@pytest.mark.behaviour("B205", "B224")
@pytest.mark.parametrize("revision", [3, 4])
def test_three_heartbeats_by_polling(port: int, revision: int) -> None:
    polling = Polling(port, revision)
    for _ in range(3):
        if revision == 4:
            assert polling.poll() == ["2"]
            assert polling.request("POST", "3") == (200, "ok")
        else:
            assert polling.request("POST", "2") == (200, "ok")
            assert polling.poll() == ["3"]


@pytest.mark.behaviour("B216")
def test_in_revision_3_the_open_packet_does_not_come_with_the_answer(port: int) -> None:
    for _ in range(ATTEMPTS):
        websocket = WebSocket(port, 3)
        assert websocket.receive().payload[:2] == b"0{"
        websocket.send("4hello")
        assert websocket.receive().payload == b"4hello"
        websocket.close()
        if not websocket.with_answer:
            return
    pytest.fail("it came with it each time")
