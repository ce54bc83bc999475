"""A program as a user writes it: type checkers have nothing to say about it."""

from __future__ import annotations

from typing import assert_type

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, serverFromString
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.task import Clock
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from txengineio import (
    Admit,
    AnySession,
    ClientSession,
    CloseReason,
    CorsOptions,
    Engine,
    EngineIOClientService,
    EngineIOProtocol,
    EngineIOResource,
    EngineIOSite,
    HealthResource,
    Session,
    SessionClosed,
    connect,
)
from txengineio.inspector import InspectorResource
from txengineio.streams import (
    EngineIOClientEndpoint,
    EngineIOServerEndpoint,
    StreamFactory,
)


class Chat(EngineIOProtocol):
    """For both sides."""

    def connectionMade(self) -> None:
        assert_type(self.session, AnySession)
        self.session.send(f"welcome over {self.session.transport.name}")
        self.session.on("upgrade", lambda transport: None)

    async def messageReceived(self, message: str | bytes) -> None:
        if not self.session.send(message, compress=False, volatile=True):
            await self.session.when_drained()
            self.session.send(bytearray(3))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if isinstance(reason.value, SessionClosed):
            assert_type(reason.value.reason, CloseReason)


class Room(EngineIOProtocol[Session]):
    """For a server."""

    def connectionMade(self) -> None:
        self.session.send(self.session.request.query.get("name", "nobody"))

    def messageReceived(self, message: str | bytes) -> None:
        assert_type(self.session.engine.broadcast(message), int)
        for session in self.session.engine.sessions.values():
            session.send(str(session.request.header("User-Agent")))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.session.engine.broadcast("one less")


class Visitor(EngineIOProtocol[ClientSession]):
    """For a client."""

    name = "visitor"

    async def connectionMade(self) -> None:
        self.session.send(str(self.session.handshake.ping_interval))
        await self.session.when_flushed()


class Rooms(Factory[Room]):
    """A factory that builds as it likes."""

    def buildProtocol(self, addr: IAddress | None) -> Room | None:
        return None if addr is None else Room()


def allow(request: Request) -> bool:
    return request.getHeader("x-token") == "secret"


class User:
    name = "ada"


async def admit(request: Request) -> Admit[User] | None:
    return Admit(User()) if request.getUser() else None


class Greeter(EngineIOProtocol[Session[User]]):
    def connectionMade(self) -> None:
        assert_type(self.session.user, User)
        assert_type(self.session.request.getCookie(b"lang"), bytes | None)
        self.session.send(self.session.user.name)


Engine(Greeter, allow_request=admit)


engine = Engine(Factory.forProtocol(Chat))
Engine(Factory.forProtocol(Room), reactor=Clock())
Engine(Chat, ping_interval=10, ping_timeout=2.5, cors=True, cookie={"name": "io"})
Engine(Rooms(), transports=["websocket"], allow_request=allow, cors=CorsOptions())


@engine.use
async def middleware(request: Request) -> None:
    request.setHeader("X-Served-By", "Twisted")


@engine.use
def other(request: Request) -> Deferred[None] | None:
    return None


def connected(session: Session) -> None:
    session.send("hello")


engine.on("connection", connected)


def site(root: Resource) -> Site:
    root.putChild(b"engine.io", EngineIOResource(engine))
    root.putChild(b"health", HealthResource(engine))
    root.putChild(b"inspector", InspectorResource(engine, hosts=["example.com"]))
    return EngineIOSite(root, {"/engine.io/": engine})


async def serve(reactor: ReactorBase) -> None:
    endpoint = TCP4ServerEndpoint(reactor, 8080, interface="127.0.0.1")
    port = await engine.listen(endpoint)
    assert port.getHost().port == 8080
    await engine.listen(serverFromString(reactor, "tcp:8081"))
    await engine.listen("tcp:8082:interface=127.0.0.1")
    await engine.drain(5.0)
    await engine.close()


async def visit(reactor: ReactorBase) -> None:
    visitor = await connect("http://127.0.0.1:8080", Visitor, reactor=reactor)
    assert_type(visitor, Visitor)
    visitor.session.send(visitor.name)
    chat = await connect("http://127.0.0.1", Factory.forProtocol(Chat), upgrade=False)
    chat.session.send(str(chat.session.handshake.sid))
    await chat.session.close()
    await connect(
        "https://127.0.0.1",
        Chat,
        agent=Agent(reactor),
        tls=BrowserLikePolicyForHTTPS(),
        headers={"X-Token": "secret"},
        cookies={"name": "value"},
    )


async def stay(url: str) -> None:
    service = EngineIOClientService(
        url, Factory.forProtocol(Chat), max_queued=10, open_timeout=3
    )
    service.startService()
    protocol = await service.when_connected(fail_after_failures=3)
    protocol.session.send("hello")
    await service.send("hello")
    await service.stopService()
    EngineIOClientService(url, Visitor, retry_policy=lambda failures: 2.0 * failures)


async def carry(reactor: ReactorBase, listening: TCP4ServerEndpoint) -> None:
    lines = Factory.forProtocol(LineReceiver)
    Engine(StreamFactory(lines))
    await EngineIOServerEndpoint(reactor, listening, "/pipe/").listen(lines)
    await EngineIOClientEndpoint(reactor, "http://127.0.0.1/pipe/").connect(lines)
