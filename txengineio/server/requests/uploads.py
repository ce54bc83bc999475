"""POSTs whose bodies arrive: their sessions know of them before they are complete."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from txengineio.errors import Refusal, TransportError
from txengineio.server.session import ITakesRequests
from txengineio.server.web.incoming_request import IncomingRequest

__all__ = ["ArrivingRequest"]

_Serve: TypeAlias = "Callable[[IncomingRequest, ArrivingRequest], None]"


class ArrivingRequest:
    """A request that cannot be answered yet: `Upload`.

    Its body still arrives, or a middleware takes its time with it.

    Args:
        request: The request; its headers are complete.
        transport: The transport of the session that it posts to, if it does.
        serve: Called with the request and this when it is complete.
        abandon: Called with the request if it goes nowhere, and is never complete;
            tells whether a session ends for it.

    Attributes:
        refusal: The answer that the request gets, whatever comes.
    """

    __slots__ = ("_abandon", "_request", "_serve", "_transport", "refusal")

    def __init__(
        self,
        request: IncomingRequest,
        transport: ITakesRequests | None,
        serve: _Serve,
        abandon: Callable[[IncomingRequest], bool],
    ) -> None:
        self._request = request
        self._transport = transport
        self._serve = serve
        self._abandon = abandon
        self.refusal: Refusal | None = None
        if transport is not None:
            try:
                transport.post_begun(request)
            except Refusal as refusal:
                # Its traceback refers to this: the cycle would wait for the collector.
                self.refusal = refusal.with_traceback(None)

    @property
    def is_refused(self) -> bool:
        """Whether the body is not wanted."""
        return self.refusal is not None

    def complete(self) -> None:
        """Answer the request, now or later: its body is there."""
        self._serve(self._request, self)

    def lost(self, error: TransportError) -> bool:
        """End the session that waits for the body, if one does; say so."""
        if self._transport is None:
            return self._abandon(self._request)
        return self._transport.post_lost(self._request, error)

    def answered(self) -> None:
        """Note that other code has answered the request: its session need not wait."""
        if self._transport is not None:
            self._transport.post_answered(self._request)
