"""Applications to be tested with the kit."""

from __future__ import annotations

from typing_extensions import override

from txengineio import EngineIOProtocol, Session

__all__ = ["Chat"]


class Chat(EngineIOProtocol[Session]):
    """Welcomes whoever comes, and sends each message to everybody."""

    @override
    def connectionMade(self) -> None:
        self.session.send("welcome")

    @override
    def messageReceived(self, message: str | bytes) -> None:
        self.session.engine.broadcast(message)
