"""Socket.IO beside a Klein app.

    python examples/socketio/klein_app.py [PORT]

then POST a text to /news, and every client gets the event "news".
"""

import sys

from klein import Klein
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.task import react
from twisted.web.server import Request, Site

from txengineio.socketio import Server, SocketIOResource

sio = Server()
latest: list[str] = []


@sio.event
def connect(sid: str, environ: object, auth: object) -> None:
    sio.enter_room(sid, "readers")


@sio.event
def news(sid: str) -> list[str]:
    return latest


class App:
    app = Klein()

    @app.route("/")
    def home(self, request: Request) -> str:
        return f"{len(sio.engine.sessions)} are reading the news"

    @app.route("/news", methods=["POST"])
    def post(self, request: Request) -> str:
        assert request.content is not None
        latest[:] = [*latest[-9:], request.content.read().decode()]
        sio.emit("news", latest[-1], room="readers")
        return "told"

    # Everything below it, too.
    @app.route("/socket.io/", branch=True)
    def socket_io(self, request: Request) -> SocketIOResource:
        return SocketIOResource(sio)


async def main(reactor: ReactorBase, port: str = "8080") -> None:
    endpoint = TCP4ServerEndpoint(reactor, int(port), interface="127.0.0.1")
    address = (await endpoint.listen(Site(App().app.resource()))).getHost()
    print(f"A Klein app at http://127.0.0.1:{address.port}/", flush=True)
    await Deferred[None]()


react(main, sys.argv[1:])
