"""Connections that move between the nodes of a machine: given away, and taken."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from txengineio.cluster.forwarding.pairs import FORWARDED
from txengineio.cluster.forwarding.site import ForwardedSite
from txengineio.cluster.forwarding.tunnel import TunnelEnd
from txengineio.cluster.links import Sender
from txengineio.cluster.packets import MOVABLE, Connection, connection_packet
from txengineio.net.accepted import Acceptor, deliver
from txengineio.net.release import can_be_released, release_socket
from txengineio.server.engine import Engine
from txengineio.server.web.site import EngineIOSite

__all__ = ["Moves"]

_BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
    b"Content-Length: 0\r\n\r\n"
)


class Moves:
    """Moves the connections of one node's sites.

    Args:
        engine: The engine, which serves requests that other nodes forward, too.
        reactor: The reactor.
        counts: Where moves are counted: ``out`` and ``in``; ``busy``, as the other node
            takes none; ``lost``, as a socket did not arrive, or could not be served.

    Attributes:
        sites: Whose connections move; all nodes have the same ones in the same order.
        is_taking: Whether a connection of another node is being served.
        forwarded: What serves the connections that carry requests of other nodes.
        pipes: The links of other machines that go through this node, as what comes by
            them cannot be given away.
    """

    def __init__(self, engine: Engine, reactor: Any, counts: Counter[str]) -> None:
        self.sites: list[EngineIOSite] = []
        self.is_taking = False
        self.pipes: set[TunnelEnd] = set()
        self._reactor = reactor
        self._counts = counts
        self.forwarded = ForwardedSite(engine, reactor)
        self._acceptors: dict[int, Acceptor] = {}

    def idle_connections(self) -> Iterator[Any]:
        """Yield the connections on which nothing is under way."""
        for site in self.sites:
            yield from site.idle_connections()

    def move(self, sender: Sender, channel: Any, received: bytes) -> bool:
        """Send a connection away, if it can be; see `IPeer.hand_over`."""
        transport = channel.transport
        if channel.site not in self.sites or not can_be_released(transport):
            return False
        if len(received) > MOVABLE:
            return False
        if sender.is_full:
            self._counts["busy"] += 1
            transport.write(_BUSY)
            transport.loseConnection()
            return True
        number = self.sites.index(channel.site)
        packet = connection_packet(number, transport.socket, received)
        sender.send(packet, release_socket(transport))
        self._counts["out"] += 1
        return True

    def pass_on(
        self,
        sender: Sender,
        site: EngineIOSite,
        accepted: socket.socket,
        received: bytes,
    ) -> bool:
        """Send a connection away of which nothing was made, if there is room."""
        if site not in self.sites or sender.is_full or len(received) > MOVABLE:
            return False
        packet = connection_packet(self.sites.index(site), accepted, received)
        sender.send(packet, accepted)
        self._counts["out"] += 1
        return True

    def take(self, packet: Connection) -> None:
        """Serve a connection that another node has sent."""
        acceptor = self._acceptor(packet.site)
        if acceptor is None:
            packet.socket.close()
            self._counts["lost"] += 1
            return
        try:
            protocol = acceptor.serve(packet.socket)
        except OSError:
            # The client is gone, or there is no descriptor left.
            self._counts["lost"] += 1
            return
        self._counts["in"] += packet.site != FORWARDED
        # What is not here is still to come, or the connection was idle.
        if packet.received:
            self.is_taking = True
            try:
                deliver(protocol.http_channel.transport, packet.received)
            finally:
                self.is_taking = False

    def _acceptor(self, number: int) -> Acceptor | None:
        """Return what serves connections to a site, by its number."""
        acceptor = self._acceptors.get(number)
        if acceptor is None:
            site = self._site(number)
            if site is not None:
                acceptor = Acceptor(self._reactor, site, site.is_watched)
                self._acceptors[number] = acceptor
        return acceptor

    def _site(self, number: int) -> EngineIOSite | None:
        if number == FORWARDED:
            return self.forwarded
        return self.sites[number] if number < len(self.sites) else None

    def stop(self) -> None:
        """Drop the connections of other nodes, and the requests on them."""
        self.forwarded.close()
