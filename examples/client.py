"""A client that stays connected: ``python examples/client.py http://127.0.0.1:8080``.

It says hello once for each session, prints what comes back, and sends the time every
five seconds, also those that passed without a server.
"""

from __future__ import annotations

import sys

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.task import LoopingCall, react
from twisted.python import log
from twisted.python.failure import Failure

from txengineio import EngineIOClientService, EngineIOProtocol


class Greeter(EngineIOProtocol):
    """One for each session."""

    def connectionMade(self) -> None:
        """Say hello."""
        print(f"connected by {self.session.transport.name}", flush=True)
        self.session.send("hello")

    def messageReceived(self, message: str | bytes) -> None:
        """Print what the server says."""
        print(f"received {message!r}", flush=True)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Say why; the service connects again."""
        print(f"disconnected: {reason.value}", flush=True)


async def main(reactor: ReactorBase, url: str = "http://127.0.0.1:8080") -> None:
    """Run until it is interrupted."""
    log.startLogging(sys.stderr, setStdout=False)
    service = EngineIOClientService(url, Factory.forProtocol(Greeter), max_queued=100)
    service.startService()

    def send_time() -> None:
        sending = service.send(f"it is {reactor.seconds():.0f}")
        sending.addErrback(lambda failure: print(f"not sent: {failure.value}"))

    LoopingCall(send_time).start(5.0, now=False)
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    await Deferred[None]()


if __name__ == "__main__":
    react(main, sys.argv[1:])
