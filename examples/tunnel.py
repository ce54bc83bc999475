"""A TCP port, such as that of sshd, behind HTTP: for where nothing else passes.

On the machine of the port, and then, elsewhere, as a ProxyCommand:

    python examples/tunnel.py serve 22 8080
    ssh -o "ProxyCommand python examples/tunnel.py connect http://127.0.0.1:8080" me@it
"""

import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.stdio import StandardIO
from twisted.internet.task import react
from twisted.protocols.portforward import ProxyFactory
from twisted.python.failure import Failure

from txengineio.streams import EngineIOClientEndpoint


class End(Protocol):
    """One end of a pipe: what comes in here goes out at the other."""

    transport: Any
    other: "End"

    def connectionMade(self) -> None:
        self.transport.pauseProducing()

    def join(self, other: "End") -> None:
        self.other = other
        self.transport.registerProducer(other.transport, True)
        self.transport.resumeProducing()

    def dataReceived(self, data: bytes) -> None:
        self.other.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.other.transport.unregisterProducer()
        self.other.transport.loseConnection()


async def main(reactor: Any, command: str, *words: str) -> None:
    if command == "serve":
        front = serverFromString(reactor, f"engineio:{words[1]}:interface=127.0.0.1")
        port = await front.listen(ProxyFactory("127.0.0.1", int(words[0])))
        print(f"serving http://127.0.0.1:{port.getHost().port}", flush=True)
        await Deferred()
    endpoint: Any = EngineIOClientEndpoint(reactor, words[0])
    here: Any = End()
    there = await endpoint.connect(Factory.forProtocol(End))
    StandardIO(here, reactor=reactor)
    here.join(there)
    there.join(here)
    await there.transport.session.when_closed()


react(lambda *words: Deferred.fromCoroutine(main(*words)), sys.argv[1:])
