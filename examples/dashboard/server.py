"""A page over WebSocket alone stays empty behind many a proxy; over Engine.IO it works.

npm install engine.io-client
python examples/dashboard/server.py [PORT] [CLIENT]
"""

import json
import sys
from pathlib import Path
from typing import Any

from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, react
from twisted.web.server import Site
from twisted.web.static import File

from txengineio import ClientScript, Engine, EngineIOProtocol, EngineIOResource

CLIENT = "node_modules/engine.io-client"
CONNECTION = Path(__file__).parents[1] / "applause" / "page" / "connection.js"
jobs = {"build": 60, "test": 30, "deploy": 0}
sockets: set[WebSocketServerProtocol] = set()


class OverWebSocket(WebSocketServerProtocol):
    def onOpen(self) -> None:
        sockets.add(self)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        sockets.discard(self)


def work(engine: Engine) -> None:
    for job, done in jobs.items():
        jobs[job] = (done + 10) % 110
    engine.broadcast(json.dumps(jobs))
    for socket in [each for each in sockets if each.state == each.STATE_OPEN]:
        socket.sendMessage(json.dumps(jobs).encode())


async def main(reactor: Any, port: str = "8080", client: str = CLIENT) -> None:
    engine = Engine(EngineIOProtocol, reactor=reactor)
    engine.use(ClientScript(client))
    plain = WebSocketServerFactory(reactor=reactor)
    plain.protocol = OverWebSocket
    root: Any = File(str(Path(__file__).with_name("page")))
    root.putChild(b"connection.js", File(str(CONNECTION)))
    root.putChild(b"ws", WebSocketResource(plain))
    root.putChild(b"engine.io", EngineIOResource(engine))
    listening = reactor.listenTCP(int(port), Site(root), interface="127.0.0.1")
    address = listening.getHost()
    print(f"Dashboard at http://127.0.0.1:{address.port}/", flush=True)
    LoopingCall(work, engine).start(0.5)
    reactor.addSystemEventTrigger("before", "shutdown", engine.close)
    await Deferred[None]()


react(main, sys.argv[1:])
