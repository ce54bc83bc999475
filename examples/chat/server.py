"""A chat with a page: everybody sees what anybody says.

    python examples/chat/server.py [PORT]

then open the address that it prints in two windows.
"""

import json
import sys
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory
from twisted.web.server import Site
from twisted.web.static import File

from txengineio import Engine, EngineIOProtocol, EngineIOResource


class Chat(EngineIOProtocol):
    name = None

    def messageReceived(self, message):
        if self.name is None:
            self.name = str(message)[:20] or "nobody"
            self.tell("joined")
        else:
            self.tell("says", text=str(message)[:1000])

    def connectionLost(self, reason):
        if self.name is not None:
            self.tell("left")

    def tell(self, event, **details):
        news = {"who": self.name, "event": event, **details}
        self.session.engine.broadcast(json.dumps(news))


engine = Engine(Factory.forProtocol(Chat))
root = File(Path(__file__).with_name("page"))
root.putChild(b"engine.io", EngineIOResource(engine))


def listening(port):
    print(f"Chat at http://127.0.0.1:{port.getHost().port}/", flush=True)


def failed(failure):
    print(f"cannot listen: {failure.value}", file=sys.stderr)
    reactor.stop()


if __name__ == "__main__":
    number = sys.argv[1] if len(sys.argv) > 1 else "8080"
    endpoint = serverFromString(reactor, f"tcp:{number}:interface=127.0.0.1")
    endpoint.listen(Site(root)).addCallbacks(listening, failed)
    reactor.addSystemEventTrigger("before", "shutdown", engine.close)
    reactor.run()
