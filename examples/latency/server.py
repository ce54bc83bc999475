"""A page that shows how long a message takes to the server and back.

    python examples/latency/server.py [PORT]

then open the address that it prints.
"""

import sys
from pathlib import Path

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import react
from twisted.web.server import Site
from twisted.web.static import File

from txengineio import Engine, EngineIOProtocol, EngineIOResource


class Return(EngineIOProtocol):
    def messageReceived(self, message: str | bytes) -> None:
        self.session.send(message)


async def main(reactor: ReactorBase, port: str = "8080") -> None:
    engine = Engine(Factory.forProtocol(Return), reactor=reactor)
    root = File(str(Path(__file__).with_name("page")))
    root.putChild(b"engine.io", EngineIOResource(engine))
    endpoint = TCP4ServerEndpoint(reactor, int(port), interface="127.0.0.1")
    address = (await endpoint.listen(Site(root))).getHost()
    print(f"Latency at http://127.0.0.1:{address.port}/", flush=True)
    reactor.addSystemEventTrigger("before", "shutdown", engine.close)
    await Deferred[None]()


if __name__ == "__main__":
    react(main, sys.argv[1:])
