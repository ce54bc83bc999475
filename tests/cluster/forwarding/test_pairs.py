"""Connections between nodes of one machine: pairs of sockets, of which one is given."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor  # noqa: TID251 - real sockets
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Factory, Protocol
from typing_extensions import override

from txengineio.cluster import links
from txengineio.cluster.forwarding.pairs import FORWARDED, PairEndpoint
from txengineio.cluster.links import Sender
from txengineio.cluster.packets import Connection, new_buffer, receive
from txengineio.net.accepted import serve_socket

pytestmark = pytest.mark.socket

REACTOR: Any = reactor


class Received(Protocol):
    """Tells what it receives first, and drops the connection then."""

    def __init__(self) -> None:
        self.first: Deferred[bytes] = Deferred()

    @override
    def dataReceived(self, data: bytes) -> None:
        self.transport.loseConnection()  # type: ignore[union-attr]
        self.first.callback(data)


@pytest.fixture
def ends() -> Iterator[tuple[Sender, socket.socket]]:
    link, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    link.setblocking(False)
    sender = Sender(REACTOR, link, lambda: None)
    with other:
        yield sender, other
    sender.close()


@pytest_twisted.ensureDeferred
async def test_the_other_node_gets_the_other_end(
    ends: tuple[Sender, socket.socket],
) -> None:
    sender, other = ends
    connecting = PairEndpoint(REACTOR, sender).connect(Factory.forProtocol(Received))
    # At once, though nobody has received anything yet.
    assert connecting.called
    ours = await connecting
    packet = receive(other, new_buffer())
    assert isinstance(packet, Connection)
    assert (packet.site, packet.received) == (FORWARDED, b"")
    receiving = Factory.forProtocol(Received)
    theirs = serve_socket(REACTOR, packet.socket, receiving, watch=False)
    ours.transport.write(b"hello")
    assert await theirs.first == b"hello"


@pytest_twisted.ensureDeferred
async def test_a_node_that_takes_nothing_gets_none(
    ends: tuple[Sender, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "MAX_WAITING", 0)
    with pytest.raises(ConnectError, match="takes no connections"):
        await PairEndpoint(REACTOR, ends[0]).connect(Factory.forProtocol(Received))


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("left", [0, 1])
async def test_without_descriptors_there_is_none(
    ends: tuple[Sender, socket.socket], monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    def none(*_arguments: object) -> Any:
        raise OSError(24, "Too many open files")

    if left:
        monkeypatch.setattr(REACTOR, "adoptStreamConnection", none)
    else:
        monkeypatch.setattr(socket, "socketpair", none)
    connecting = PairEndpoint(REACTOR, ends[0]).connect(Factory.forProtocol(Received))
    with pytest.raises(OSError, match="Too many"):
        await connecting
    if left:
        # The other end has found its way, and is over.
        packet = receive(ends[1], new_buffer())
        assert isinstance(packet, Connection)
        with packet.socket as theirs:
            assert theirs.recv(1) == b""
