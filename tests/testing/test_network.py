"""Connections in memory: what arrives when, and who is told of their end."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface.verify import verifyObject

from tests.doubles import has_fired
from tests.testing.test_transport import Recorder
from txengineio.testing import MemoryConnection, MemoryNetwork

URL = URI.fromBytes(b"http://server.example/")


class Pair:
    """Two protocols that record, and the connection between them."""

    def __init__(self) -> None:
        factory = Factory.forProtocol(Recorder)
        factory.noisy = False
        self.network = MemoryNetwork(factory)
        self.endpoints = self.network.endpoints("203.0.113.1")
        self.endpoints.endpointForURI(URL).connect(factory)
        (self.connection,) = self.network.connections
        self.client: Any = self.connection.client.protocol
        self.server: Any = self.connection.server.protocol


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_it_provides_what_agents_ask_for(pair: Pair) -> None:
    for endpoints in (pair.network, pair.endpoints):
        assert verifyObject(IAgentEndpointFactory, endpoints)
        endpoint = endpoints.endpointForURI(URL)
        assert verifyObject(IStreamClientEndpoint, endpoint)


def test_addresses(pair: Pair) -> None:
    assert pair.connection.uri == URL
    peer = pair.server.transport.getPeer()
    assert peer.host == "203.0.113.1"
    assert pair.client.transport.getHost() == peer
    assert pair.client.transport.getPeer() == pair.server.transport.getHost()


def test_nothing_arrives_by_itself(pair: Pair) -> None:
    pair.client.transport.write(b"there")
    pair.server.transport.write(b"back")
    assert pair.server.received == []
    assert pair.network.flush()
    assert (pair.server.received, pair.client.received) == ([b"there"], [b"back"])
    assert not pair.network.flush()


def test_pieces_can_arrive(pair: Pair) -> None:
    pair.client.transport.write(b"there")
    ends = pair.connection.client, pair.connection.server
    assert pair.connection.move(*ends, 2)
    assert pair.server.received == [b"th"]
    pair.network.flush()
    assert pair.server.received == [b"th", b"ere"]


def test_a_protocol_that_pauses_keeps_the_rest_on_the_way(pair: Pair) -> None:
    pair.server.transport.pauseProducing()
    pair.client.transport.write(b"later")
    assert not pair.network.flush()
    pair.server.transport.resumeProducing()
    assert pair.network.flush()
    assert pair.server.received == [b"later"]


@pytest.mark.parametrize(
    ("end", "reason"),
    [("loseConnection", ConnectionDone), ("abortConnection", ConnectionLost)],
)
def test_each_end_is_told_of_the_other(
    pair: Pair, end: str, reason: type[Exception]
) -> None:
    pair.client.transport.write(b"last words")
    getattr(pair.client.transport, end)()
    pair.network.flush()
    assert [failure.type for failure in pair.server.lost] == [reason]
    assert len(pair.client.lost) == 1
    assert pair.connection.is_over
    assert pair.network.open_connections == []
    if reason is ConnectionDone:
        assert pair.server.received == [b"last words"]


def test_a_connection_that_breaks(pair: Pair) -> None:
    pair.client.transport.write(b"gone")
    pair.connection.lose()
    pair.network.flush()
    assert pair.server.received == []
    for protocol in (pair.client, pair.server):
        assert [failure.type for failure in protocol.lost] == [ConnectionLost]


def test_nobody_is_told_of_a_cut(pair: Pair) -> None:
    pair.endpoints.cut()
    pair.client.transport.write(b"later")
    pair.server.transport.abortConnection()
    pair.network.flush()
    assert pair.client.lost == []
    assert len(pair.server.lost) == 1
    connecting = pair.endpoints.endpointForURI(URL).connect(pair.network.server)
    cancelled = pair.endpoints.endpointForURI(URL).connect(pair.network.server)
    cancelled.addErrback(lambda _: None)
    cancelled.cancel()
    assert not has_fired(connecting)
    pair.endpoints.mend()
    pair.network.flush()
    assert len(pair.client.lost) == 1
    assert has_fired(connecting)
    assert len(pair.network.connections) == 2


def test_which_connection_carries_a_poll() -> None:
    connection = MemoryConnection(URL)
    for end, other in connection.ends:
        end.protocol = Recorder()
        end.protocol.makeConnection(end)
        assert other is not end
    poll = b"GET /engine.io/?EIO=4&transport=polling&sid=1 HTTP/1.1\r\n\r\n"
    for request, is_poll in [
        (poll, True),
        (poll.replace(b"GET", b"POST"), False),
        (poll.replace(b"polling", b"websocket"), False),
        (b"GET /?a=1 HTTP/1.1\r\nReferer: /?transport=polling\r\n\r\n", False),
    ]:
        connection.client.write(request)
        connection.flush()
        assert connection.carries_a_poll is is_poll
    connection.client.write(poll)
    connection.server.write(b"HTTP/1.1 200 OK\r\n\r\n")
    connection.flush()
    assert not connection.carries_a_poll
