"""The page that load balancers ask whether this server takes new clients."""

from __future__ import annotations

from typing import Final, Protocol

from twisted.web.http import Request

from txengineio.server.web.child_resource import ChildResource

__all__ = ["HealthResource", "TakesSessions"]

_UNAVAILABLE: Final = 503


class TakesSessions(Protocol):
    """What can be asked: an engine."""

    @property
    def is_open(self) -> bool:
        """Whether new sessions are let in."""
        ...


class HealthResource(ChildResource):
    """Answers 200 while the engine takes new sessions, and 503 once it does not.

    Args:
        engine: The engine.
    """

    isLeaf = True

    def __init__(self, engine: TakesSessions) -> None:
        super().__init__()
        self._engine = engine

    def render_GET(self, request: Request) -> bytes:
        """Tell whether new sessions are let in."""
        request.setHeader(b"Content-Type", b"text/plain; charset=UTF-8")
        request.setHeader(b"Cache-Control", b"no-store")
        if self._engine.is_open:
            return b"ok\n"
        request.setResponseCode(_UNAVAILABLE)
        return b"draining\n"
