"""Something happens by itself: a background task, which begins with the first client.

    python examples/socketio/ticker.py [PORT]

Every client gets the event "tick" once a second; "pause" and "go" are acknowledged with
the number of the last tick.
"""

import sys

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.task import react
from twisted.web.resource import Resource
from twisted.web.server import Site

from txengineio.socketio import Server, SocketIOResource

sio = Server()


class Ticker:
    number = 0
    started = paused = False

    def connect(self, sid: str, environ: object, auth: object = None) -> None:
        if not self.started:
            self.started = True
            sio.start_background_task(self.run)

    async def run(self) -> None:
        while True:
            await sio.sleep(1)
            if not self.paused:
                self.number += 1
                sio.emit("tick", self.number)

    def pause(self, sid: str) -> int:
        self.paused = True
        return self.number

    def go(self, sid: str) -> int:
        self.paused = False
        return self.number


async def main(reactor: ReactorBase, port: str = "8080") -> None:
    ticker = Ticker()
    for handler in (ticker.connect, ticker.pause, ticker.go):
        sio.on(handler.__name__, handler)
    root = Resource()
    root.putChild(b"socket.io", SocketIOResource(sio))
    endpoint = TCP4ServerEndpoint(reactor, int(port), interface="127.0.0.1")
    address = (await endpoint.listen(Site(root))).getHost()
    print(f"http://127.0.0.1:{address.port}", flush=True)
    await Deferred[None]()


react(main, sys.argv[1:])
