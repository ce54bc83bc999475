"""The application on a bare Autobahn WebSocket server: no Engine.IO at all.

It sends an open packet, so that the same clients can talk to it.
"""

import sys

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet import reactor
from twisted.logger import globalLogBeginner, textFileLogObserver
from typing_extensions import override

_BACKLOG = 1024


class Application(WebSocketServerProtocol):
    """Echo, or broadcast what begins with "4B"."""

    @override
    def onOpen(self) -> None:
        """Send what a client waits for."""
        self.factory.connections.add(self)
        self.sendMessage(b"0{}")

    @override
    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """Send the message where it belongs."""
        if not isBinary and payload.startswith(b"4B"):
            self.factory.broadcast(payload)
        else:
            self.sendMessage(payload, isBinary)

    @override
    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """Leave the broadcasts."""
        self.factory.connections.discard(self)


class ApplicationFactory(WebSocketServerFactory):
    """Keeps the connections; prepares a broadcast once for all."""

    protocol = Application

    def __init__(self) -> None:
        super().__init__(reactor=reactor)
        self.connections: set[Application] = set()

    def broadcast(self, payload: bytes) -> None:
        """Send to all."""
        prepared = self.prepareMessage(payload)
        for connection in self.connections:
            connection.sendPreparedMessage(prepared)


def main() -> None:
    """Serve until killed."""
    globalLogBeginner.beginLoggingTo(
        [textFileLogObserver(sys.stderr)], redirectStandardIO=False
    )
    reactor.listenTCP(0, ApplicationFactory(), _BACKLOG, "127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main()
