"""A Klein app whose route /engine.io/ is an engine.

    python examples/klein_app.py [PORT]

then POST a text to /news, and every client gets it.
"""

import sys

from klein import Klein
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import react
from twisted.web.server import Request, Site

from txengineio import Engine, EngineIOProtocol, EngineIOResource, Session


class Reader(EngineIOProtocol[Session]):
    def messageReceived(self, message: str | bytes) -> None:
        self.session.send(f"{len(self.session.engine.sessions)} are reading")


class App:
    app = Klein()

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @app.route("/")
    def home(self, request: Request) -> str:
        request.setHeader("Content-Type", "text/plain; charset=utf-8")
        return f"{len(self.engine.sessions)} are reading the news"

    @app.route("/news", methods=["POST"])
    def news(self, request: Request) -> str:
        assert request.content is not None
        reached = self.engine.broadcast(request.content.read().decode())
        return f"told {reached}"

    # Everything below it, too.
    @app.route("/engine.io/", branch=True)
    def engine_io(self, request: Request) -> EngineIOResource:
        return EngineIOResource(self.engine)


async def main(reactor: ReactorBase, port: str = "8080") -> None:
    engine = Engine(Factory.forProtocol(Reader), reactor=reactor)
    site = Site(App(engine).app.resource())
    endpoint = TCP4ServerEndpoint(reactor, int(port), interface="127.0.0.1")
    address = (await endpoint.listen(site)).getHost()
    print(f"A Klein app at http://127.0.0.1:{address.port}/", flush=True)
    reactor.addSystemEventTrigger("before", "shutdown", engine.close)
    await Deferred[None]()


if __name__ == "__main__":
    react(main, sys.argv[1:])
