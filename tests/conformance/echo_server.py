"""Our server with an application that echoes and keeps a log of its sessions.

``python -m tests.conformance.echo_server JSON``: the argument has the engine's options.
One line of JSON with two ports goes to standard output: the server's, and one where
lines are answered with lines of JSON: ``sync`` with nothing, when what came before has
been handled, and ``log SID …`` with what those sessions received and why they ended.
The process ends when its standard input closes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.error import ReactorNotRunning
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.stdio import StandardIO
from twisted.internet.task import react
from twisted.logger import globalLogBeginner, textFileLogObserver
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure
from typing_extensions import override

from txengineio import Engine, EngineIOProtocol, Session

LOOPBACK = "127.0.0.1"

LOGS: dict[str, dict[str, Any]] = {}


class Echo(EngineIOProtocol):
    """Sends back what it receives."""

    @override
    def messageReceived(self, message: str | bytes) -> None:
        self.session.send(message)


def keep_log(session: Session) -> None:
    log: dict[str, Any] = {"packets": [], "reason": None}
    LOGS[session.id] = log
    session.on("packet", lambda kind, data: log["packets"].append([kind, plain(data)]))
    session.on("close", lambda reason, _: log.update(reason=reason.value))


def plain(data: str | bytes | None) -> object:
    return {"binary": data.hex()} if isinstance(data, bytes) else data or ""


class Control(LineOnlyReceiver):
    """Answers the test's questions."""

    delimiter = b"\n"

    @override
    def lineReceived(self, line: bytes) -> None:
        question, *sids = line.decode().split(" ")
        answer: object = {}
        if question == "log":
            answer = [LOGS.get(sid) for sid in sids]
        self.sendLine(json.dumps(answer).encode())


class UntilEndOfInput(Protocol):
    """Stops the reactor when standard input closes."""

    def __init__(self, stop: Callable[[], object]) -> None:
        self._stop = stop

    @override
    def connectionLost(self, reason: Failure | None = None) -> None:
        with suppress(ReactorNotRunning):
            self._stop()


async def serve(reactor: Any, options: dict[str, Any]) -> None:
    # The reference does not look at it.
    options = {"allowed_origins": "*", **options}
    engine = Engine(Factory.forProtocol(Echo), reactor=reactor, **options)
    engine.on("connection", keep_log)
    port: Any = await engine.listen(TCP4ServerEndpoint(reactor, 0, interface=LOOPBACK))
    control: Any = await TCP4ServerEndpoint(reactor, 0, interface=LOOPBACK).listen(
        Factory.forProtocol(Control)
    )
    ports = {"port": port.getHost().port, "control": control.getHost().port}
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    StandardIO(UntilEndOfInput(reactor.stop), reactor=reactor)
    await Deferred()


def main(reactor: Any, argument: str) -> Deferred[None]:
    globalLogBeginner.beginLoggingTo(
        [textFileLogObserver(sys.stderr)], redirectStandardIO=False
    )
    return Deferred.fromCoroutine(serve(reactor, json.loads(argument)))


if __name__ == "__main__":
    react(main, sys.argv[1:])
