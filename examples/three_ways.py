"""Engine.IO, WebSockets of Autobahn and WebSockets of twisted.web, in one site.

python examples/three_ways.py [PORT]
"""

import sys
from typing import Any

from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.web import websocket
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from txengineio import Engine, EngineIOProtocol, EngineIOResource


class EngineIOEcho(EngineIOProtocol):
    def messageReceived(self, message: str | bytes) -> None:
        self.session.send(message)


class AutobahnEcho(WebSocketServerProtocol):
    def onMessage(self: Any, payload: bytes, isBinary: bool) -> None:
        self.sendMessage(payload, isBinary)


class TwistedEcho(websocket.WebSocketProtocol):
    @classmethod
    def buildProtocol(cls, request: Request) -> "TwistedEcho":
        return cls()

    def negotiationStarted(self, transport: websocket.WebSocketTransport) -> None:
        self.transport = transport

    def textMessageReceived(self, message: str) -> None:
        self.transport.sendTextMessage(message)

    def bytesMessageReceived(self, data: bytes | bytearray) -> None:
        self.transport.sendBytesMessage(bytes(data))


async def main(reactor: Any, port: str = "8080") -> None:
    engine = Engine(EngineIOEcho, reactor=reactor)
    plain = WebSocketServerFactory(reactor=reactor)
    plain.protocol = AutobahnEcho
    root: Any = Resource()
    root.putChild(b"engine.io", EngineIOResource(engine))
    root.putChild(b"autobahn", WebSocketResource(plain))
    root.putChild(b"twisted", websocket.WebSocketResource(TwistedEcho))
    listening = reactor.listenTCP(int(port), Site(root), interface="127.0.0.1")
    address = listening.getHost()
    print(f"Three ways at http://127.0.0.1:{address.port}/", flush=True)
    reactor.addSystemEventTrigger("before", "shutdown", engine.close)
    await Deferred[None]()


react(main, sys.argv[1:])
