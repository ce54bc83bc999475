"""A twisted.web site that someone already has gains Engine.IO at /engine.io/.

python examples/existing_site.py [PORT]
"""

import sys
from typing import cast

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import react
from twisted.web.resource import IResource, Resource
from twisted.web.server import Site
from twisted.web.static import Data

from txengineio import Engine, EngineIOProtocol, EngineIOResource


class Shout(EngineIOProtocol):
    def connectionMade(self) -> None:
        self.session.send("say something")

    def messageReceived(self, message: str | bytes) -> None:
        self.session.send(message.upper())


def page(data: bytes, content_type: str) -> IResource:
    # Type checkers do not see that Twisted's resources are an IResource.
    return cast(IResource, Data(data, content_type))


# The site as it was.
root = Resource()
root.putChild(b"", page(b"<h1>The site that was here before</h1>", "text/html"))
root.putChild(b"about", page(b"About us", "text/plain"))

# What Engine.IO adds to it.
engine = Engine(Factory.forProtocol(Shout))
root.putChild(b"engine.io", EngineIOResource(engine))


async def main(reactor: ReactorBase, port: str = "8080") -> None:
    endpoint = TCP4ServerEndpoint(reactor, int(port), interface="127.0.0.1")
    address = (await endpoint.listen(Site(root))).getHost()
    print(f"A site at http://127.0.0.1:{address.port}/", flush=True)
    reactor.addSystemEventTrigger("before", "shutdown", engine.close)
    await Deferred[None]()


if __name__ == "__main__":
    react(main, sys.argv[1:])
