"""The engine as an object: building it, listening, living in a site that was there."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.testing import MemoryReactorClock
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site
from typing_extensions import override

from tests.conformance.memory import Connection, Server
from tests.conformance.peers import open_websocket, server_for
from txengineio import Engine, EngineIOProtocol, EngineIOResource, InvalidOption
from txengineio.protocol.revisions import CODECS
from txengineio.server.web._twisted import take_over

UPGRADE = {"Connection": "Upgrade", "Upgrade": "IRC/6.9"}


def build(**options: Any) -> Engine:
    return Engine(EngineIOProtocol, reactor=MemoryReactorClock(), **options)


@pytest.mark.behaviour("B153")
def test_the_revisions_that_are_spoken() -> None:
    assert sorted(CODECS) == [3, 4]


@pytest.mark.behaviour("B154")
def test_an_engine_with_defaults_takes_websockets() -> None:
    assert len(build().sessions) == 0
    open_websocket(Server())


@pytest.mark.behaviour("B155")
def test_an_engine_keeps_its_options() -> None:
    engine = build(cors=True, ping_interval=12, transports=["websocket"])
    assert engine.options.cors is not None
    assert engine.options.ping_interval == 12
    assert engine.options.transports == ("websocket",)


@pytest.mark.behaviour("B155")
@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"ping_intervall": 1}, "ping_interval"),
        ({"ping_interval": 0}, "ping_interval"),
        ({"ping_timeout": "20"}, "ping_timeout"),
        ({"transports": ["flashsocket"]}, "transports"),
        ({"transports": []}, "transports"),
        ({"max_http_buffer_size": -1}, "max_http_buffer_size"),
        ({"cookie": {"nome": "io"}}, "nome"),
        ({"cors": {"origins": "*"}}, "origins"),
        ({"allow_eio3": 1}, "allow_eio3"),
    ],
)
def test_a_bad_option_is_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidOption, match=named):
        build(**options)


@pytest.mark.behaviour("B156")
@pytest.mark.parametrize("target", ["/", "/test", "/engine.iofoo", "/favicon.ico"])
def test_listening_alone_there_is_nothing_elsewhere(target: str) -> None:
    exchange = Server(plain_site=False).get(target)
    assert exchange.status == 501
    # The reference says no more than that.
    assert exchange.text.startswith("Not Implemented")


class Page(Resource):
    """A page of a site that was there before; it counts its visitors."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.visits = 0

    @override
    def render(self, request: Request) -> bytes:
        self.visits += 1
        return b"page"


@pytest.mark.behaviour("B157", "B158", "B159", "B164")
def test_an_engine_beside_what_was_there() -> None:
    server = Server(plain_site=True)
    page = Page()
    server.root.putChild(b"test", page)
    for target in ("/engine.io/", "/engine.io/default/", "/engine.io"):
        response = server.get(target).response
        assert response.status == 400
        assert response.json() == {"code": 0, "message": "Transport unknown"}
    assert page.visits == 0
    assert server.get("/test").text == "page"
    assert page.visits == 1


@pytest.mark.behaviour("B129", "B157")
def test_two_engines_in_one_site_are_strangers(revision: int) -> None:
    server = server_for(revision, plain_site=True)
    other = server_for(revision)
    server.root.putChild(b"other", EngineIOResource(other.engine))
    target = f"?EIO={revision}&transport=polling"
    assert server.get(f"/other/{target}").status == 200
    assert len(other.sessions) == 1
    assert server.sessions == []
    sid = other.session.id
    assert server.get(f"{target}&sid={sid}").response.json()["code"] == 1


@pytest.mark.behaviour("B160", "B162")
@pytest.mark.parametrize("plain_site", [True, False])
def test_an_upgrade_elsewhere_is_for_the_site_to_answer(plain_site: bool) -> None:
    # The reference cuts it off after a while, since nothing else of its would end it.
    # A site of Twisted answers every request, so that none is left waiting.
    server = Server(plain_site=plain_site)
    exchange = server.get("/", UPGRADE)
    assert exchange.status == (404 if plain_site else 501)
    exchange.connection.send(b"foo")
    server.advance(120)
    assert exchange.connection.lost


class Waiting(Resource):
    """Takes every request, and answers none."""

    isLeaf = True

    @override
    def render(self, request: Request) -> int:
        return NOT_DONE_YET


@pytest.mark.behaviour("B161")
def test_an_upgrade_elsewhere_that_the_site_keeps_is_kept() -> None:
    server = Server(plain_site=True)
    server.root.putChild(b"irc", Waiting())
    exchange = server.get("/irc", UPGRADE)
    server.advance(120)
    assert exchange.pending


class Chatting(EngineIOProtocol):
    """Another protocol that upgrades a connection."""

    received = b""

    @override
    def makeConnection(self, session: Any) -> None:
        session.write(b"foo")

    @override
    def dataReceived(self, data: bytes) -> None:
        self.received += data


class Upgrading(Resource):
    """Answers an upgrade with another protocol, at once."""

    isLeaf = True

    def __init__(self, protocol: Chatting) -> None:
        super().__init__()
        self.protocol = protocol

    @override
    def render(self, request: Request) -> int:
        take_over(request, self.protocol)
        return NOT_DONE_YET


@pytest.mark.behaviour("B163")
def test_another_upgrade_keeps_its_connection() -> None:
    protocol = Chatting()
    server = Server(plain_site=True)
    server.root.putChild(b"irc", Upgrading(protocol))
    connection = server.connect()
    lines = "".join(f"{name}: {value}\r\n" for name, value in UPGRADE.items())
    connection.send(f"GET /irc HTTP/1.1\r\n{lines}\r\n".encode())
    assert connection.received == b"foo"
    server.advance(120)
    connection.send(b"bar")
    assert protocol.received == b"bar"
    assert not connection.lost


@pytest.mark.behaviour("B156")
@pytest.mark.parametrize("path", ["/ws", "/ws/", "/a/b/"])
def test_listening_at_another_path(path: str) -> None:
    server = Server()
    clock = MemoryReactorClock()
    server.engine.listen(TCP4ServerEndpoint(clock, 81), path=path)
    site = clock.tcpServers[-1][1]
    assert isinstance(site, Site)
    connection: Connection = server.connect(site)
    target = f"{path}?EIO=4&transport=polling"
    assert server.request("GET", target, connection=connection).status == 200
