"""Listening sockets in a worker, which has inherited them from its supervisor."""

from __future__ import annotations

import re
import socket
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from txengineio.twistd.supervisor.shared_port import SharedPort

__all__ = ["Inheritance", "InheritedPort", "as_inherited"]

# The number of a descriptor, or a name from systemd, which a worker does not know.
_GIVEN: Final = re.compile(r"^((?:haproxy:)*)(?:systemd|fd):.*", re.DOTALL)


def as_inherited(description: str) -> str:
    """Return the description of an endpoint for a worker.

    The inherited socket determines where it listens.
    """
    return _GIVEN.sub(r"\1tcp:0", description)


@implementer(IListeningPort)
class InheritedPort:
    """Accepts from the socket of this worker's slot, and from others' when it is told.

    Args:
        own: The port on the slot's own socket.
        others: The ports on those of the other slots, by slot; they do not listen yet.
    """

    def __init__(self, own: SharedPort, others: Mapping[int, SharedPort]) -> None:
        self._own = own
        self._others = others

    def stand_in(self, slots: Collection[int]) -> None:
        """Accept for these other slots, and for no more."""
        for slot, port in self._others.items():
            if slot in slots:
                port.startListening()
            else:
                port.rest()

    def getHost(self) -> IAddress:
        """Return the address, which is the same for all slots."""
        return self._own.getHost()

    def startListening(self) -> None:
        """Begin to accept for the own slot."""
        self._own.startListening()

    def stopListening(self) -> Deferred[None]:
        """Accept nothing more, for no slot."""
        others, self._others = self._others, {}
        for port in others.values():
            port.stopListening()
        return self._own.stopListening()


class Inheritance:
    """Stands for the reactor where endpoints of a worker listen.

    Args:
        reactor: The reactor.
        places: The sockets that the worker has inherited: for each place to listen at,
            in the order in which the endpoints listen, the descriptors for all slots,
            or the one that all slots have.
        slot: The worker's own slot.
    """

    def __init__(
        self, reactor: Any, places: Iterable[Sequence[int]], slot: int
    ) -> None:
        self._reactor = reactor
        self._slot = slot
        self._places = deque([_socket(each) for each in place] for place in places)
        self._ports: list[InheritedPort] = []

    def stand_in(self, slots: Collection[int]) -> None:
        """Accept for slots whose worker does not; for others than these no more."""
        for port in self._ports:
            port.stand_in(slots)

    def listenTCP(
        self, port: int, factory: Any, backlog: int = 50, interface: str = ""
    ) -> IListeningPort:
        """Accept from the next socket."""
        return self._adopt(factory)

    def listenSSL(
        self,
        port: int,
        factory: Any,
        contextFactory: Any,
        backlog: int = 50,
        interface: str = "",
    ) -> IListeningPort:
        """Accept from the next socket, and speak TLS."""
        # As `PosixReactorBase.listenSSL` of Twisted 26.10 does.
        return self._adopt(TLSMemoryBIOFactory(contextFactory, False, factory))

    def listenUNIX(
        self, address: str, factory: Any, *_details: Any, **_more: Any
    ) -> IListeningPort:
        """Accept from the next socket."""
        return self._adopt(factory)

    def adoptStreamPort(
        self, fileDescriptor: int, addressFamily: int, factory: Any
    ) -> IListeningPort:
        """Accept from the next socket."""
        return self._adopt(factory)

    def _adopt(self, factory: Any) -> IListeningPort:
        place = self._places.popleft()
        number = self._slot % len(place)
        others = {
            slot: SharedPort(self._reactor, each, factory)
            for slot, each in enumerate(place)
            if slot != number
        }
        own = SharedPort(self._reactor, place[number], factory)
        port = InheritedPort(own, others)
        port.startListening()
        self._ports.append(port)
        return port


def _socket(descriptor: int) -> socket.socket:
    made = socket.socket(fileno=descriptor)
    # Programs that the application starts are not to go on listening.
    made.set_inheritable(False)
    return made
