"""Broadcasts to a worker that is stopped: what waits for it is bounded, and told."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.connection import make_request
from tests.frames import TEXT, make_frame
from tests.supervised import DEADLINE, Workers
from tests.test_plugin import WEBSOCKET, receive
from tests.test_workers import run
from tests.wiring import opening_headers
from txengineio.cluster.outbox import MAX_QUEUED

__all__ = ["run"]

pytestmark = pytest.mark.socket

SIZE = 1_000_000
COUNT = 600
SECONDS = 3.0
"""All of them within so long are 200 MB a second; a busy machine sends less."""

LEAST = 100
"""Messages, however busy the machine is: many times what may wait."""

SLACK = 16 << 20
"""Bytes that a process may need for messages that it works on, and for anything else.

What is broadcast is at least several times as much.
"""

APP = """
import time
from twisted.internet import reactor
from txengineio import EngineIOProtocol

def flood(engine, number, end):
    if number < LEAST or number < COUNT and time.monotonic() < end:
        # Each is made anew, as its bytes are to be counted.
        engine.broadcast(f"{number} " + "x" * SIZE)
        reactor.callLater(SECONDS / COUNT, flood, engine, number + 1, end)
    else:
        print(f"{number} messages were broadcast", flush=True)

class App(EngineIOProtocol):
    def messageReceived(self, message):
        engine = self.session.engine
        if message == "flood":
            # It would have to read all of that.
            self.session.close()
            flood(engine, 0, time.monotonic() + SECONDS)
        elif message.startswith("all "):
            engine.broadcast(message)
        else:
            self.session.send(message)
"""


class Client:
    """A session on a WebSocket."""

    def __init__(self, server: Workers) -> None:
        connection = server.connect()
        connection.sendall(make_request("GET", WEBSOCKET, None, opening_headers()))
        found = re.search(
            rb'"sid":"(w\d+)\w*-.*}', receive(connection, lambda data: b"}" in data)
        )
        assert found is not None
        self.slot = found[1].decode()
        self.connection = connection
        self._file = connection.makefile("rb")

    def say(self, text: str) -> None:
        self.connection.sendall(make_frame(TEXT, f"4{text}".encode()))

    def hear(self) -> str:
        """Return the next message."""
        while True:
            _, size = self._file.read(2)
            if size > 125:
                size = int.from_bytes(self._file.read(2 if size == 126 else 8))
            payload = self._file.read(size)
            if payload[:1] == b"4":
                return payload[1:].decode()

    def close(self) -> None:
        self._file.close()
        self.connection.close()


@pytest.fixture
def clients() -> Iterator[Callable[[Workers, int], Client]]:
    """Opens a session on a worker."""
    with ExitStack() as stack:

        def open_on(server: Workers, slot: int) -> Client:
            for _ in range(200):
                client = Client(server)
                stack.callback(client.close)
                if client.slot == f"w{slot}":
                    return client
                client.close()
            raise AssertionError(f"slot {slot} gets no session")

        yield open_on


def memory(pid: int) -> int:
    """Return the proportional set size of a process, in bytes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) << 10
    raise AssertionError(pid)


@pytest.fixture
def flooding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The application."""
    project = str(Path(__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), project)))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    text = APP
    for name in ("SIZE", "COUNT", "LEAST", "SECONDS"):
        text = text.replace(name, str(globals()[name]))
    (tmp_path / "app_that_floods.py").write_text(text, "utf-8")
    return "app_that_floods:App"


def test_broadcasts_to_a_stopped_worker_take_no_more_memory_than_is_promised(
    flooding: str,
    run: Callable[..., Workers],
    clients: Callable[[Workers, int], Client],
) -> None:
    server = run("--app", flooding, "--metrics", "--worker-timeout", "60")
    starting, staying = clients(server, 0), clients(server, 2)
    pids = {"supervisor": server.process.pid}
    pids |= {f"w{slot}": server.pid_of(slot) for slot in range(3)}
    stopped = pids.pop("w2")
    before = {name: memory(pid) for name, pid in pids.items()}
    most = dict(before)
    os.kill(stopped, signal.SIGSTOP)
    try:
        starting.say("flood")
        deadline = time.monotonic() + DEADLINE
        while "messages were broadcast" not in server.read():
            assert time.monotonic() < deadline, server.output
            most = {name: max(most[name], memory(pid)) for name, pid in pids.items()}
            time.sleep(0.02)
    finally:
        os.kill(stopped, signal.SIGCONT)
    found = re.search(r"(\d+) messages were broadcast", server.output)
    assert found is not None
    sent = int(found[1])
    assert sent >= LEAST
    grown = {name: most[name] - before[name] for name in pids}
    # What waits for the two others; and what one of them has received of a message.
    assert grown["w0"] < 2 * MAX_QUEUED + SLACK, (grown, sent)
    assert grown["w1"] < SLACK, (grown, sent)
    assert grown["supervisor"] < SLACK / 4, (grown, sent)
    assert_dropped(server, sent)
    # The first ones have waited, in order; its session has seen nothing else.
    speaking = clients(server, 0)
    speaking.say("all is well")
    heard = [staying.hear().partition(" ")[0]]
    while heard[-1] != "all":
        heard.append(staying.hear().partition(" ")[0])
    waited = len(heard) - 1
    assert heard == [*map(str, range(waited)), "all"]
    assert 0 < waited <= MAX_QUEUED // SIZE + 2
    staying.say("hello")
    assert staying.hear() == "hello"
    assert "Traceback" not in server.stopped()


def assert_dropped(server: Workers, sent: int) -> None:
    """Assert that what was dropped is counted, and told in one line for each worker."""
    lines = re.findall(
        r"\[w0\] a message of \d+ bytes to node (w\d)\w+ is dropped \(full\): "
        r"(\d+) bytes wait for it",
        server.output,
    )
    told: dict[str, Any] = dict(lines)
    assert len(told) == len(lines), lines
    assert "w2" in told, server.output
    assert int(told["w2"]) <= MAX_QUEUED
    _, metrics = server.ask("/metrics")
    dropped = re.search(
        r'^engineio_dropped_node_messages_total{reason="full",worker="0"} (\S+)$',
        metrics,
        re.MULTILINE,
    )
    assert dropped is not None
    assert float(dropped[1]) >= sent - MAX_QUEUED // SIZE - 2
