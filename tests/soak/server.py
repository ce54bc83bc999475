"""The server of the soak and the load: ``python -m tests.soak.server OPTIONS``.

It listens on a port of the loopback interface, writes that as a line of JSON, and then
answers each line on standard input by another: ``stats`` tells what there is, after the
collector has run; ``ledger`` what ended sessions have got, which is then forgotten;
``beat N`` sends the time to N sessions. It ends when its input does.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.stdio import StandardIO
from twisted.internet.task import react
from twisted.logger import globalLogBeginner, textFileLogObserver
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from typing_extensions import override

from txengineio import Engine, EngineIOProtocol, SessionClosed

__all__ = ["raise_file_limit"]

_PAGE: Final = resource.getpagesize()


def raise_file_limit() -> int:
    """Allow as many open files as the system lets this process; return that."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Counting(EngineIOProtocol):
    """Echoes numbered messages; whatever is not the next number is a fault."""

    def __init__(self, ledger: dict[str, Any]) -> None:
        self._ledger = ledger
        self._count = 0
        self._faults: list[str] = []

    @override
    def messageReceived(self, message: str | bytes) -> None:
        if message == "flood":
            for _ in range(200):
                self.session.send("x" * 4096)
            return
        if str(message).partition(" ")[0] != str(self._count):
            self._faults.append(f"{message!r:.40} instead of {self._count}")
        self._count += 1
        self.session.send(message)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        closed = reason.value
        assert isinstance(closed, SessionClosed)
        sid = self.session.id
        if sid in self._ledger:
            self._faults.append("it was told twice that it is over")
        self._ledger[sid] = [self._count, closed.reason.value, self._faults]


class CountingFactory(Factory):
    """Builds the protocols; the ledger tells how each session went."""

    noisy = False

    def __init__(self) -> None:
        self.ledger: dict[str, Any] = {}

    @override
    def buildProtocol(self, addr: IAddress | None) -> Counting:
        return Counting(self.ledger)


class Control(LineReceiver):
    """Answers the questions on standard input."""

    delimiter = b"\n"

    def __init__(self, reactor: Any, engine: Engine, factory: CountingFactory) -> None:
        self._reactor = reactor
        self._engine = engine
        self._factory = factory

    @override
    def lineReceived(self, line: bytes) -> None:
        command, *arguments = line.decode().split()
        answer = getattr(self, f"do_{command}")(*arguments)
        self.sendLine(json.dumps(answer).encode())

    def do_stats(self) -> dict[str, Any]:
        gc.collect()
        statm = Path("/proc/self/statm").read_text(encoding="ascii")
        own = [
            call
            for call in self._reactor.getDelayedCalls()
            if "twisted.web" not in str(call.func)
        ]
        return {
            "sessions": len(self._engine.sessions),
            "websockets": len(self._engine.websockets.connections),
            "buffered": self._engine.buffers.total,
            "readers": len(self._reactor.getReaders()),
            "calls": list(map(str, own)),
            "memory": int(statm.split()[1]) * _PAGE,
            "objects": len(gc.get_objects()),
            "cpu": time.process_time(),
        }

    def do_ledger(self) -> dict[str, Any]:
        ledger = dict(self._factory.ledger)
        self._factory.ledger.clear()
        return ledger

    def do_beat(self, count: str) -> int:
        sessions = list(self._engine.sessions.values())
        step = max(1, len(sessions) // int(count))
        offset = int(time.monotonic() * 1000) % step
        for session in sessions[offset::step]:
            session.send(f"t{time.monotonic()}")
        return len(sessions[offset::step])

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._reactor.running:
            self._reactor.stop()


async def _serve(reactor: Any, options: dict[str, Any]) -> None:
    raise_file_limit()
    factory = CountingFactory()
    engine = Engine(factory, reactor=reactor, **options)
    endpoint = TCP4ServerEndpoint(reactor, 0, backlog=4096, interface="127.0.0.1")
    port = await engine.listen(endpoint)
    host: Any = port.getHost()
    sys.stdout.write(json.dumps({"port": host.port}) + "\n")
    sys.stdout.flush()
    StandardIO(Control(reactor, engine, factory), reactor=reactor)
    await Deferred()


def _main(reactor: Any, options: str) -> Deferred[None]:
    globalLogBeginner.beginLoggingTo(
        [textFileLogObserver(sys.stderr)], redirectStandardIO=False
    )
    return Deferred.fromCoroutine(_serve(reactor, json.loads(options)))


if __name__ == "__main__":
    react(_main, sys.argv[1:])
