"""The ports that an engine has opened itself, and must close."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.python.components import proxyForInterface
from typing_extensions import override

__all__ = ["Ports"]

_Proxy: Any = proxyForInterface(IListeningPort, "_port")


class _Port(_Proxy):  # type: ignore[misc]  # its base is made by Twisted
    """A port that can be stopped twice: by its user, and by the engine.

    Twisted's own ports fail if they are told to stop a second time meanwhile.
    """

    def __init__(self, port: IListeningPort, ports: Ports) -> None:
        super().__init__(port)
        self._ports = ports
        self._stopping: Deferred[Any] | None = None

    @override
    def startListening(self) -> None:
        """Take connections again.

        Raises:
            CannotListenError: The port cannot be had.
        """
        self._port.startListening()
        self._stopping = None
        self._ports.keep(self)

    @override
    def stopListening(self) -> Deferred[None]:
        """Take no more connections; the Deferred fires when that is done."""
        if self._stopping is None:
            self._ports.forget(self)
            self._stopping = maybeDeferred(self._port.stopListening)
        done: Deferred[None] = Deferred()
        self._stopping.addBoth(done.callback)
        return done


class Ports:
    """What one engine listens on."""

    def __init__(self) -> None:
        self._ports: list[_Port] = []

    def opened(self, port: IListeningPort) -> IListeningPort:
        """Take a port that has been opened; return the port for its user."""
        kept = _Port(port, self)
        self.keep(kept)
        return kept

    def keep(self, port: _Port) -> None:
        """Stop a port with the others."""
        self._ports.append(port)

    def forget(self, port: _Port) -> None:
        """Forget a port that its user has stopped."""
        self._ports.remove(port)

    def stop(self) -> Deferred[None]:
        """Take no more connections on any of them; fire when that is done."""
        stopping = DeferredList([each.stopListening() for each in self._ports[:]])
        return stopping.addCallback(lambda _: None)
