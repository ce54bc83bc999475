"""The seams of the server: who may ask whom for what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolFactory
from zope.interface import Attribute, Interface

from txengineio.server.options.engine import EngineOptions
from txengineio.server.statistics import Statistics
from txengineio.session.interfaces import ISessionOwner

__all__ = ["IEngine", "ISlot"]


class IEngine(ISessionOwner):
    """What the parts of the server, and applications, may ask of the engine."""

    options: EngineOptions = Attribute("What the engine was told when it was built.")
    application: IProtocolFactory = Attribute("Builds the application's protocols.")
    sessions: Mapping[str, Any] = Attribute("The open sessions by id; read-only.")
    statistics: Statistics | None = Attribute("What is counted; None while nothing is.")

    def broadcast(message: Any, *, compress: bool = True) -> int:
        """Send a message to every open session."""

    def close() -> Deferred[None]:
        """Tell every session that it is over."""


class ISlot(Interface):
    """What a session takes among all sessions, until it ends."""

    def leave() -> None:
        """Make room; once is enough."""
