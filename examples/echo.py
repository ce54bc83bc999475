"""An Engine.IO server that sends each message back.

    python examples/echo.py [PORT]

then, with engine.io-client from npm: ``new Socket("ws://127.0.0.1:8080")``.
"""

import sys

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.internet.task import react

from txengineio import Engine, EngineIOProtocol


class Echo(EngineIOProtocol):
    def messageReceived(self, message: str | bytes) -> None:
        self.session.send(message)


async def main(reactor: ReactorBase, port: str = "8080") -> None:
    engine = Engine(Factory.forProtocol(Echo), reactor=reactor)
    listening = await engine.listen(f"tcp:{port}:interface=127.0.0.1")
    address = listening.getHost()
    print(f"Engine.IO at http://127.0.0.1:{address.port}/engine.io/", flush=True)
    reactor.addSystemEventTrigger("before", "shutdown", engine.close)
    await Deferred[None]()


if __name__ == "__main__":
    react(main, sys.argv[1:])
