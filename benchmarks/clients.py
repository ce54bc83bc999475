"""CPU per message of our client and of python-engineio's, with the same server.

Run ``python -m benchmarks.clients`` in an environment that has both. Each client runs
in a process of its own and sends messages to an echo server, `WINDOWS` at a time; the
numbers are microseconds of that process's CPU time for each message that came back, the
least of a few rounds that take turns.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from typing import Any

import engineio
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.internet.task import react
from txengineio import EngineIOProtocol, connect
from typing_extensions import override

ROUNDS = 3
WINDOWS = (1, 16)
COUNTS = {"websocket": 20_000, "polling": 3_000}
CLIENTS = ("txengineio", "python-engineio")
MESSAGE = "m" * 20


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


class Exchange:
    """Messages out, and back."""

    def __init__(self, count: int, window: int) -> None:
        self.count = count
        self._window = window
        self._unsent = count - window
        self._missing = count
        self._began = 0.0
        self.cpu = 0.0

    def begin(self) -> list[str]:
        """Return what to send first."""
        self._began = time.process_time()
        return [MESSAGE] * self._window

    def received(self) -> bool:
        """Count a message; say whether to send another one."""
        self._missing -= 1
        if not self._missing:
            self.cpu = time.process_time() - self._began
        self._unsent -= 1
        return self._unsent >= 0

    @property
    def is_over(self) -> bool:
        """Whether everything has come back."""
        return not self._missing


def run_ours(url: str, transport: str, exchange: Exchange) -> None:
    """Exchange messages with our client."""
    over: Deferred[None] = Deferred()

    class Client(EngineIOProtocol):
        @override
        def connectionMade(self) -> None:
            for message in exchange.begin():
                self.session.send(message)

        @override
        def messageReceived(self, message: str | bytes) -> None:
            if exchange.received():
                self.session.send(message)
            if exchange.is_over:
                over.callback(None)

    async def main(reactor: Any) -> None:
        await connect(
            url, Factory.forProtocol(Client), reactor=reactor, transports=[transport]
        )
        await over

    react(lambda reactor: Deferred.fromCoroutine(main(reactor)))


def run_theirs(url: str, transport: str, exchange: Exchange) -> None:
    """Exchange messages with python-engineio's asyncio client."""

    async def main() -> None:
        client = engineio.AsyncClient()
        over = asyncio.Event()

        async def received(message: str) -> None:
            if exchange.received():
                await client.send(message)
            if exchange.is_over:
                over.set()

        client.on("message", received)
        await client.connect(url, transports=[transport])
        for message in exchange.begin():
            await client.send(message)
        await over.wait()
        await client.disconnect()

    asyncio.run(main())


def measure(client: str, url: str, transport: str, window: int) -> float:
    """Run one client in a process of its own; return microseconds for each message."""
    command = [sys.executable, "-m", "benchmarks.clients", client, url, transport]
    output = subprocess.run(
        [*command, str(window)], check=True, capture_output=True, timeout=300
    ).stdout
    return float(output)


def run_client(client: str, url: str, transport: str, window: int) -> None:
    """Be one of the clients."""
    exchange = Exchange(COUNTS[transport], window)
    run = run_ours if client == CLIENTS[0] else run_theirs
    try:
        run(url, transport, exchange)
    finally:
        # `react` leaves by SystemExit.
        say(f"{exchange.cpu / exchange.count * 1e6:.1f}")


def main() -> None:
    """Run all clients, and print a table."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "twisted", "engineio", "--port", str(port)],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        time.sleep(2)
        url = f"http://127.0.0.1:{port}"
        say("transport  window  txengineio  python-engineio  ratio")
        for transport in COUNTS:
            for window in WINDOWS:
                best = dict.fromkeys(CLIENTS, float("inf"))
                for _ in range(ROUNDS):
                    for client in CLIENTS:
                        found = measure(client, url, transport, window)
                        best[client] = min(best[client], found)
                ours, theirs = best.values()
                cells = (f"{transport:<10} {window:>6}", f"{ours:>7.1f} µs")
                more = (f"{theirs:>12.1f} µs", f"{theirs / ours:>5.2f}")
                say("  ".join((*cells, *more)))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run_client(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
