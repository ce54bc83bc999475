"""The seams of the server: who may ask whom for what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolFactory
from twisted.web.http import Request
from zope.interface import Attribute, Interface

from txengineio.server.options import EngineOptions
from txengineio.session.interfaces import ISessionOwner

__all__ = ["IEngine", "IReceivesRequests"]


class IReceivesRequests(Interface):
    """What answers requests: an engine."""

    max_body_size: int = Attribute("Bytes of a request's body, at most.")

    def handle_request(request: Request) -> None:
        """Answer a request, now or later, or take its connection over."""

    def body_begun(request: Request) -> int:
        """Learn that a request's headers are complete and its body begins.

        Returns:
            A status that the request is to be answered with at once; 0 for none.
        """

    def body_lost(request: Request) -> None:
        """Learn that the rest of a request's body will never come."""


class IEngine(ISessionOwner):
    """What the parts of the server, and applications, may ask of the engine."""

    options: EngineOptions = Attribute("What the engine was told when it was built.")
    application: IProtocolFactory = Attribute("Builds the application's protocols.")
    sessions: Mapping[str, Any] = Attribute("The open sessions by id; read-only.")

    def broadcast(message: Any, *, compress: bool = True) -> int:
        """Send a message to every open session."""

    def close() -> Deferred[None]:
        """Tell every session that it is over."""
