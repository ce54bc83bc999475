"""Mistakes of users, one in each marked line: type checkers find them all."""

from __future__ import annotations

from twisted.internet.protocol import Factory, connectionDone
from twisted.python.failure import Failure
from twisted.web.resource import Resource

from txengineio import (
    ClientSession,
    Engine,
    EngineIOClientService,
    EngineIOProtocol,
    EngineIOResource,
    EngineIOSite,
    Session,
    connect,
)


class Chat(EngineIOProtocol):
    def connectionMade(self) -> None:
        self.session.sned("welcome")  # mistake
        self.session.send(42)  # mistake
        self.session.send({"a": 1})  # mistake
        self.session.send(None)  # mistake
        self.session.send("welcome", compres=True)  # mistake
        self.session.on("upgrade", 5)  # mistake
        self.session.engine.broadcast("of a server")  # mistake
        self.session.transport.nmae  # mistake

    def messageReceived(self, message: int) -> None:  # mistake
        pass

    def connectionLost(self) -> None:  # mistake
        pass


class Room(EngineIOProtocol[Session]):
    def messageReceived(self, message: str | bytes, more: str) -> None:  # mistake
        pass

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.session.engine.braodcast("gone")  # mistake
        self.session.engine.broadcast(7)  # mistake
        self.session.request.querry  # mistake
        self.session.handshake  # mistake


class Wrong(EngineIOProtocol[str]):  # mistake
    pass


class Visitor(EngineIOProtocol[ClientSession]):
    def connectionMade(self) -> None:
        self.session.handshake.ping_intervall  # mistake


class User:
    name = "ada"


class Greeter(EngineIOProtocol[Session[User]]):
    def connectionMade(self) -> None:
        self.session.user.nmae  # mistake
        self.session.request.getCookie("lang")  # mistake


def no_arguments() -> bool:
    return True


engine = Engine(Chat)
Engine(None)  # mistake
Engine(Chat())  # mistake
Engine(Factory)  # mistake
Engine(EngineIOProtocol, ping_intervall=3)  # mistake
Engine(EngineIOProtocol, ping_interval="3")  # mistake
Engine(EngineIOProtocol, pingInterval=25000)  # mistake
Engine(EngineIOProtocol, max_sessions=1.5)  # mistake
Engine(EngineIOProtocol, transports=3)  # mistake
Engine(EngineIOProtocol, allow_request=no_arguments)  # mistake
Engine(EngineIOProtocol, allow_request=True)  # mistake
Engine(EngineIOProtocol, reactor=5)  # mistake
engine.use(None)  # mistake
engine.use(no_arguments)  # mistake
engine.broadcast(7)  # mistake
engine.listen(8080)  # mistake
engine.drain(5.0, spread="10")  # mistake
EngineIOResource(Factory.forProtocol(Chat))  # mistake
EngineIOResource(Chat)  # mistake
EngineIOSite(Resource(), {"/engine.io/": Factory.forProtocol(Chat)})  # mistake


async def visit() -> None:
    visitor = await connect("http://127.0.0.1", Visitor)
    visitor.session.send(42)  # mistake
    visitor.nmae  # mistake
    await connect("http://127.0.0.1", None)  # mistake
    await connect("http://127.0.0.1", Visitor, revisoin=4)  # mistake
    await connect("http://127.0.0.1", Visitor, open_timeout="3")  # mistake
    await connect("http://127.0.0.1", Visitor, tls=True)  # mistake
    await connect(80, Visitor)  # mistake


service = EngineIOClientService("http://127.0.0.1", Visitor, max_queued=10)
service.send(42)  # mistake
service.sned("hello")  # mistake
EngineIOClientService("http://127.0.0.1", Visitor, max_queue=10)  # mistake
EngineIOClientService("http://127.0.0.1", Visitor, retry_policy=2.0)  # mistake
EngineIOClientService("http://127.0.0.1", 5)  # mistake
