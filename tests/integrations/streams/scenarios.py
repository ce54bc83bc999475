"""Conversations of stream protocols: a server's factory, and a client that talks to it.

Each is told how to connect, whatever lies in between.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.avatar import ConchUser
from twisted.conch.interfaces import ISession
from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.factory import SSHFactory
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.session import SSHSession
from twisted.conch.ssh.transport import SSHClientTransport
from twisted.conch.ssh.userauth import SSHUserAuthClient
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory
from twisted.protocols.amp import AMP, Command, Integer
from twisted.protocols.basic import LineReceiver
from twisted.python.components import registerAdapter
from twisted.spread.pb import PBClientFactory, PBServerFactory, Root
from twisted.words.protocols.irc import IRCClient
from twisted.words.service import InMemoryWordsRealm, IRCFactory
from typing_extensions import override
from zope.interface import implementer

__all__ = ["SCENARIOS", "Asking", "Scenario"]

Connect = Callable[[Any], Deferred[Any]]
Scenario = tuple[Callable[[], Any], Callable[[Connect], Awaitable[None]]]
"""Makes the server's factory; and talks to it, by connecting factories."""

PASSWORD = "secret"


# --- LineReceiver ---------------------------------------------------------------------


class Echo(LineReceiver):
    @override
    def lineReceived(self, line: bytes) -> None:
        self.sendLine(line)


class Asking(LineReceiver):
    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.enough: Deferred[None] = Deferred()
        self.lost: Deferred[Any] = Deferred()

    @override
    def lineReceived(self, line: bytes) -> None:
        self.lines.append(line)
        if line == b"last":
            self.enough.callback(None)

    @override
    def connectionLost(self, reason: Any = None) -> None:
        self.lost.callback(reason.type)


async def send_lines(connect: Connect) -> None:
    client = await connect(Factory.forProtocol(Asking))
    lines = [b"%d" % each for each in range(500)] + [b"x" * 10_000, b"last"]
    for line in lines:
        client.sendLine(line)
    await client.enough
    assert client.lines == lines
    client.transport.loseConnection()
    assert await client.lost is ConnectionDone


# --- AMP ------------------------------------------------------------------------------


class Sum(Command):
    arguments = [(b"a", Integer()), (b"b", Integer())]  # noqa: RUF012
    response = [(b"total", Integer())]  # noqa: RUF012


class Calculator(AMP):
    @Sum.responder
    def sum(self, a: int, b: int) -> dict[str, int]:
        return {"total": a + b}


async def calculate(connect: Connect) -> None:
    client = await connect(Factory.forProtocol(AMP))
    answers = [await client.callRemote(Sum, a=each, b=1) for each in range(5)]
    assert [answer["total"] for answer in answers] == [1, 2, 3, 4, 5]
    client.transport.loseConnection()


# --- Perspective Broker ---------------------------------------------------------------


class Greeter(Root):
    def remote_greet(self, name: str) -> str:
        return f"hello {name}"


async def greet(connect: Connect) -> None:
    factory = PBClientFactory()
    await connect(factory)
    root = await factory.getRootObject()
    assert await root.callRemote("greet", "world") == "hello world"
    factory.disconnect()


# --- SSH ------------------------------------------------------------------------------


class User(ConchUser):
    def __init__(self) -> None:
        super().__init__()
        self.channelLookup[b"session"] = SSHSession


class Shouting:
    """An ``ISession`` for commands: answers each with itself, in capitals."""

    def __init__(self, user: User) -> None: ...

    def execCommand(self, protocol: Any, command: bytes) -> None:  # noqa: N802
        protocol.write(command.upper())
        protocol.loseConnection()

    def eofReceived(self) -> None: ...  # noqa: N802

    def closed(self) -> None: ...


registerAdapter(Shouting, User, ISession)


@implementer(IRealm)
class Users:
    def requestAvatar(self, avatar: object, mind: object, *wanted: Any) -> Any:  # noqa: N802
        return wanted[0], User(), lambda: None


def shouting_server() -> Any:
    key = Key(Ed25519PrivateKey.generate())
    factory: Any = SSHFactory()
    factory.noisy = False
    factory.publicKeys = {b"ssh-ed25519": key.public()}
    factory.privateKeys = {b"ssh-ed25519": key}
    checker = InMemoryUsernamePasswordDatabaseDontUse(ann=PASSWORD.encode())
    factory.portal = Portal(Users(), [checker])
    return factory


class Commanding(SSHClientTransport):
    """Runs one command as Ann; ``said`` fires with what it says."""

    def __init__(self, command: bytes) -> None:
        self.command = command
        self.said: Deferred[bytes] = Deferred()

    @override
    def verifyHostKey(self, key: object, fingerprint: object) -> Deferred[int]:
        return succeed(1)

    @override
    def connectionSecure(self) -> None:
        self.requestService(WithPassword(b"ann", OneChannel()))


class WithPassword(SSHUserAuthClient):
    @override
    def getPassword(self, prompt: object = None) -> Deferred[str]:
        return succeed(PASSWORD)


class OneChannel(SSHConnection):
    @override
    def serviceStarted(self) -> None:
        self.openChannel(CommandChannel(conn=self))


class CommandChannel(SSHChannel):
    name = b"session"
    output = b""

    conn: Any

    @override
    def channelOpen(self, data: object) -> None:
        command: Any = NS(self.conn.transport.command)
        self.conn.sendRequest(self, "exec", command)

    @override
    def dataReceived(self, data: bytes) -> None:
        self.output += data

    @override
    def closed(self) -> None:
        self.conn.transport.said.callback(self.output)
        self.conn.transport.loseConnection()


class Commands(Factory):
    noisy = False

    @override
    def buildProtocol(self, addr: object) -> Commanding:
        return Commanding(b"hello" * 20_000)


async def command(connect: Connect) -> None:
    client = await connect(Commands())
    assert await client.said == b"HELLO" * 20_000


# --- IRC ------------------------------------------------------------------------------


def irc_server() -> IRCFactory:
    realm: Any = InMemoryWordsRealm("example")
    realm.createGroupOnRequest = True
    checker: Any = InMemoryUsernamePasswordDatabaseDontUse()
    for nickname in ("ann", "bob"):
        checker.addUser(nickname, PASSWORD)
    return IRCFactory(realm, Portal(realm, [checker]))


class Talker(IRCClient):
    def __init__(self, nickname: str) -> None:
        self.nickname = nickname
        self.password: Any = PASSWORD
        self.is_there: Deferred[None] = Deferred()
        self.heard: Deferred[tuple[str, str]] = Deferred()

    @override
    def signedOn(self) -> None:
        self.join("#room")

    @override
    def joined(self, channel: str) -> None:
        self.is_there.callback(None)

    @override
    def privmsg(self, user: str, channel: str, message: str) -> None:
        self.heard.callback((user.partition("!")[0], message))


class Talkers(Factory):
    noisy = False

    def __init__(self, nickname: str) -> None:
        self.nickname = nickname

    @override
    def buildProtocol(self, addr: object) -> Any:
        return Talker(self.nickname)


async def chat(connect: Connect) -> None:
    ann, bob = [await connect(Talkers(nickname)) for nickname in ("ann", "bob")]
    await ann.is_there
    await bob.is_there
    ann.msg("#room", "hello")
    assert await bob.heard == ("ann", "hello")
    for client in (ann, bob):
        client.quit()


SCENARIOS: dict[str, Scenario] = {
    "LineReceiver": (lambda: Factory.forProtocol(Echo), send_lines),
    "AMP": (lambda: Factory.forProtocol(Calculator), calculate),
    "Perspective Broker": (lambda: PBServerFactory(Greeter()), greet),
    "SSH": (shouting_server, command),
    "IRC": (irc_server, chat),
}
