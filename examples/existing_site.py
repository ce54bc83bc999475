"""A twisted.web site that someone already has gains Engine.IO at /engine.io/.

python examples/existing_site.py [PORT]
"""

import sys

from twisted.internet import reactor
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import Data

from txengineio import Engine, EngineIOProtocol, EngineIOResource


class Shout(EngineIOProtocol):
    def connectionMade(self):
        self.session.send("say something")

    def messageReceived(self, message):
        self.session.send(message.upper())


# The site as it was.
root = Resource()
root.putChild(b"", Data(b"<h1>The site that was here before</h1>", "text/html"))
root.putChild(b"about", Data(b"About us", "text/plain"))

# What Engine.IO adds to it.
engine = Engine(Factory.forProtocol(Shout))
root.putChild(b"engine.io", EngineIOResource(engine))


def listening(port):
    print(f"A site at http://127.0.0.1:{port.getHost().port}/", flush=True)


def failed(failure):
    print(f"cannot listen: {failure.value}", file=sys.stderr)
    reactor.stop()


if __name__ == "__main__":
    number = sys.argv[1] if len(sys.argv) > 1 else "8080"
    endpoint = serverFromString(reactor, f"tcp:{number}:interface=127.0.0.1")
    endpoint.listen(Site(root)).addCallbacks(listening, failed)
    reactor.addSystemEventTrigger("before", "shutdown", engine.close)
    reactor.run()
