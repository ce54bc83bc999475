"""The resource: in an unmodified site, below any parent, with or without a slash."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock
from twisted.protocols.policies import WrappingFactory
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import Data
from twisted.web.vhost import NameVirtualHost

from tests.wiring import Server, opening_headers
from txengineio.server.engine import Engine
from txengineio.server.web.resource import EngineIOResource
from txengineio.testing import RecordingApplication


def serve(root: Resource, server: Server, path: str) -> Server:
    """Serve a site that somebody else has built around the server's engine."""
    server.site = Site(root, reactor=server.clock)
    server.path = path
    return server


def nested(path: str, leaf: Resource) -> Resource:
    root = resource = Resource()
    *parents, name = path.strip("/").split("/")
    for parent in parents:
        child = Resource()
        resource.putChild(parent.encode(), child)
        resource = child
    resource.putChild(name.encode(), leaf)
    return root


@pytest.mark.behaviour("B042", "B159")
@pytest.mark.parametrize(
    "path",
    [
        "/engine.io/",
        "/engine.io",
        "/engine.io/default/",
        "/engine.io/foo/bar/",
        "/deep/er/engine.io/",
        "/deep/er/engine.io",
        "/deep/er/engine.io/foo",
    ],
)
def test_it_serves_everything_at_and_below_its_place(path: str) -> None:
    server = Server.new()
    mounted = "deep/er/engine.io" if "deep" in path else "engine.io"
    root = nested(mounted, EngineIOResource(server.engine))
    serve(root, server, path)
    client = server.open_polling()
    assert client.post("4hello").answer.body == b"ok"
    assert client.protocol.messages == ["hello"]
    websocket = client.upgrade()
    websocket.send("4moved")
    assert client.protocol.messages == ["hello", "moved"]
    assert server.open_websocket().is_accepted


def test_the_rest_of_the_site_is_the_sites() -> None:
    server = Server.new()
    root = nested("engine.io", EngineIOResource(server.engine))
    root.putChild(b"page", Data(b"a page", "text/plain"))
    serve(root, server, "/engine.io/")
    connection = server.connect()
    assert connection.request("GET", "/page").answer.body == b"a page"
    assert connection.request("GET", "/engine.iofoo").answer.status == 404
    headers = opening_headers()
    assert connection.request("GET", "/page", None, headers).answer.status == 200
    # One connection may be used for everything.
    assert connection.request("GET", server.target()).answer.status == 200


def test_it_may_be_the_root() -> None:
    server = Server.new()
    serve(EngineIOResource(server.engine), server, "/")
    assert server.open_polling().sid
    server.path = "/anything/"
    assert server.open_polling().sid


def test_it_may_be_in_a_virtual_host() -> None:
    server = Server.new()
    hosts = NameVirtualHost()
    host = nested("engine.io", EngineIOResource(server.engine))
    hosts.addHost(b"test.example", host)
    serve(hosts, server, "/engine.io/")
    assert server.open_polling().sid
    elsewhere = server.request(headers={"Host": "other.example"})
    assert elsewhere.answer.status == 404


@pytest.mark.behaviour("B157")
def test_two_engines_in_one_site_do_not_disturb_each_other() -> None:
    server = Server.new()
    other = Server.new()
    root = nested("engine.io", EngineIOResource(server.engine))
    root.putChild(b"foo", EngineIOResource(other.engine))
    serve(root, server, "/engine.io/")
    first = server.open_polling()
    server.path = "/foo/"
    foreign = server.request(sid=first.sid)
    assert foreign.answer.json["code"] == 1
    assert server.request().answer.status == 200
    assert len(server.engine.sessions) == len(other.engine.sessions) == 1


def test_it_works_behind_a_wrapping_factory() -> None:
    # As behind TLS: what is between the transport and its protocol stays there.
    server = Server.new()
    server.site = WrappingFactory(server.site)
    client = server.open_polling()
    websocket = client.upgrade()
    websocket.send("4hello")
    assert client.protocol.messages == ["hello"]
    client.session.close()
    assert websocket.close_frame() == b""
    websocket.close()
    server.assert_nothing_left()


def test_an_engine_may_be_built_before_its_site() -> None:
    engine = Engine(RecordingApplication(), reactor=Clock())
    resource = EngineIOResource(engine)
    assert [resource.engine, resource.isLeaf] == [engine, True]
