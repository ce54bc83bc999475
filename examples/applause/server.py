"""The browser's half without a build step: a page that connects, and reconnects.

    npm install engine.io-client
    python examples/applause/server.py [PORT] [CLIENT]

then open the address that it prints in two windows. CLIENT is where npm has put the
official client: node_modules/engine.io-client if it is not given.
"""

import sys
from pathlib import Path

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.task import react
from twisted.web.server import Site
from twisted.web.static import File

from txengineio import ClientScript, Engine, EngineIOProtocol, EngineIOResource, Session

CLIENT = "node_modules/engine.io-client"


class Applause(EngineIOProtocol[Session]):
    count = 0

    def connectionMade(self) -> None:
        self.session.send(str(Applause.count))

    def messageReceived(self, message: str | bytes) -> None:
        Applause.count += 1
        self.session.engine.broadcast(str(Applause.count))


async def main(reactor: ReactorBase, port: str = "8080", client: str = CLIENT) -> None:
    engine = Engine(Applause, reactor=reactor)
    engine.use(ClientScript(client))
    root = File(str(Path(__file__).with_name("page")))
    root.putChild(b"engine.io", EngineIOResource(engine))
    endpoint = TCP4ServerEndpoint(reactor, int(port), interface="127.0.0.1")
    address = (await endpoint.listen(Site(root))).getHost()
    print(f"Applause at http://127.0.0.1:{address.port}/", flush=True)
    reactor.addSystemEventTrigger("before", "shutdown", engine.close)
    await Deferred[None]()


if __name__ == "__main__":
    react(main, sys.argv[1:])
