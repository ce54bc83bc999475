"""Connections between two nodes of one machine: pairs of sockets, one given away."""

from __future__ import annotations

import socket
from typing import Any, Final

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import (
    IProtocolFactory,
    IStreamClientEndpoint,
)
from zope.interface import implementer

from txengineio.cluster.forwarding.tunnel import ILink, TunnelEnd, pipe
from txengineio.cluster.links import Sender
from txengineio.cluster.packets import connection_packet
from txengineio.net.accepted import serve_socket
from txengineio.net.release import can_be_released, release_socket

__all__ = ["FORWARDED", "PairEndpoint", "give_link"]

FORWARDED: Final = 0xFFFF
"""What stands in place of the number of a site: `ForwardedSite`."""


@implementer(IStreamClientEndpoint)
class PairEndpoint:
    """Connects to another node, which need not listen: it is given a socket.

    Args:
        reactor: The reactor.
        sender: What sends to the node.
    """

    def __init__(self, reactor: Any, sender: Sender) -> None:
        self._reactor = reactor
        self._sender = sender

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        """Connect at once.

        Returns:
            The protocol. It fails if the node takes no connections, or this process has
            no descriptors left.
        """
        if self._sender.is_full:
            return fail(ConnectError(string="the node takes no connections"))
        try:
            ours, theirs = socket.socketpair()
        except OSError as problem:
            return fail(problem)
        ours.setblocking(False)
        self._sender.send(connection_packet(FORWARDED, theirs, b""), theirs)
        try:
            made = serve_socket(self._reactor, ours, protocolFactory, watch=False)
            return succeed(made)
        except OSError as problem:
            return fail(problem)


def give_link(reactor: Any, link: ILink, sender: Sender, pipes: set[TunnelEnd]) -> None:
    """Give a connection that comes from another machine to the node that it is for.

    Args:
        reactor: The reactor.
        link: The connection: its socket goes there, or what comes by it, if it is one
            of TLS.
        sender: What sends to the node.
        pipes: Has something as long as what comes by it goes through this node.
    """
    transport = link.transport
    if sender.is_full:
        transport.abortConnection()
    elif can_be_released(transport):
        packet = connection_packet(FORWARDED, transport.socket, link.rest)
        sender.send(packet, release_socket(transport))
    else:
        pipe(link, PairEndpoint(reactor, sender), reactor, pipes)
