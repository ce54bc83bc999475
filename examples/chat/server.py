"""A chat with a page: everybody sees what anybody says.

    python examples/chat/server.py [PORT]

then open the address that it prints in two windows.
"""

import json
import sys
from pathlib import Path

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.task import react
from twisted.python.failure import Failure
from twisted.web.server import Site
from twisted.web.static import File

from txengineio import Engine, EngineIOProtocol, EngineIOResource, Session


class Chat(EngineIOProtocol[Session]):
    name: str | None = None

    def messageReceived(self, message: str | bytes) -> None:
        if self.name is None:
            self.name = str(message)[:20] or "nobody"
            self.tell("joined")
        else:
            self.tell("says", text=str(message)[:1000])

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.name is not None:
            self.tell("left")

    def tell(self, event: str, **details: str) -> None:
        news = {"who": self.name, "event": event, **details}
        self.session.engine.broadcast(json.dumps(news))


engine = Engine(Factory.forProtocol(Chat))
root = File(str(Path(__file__).with_name("page")))
root.putChild(b"engine.io", EngineIOResource(engine))


async def main(reactor: ReactorBase, port: str = "8080") -> None:
    endpoint = TCP4ServerEndpoint(reactor, int(port), interface="127.0.0.1")
    address = (await endpoint.listen(Site(root))).getHost()
    print(f"Chat at http://127.0.0.1:{address.port}/", flush=True)
    reactor.addSystemEventTrigger("before", "shutdown", engine.close)
    await Deferred[None]()


if __name__ == "__main__":
    react(main, sys.argv[1:])
