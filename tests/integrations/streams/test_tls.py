"""Streams over TLS: who is at the other end, as TLS would tell it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor as _reactor  # noqa: TID251  # real sockets
from twisted.internet.endpoints import SSL4ServerEndpoint, TCP4ServerEndpoint
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import Certificate, PrivateCertificate
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS
from twisted.web.resource import Resource
from twisted.web.server import Site
from typing_extensions import override
from zope.interface.verify import verifyObject

from tests.integrations.streams.doubles import RecordingStream
from tests.interop.certificates import Certificates, make_certificates
from tests.interop.test_client_tls import WithCertificate
from txengineio import Engine, EngineIOResource
from txengineio.streams import (
    EngineIOClientEndpoint,
    EngineIOServerEndpoint,
    StreamFactory,
)

reactor: Any = _reactor

pytestmark = pytest.mark.socket

PATH = "/engine.io/"
each_transport = pytest.mark.parametrize(
    "transports", [["polling"], ["websocket"], ["polling", "websocket"]]
)


class Identifying(Protocol):
    """Notes who the other side is, when the connection is made and at its end."""

    def __init__(self) -> None:
        self.seen: list[str | None] = []
        self.is_tls = False

    def look(self) -> None:
        transport: Any = self.transport
        found = transport.getPeerCertificate()
        if found is None:
            self.seen.append(None)
        else:
            self.seen.append(found.to_cryptography().subject.rfc4514_string())

    @override
    def connectionMade(self) -> None:
        self.is_tls = ISSLTransport.providedBy(self.transport)
        self.look()
        transport: Any = self.transport
        transport.write(b"hello")

    @override
    def dataReceived(self, data: bytes) -> None:
        self.look()

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.look()


class Identifiers(Factory):
    noisy = False

    def __init__(self) -> None:
        self.built: list[Identifying] = []

    @override
    def buildProtocol(self, addr: object) -> Identifying:
        self.built.append(Identifying())
        return self.built[-1]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def server_options(certificates: Certificates, asks: bool) -> Any:
    files = (certificates.server_key, certificates.server)
    pem = b"".join(Path(file).read_bytes() for file in files)
    own = PrivateCertificate.loadPEM(pem)
    return own.options(authority(certificates)) if asks else own.options()


def authority(certificates: Certificates) -> Certificate:
    return Certificate.loadPEM(Path(certificates.authority).read_bytes())


async def listen(kind: str, factory: Any, endpoint: Any) -> Any:
    """Serve streams, on a site of our own or on one of somebody else's."""
    if kind == "ours":
        return await EngineIOServerEndpoint(reactor, endpoint).listen(factory)
    root = Resource()
    root.putChild(b"engine.io", EngineIOResource(Engine(StreamFactory(factory))))
    return await endpoint.listen(Site(root))


async def talk(port: Any, scheme: str, **options: Any) -> Identifying:
    """Connect, wait for an answer, and say goodbye; return the client's protocol."""
    url = f"{scheme}://localhost:{port.getHost().port}{PATH}"
    clients = Identifiers()
    client: Any = await EngineIOClientEndpoint(reactor, url, **options).connect(clients)
    closed = client.transport.session.when_closed()
    if len(client.seen) < 2:
        await client.transport.session.when_flushed()
    client.transport.loseConnection()
    await closed
    return clients.built[0]


@each_transport
@pytest.mark.parametrize("site", ["ours", "somebody's"])
@pytest_twisted.ensureDeferred
async def test_both_sides_have_shown_a_certificate(
    certificates: Certificates, site: str, transports: list[str]
) -> None:
    servers = Identifiers()
    options = server_options(certificates, asks=True)
    endpoint = SSL4ServerEndpoint(reactor, 0, options, interface="127.0.0.1")
    port = await listen(site, servers, endpoint)
    policy = WithCertificate(certificates)
    client = await talk(port, "https", tls=policy, transports=transports)
    (server,) = servers.built
    assert set(client.seen) == {"CN=localhost"}
    assert set(server.seen) == {"CN=Test client"}
    for protocol in (client, server):
        assert protocol.is_tls
        assert len(protocol.seen) >= 2
        assert verifyObject(ISSLTransport, protocol.transport)
    await port.stopListening()
    # By then the connections are lost, and TLS has forgotten who was there.
    await deferLater(reactor, 0.3)
    for protocol in (client, server):
        protocol.look()
        assert None not in protocol.seen


@each_transport
@pytest_twisted.ensureDeferred
async def test_a_client_that_was_not_asked(
    certificates: Certificates, transports: list[str]
) -> None:
    servers = Identifiers()
    options = server_options(certificates, asks=False)
    endpoint = SSL4ServerEndpoint(reactor, 0, options, interface="127.0.0.1")
    port = await listen("ours", servers, endpoint)
    policy = BrowserLikePolicyForHTTPS(trustRoot=authority(certificates))
    client = await talk(port, "https", tls=policy, transports=transports)
    (server,) = servers.built
    assert (set(client.seen), set(server.seen)) == ({"CN=localhost"}, {None})
    assert (client.is_tls, server.is_tls) == (True, False)
    await port.stopListening()


@each_transport
@pytest_twisted.ensureDeferred
async def test_there_are_none_without_tls(transports: list[str]) -> None:
    servers = Identifiers()
    endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
    port = await listen("ours", servers, endpoint)
    client = await talk(port, "http", transports=transports)
    (server,) = servers.built
    for protocol in (client, server):
        assert set(protocol.seen) == {None}
        assert not protocol.is_tls
    await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_an_agent_keeps_it_to_itself(certificates: Certificates) -> None:
    options = server_options(certificates, asks=False)
    endpoint = SSL4ServerEndpoint(reactor, 0, options, interface="127.0.0.1")
    port = await listen("ours", Factory.forProtocol(RecordingStream), endpoint)
    policy = BrowserLikePolicyForHTTPS(trustRoot=authority(certificates))
    agent = Agent(reactor, policy)
    client = await talk(port, "https", agent=agent, transports=["polling"])
    assert set(client.seen) == {None}
    await port.stopListening()
