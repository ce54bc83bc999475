"""POSTs whose bodies arrive: their sessions know of them before they are complete."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from txengineio.errors import TransportError
from txengineio.server.transports.polling import PollingTransport
from txengineio.server.web.incoming_request import IncomingRequest

__all__ = ["ArrivingRequest"]

_Serve: TypeAlias = "Callable[[IncomingRequest, ArrivingRequest], None]"


class ArrivingRequest:
    """A request that is here before its answer can be given: `Upload`.

    Its body still arrives, or a middleware takes its time with it.

    Args:
        request: The request; its headers are complete.
        transport: The transport of the session that it posts to, if it does.
        serve: Called with the request and this when it is complete.
    """

    __slots__ = ("_request", "_serve", "_transport", "status")

    def __init__(
        self,
        request: IncomingRequest,
        transport: PollingTransport | None,
        serve: _Serve,
    ) -> None:
        self._request = request
        self._transport = transport
        self._serve = serve
        self.status = 0 if transport is None else transport.post_begun(request)

    def complete(self) -> None:
        """Answer the request, now or later: its body is there."""
        if self.status:
            self._request.answer(self.status)
        else:
            self._serve(self._request, self)

    def lost(self, error: TransportError) -> bool:
        """End the session that waits for the body, if one does; say so."""
        transport = self._transport
        return transport is not None and transport.post_lost(self._request, error)

    def answered(self) -> None:
        """Learn that others have answered the request: its session need not wait."""
        if self._transport is not None:
            self._transport.post_refused(self._request)
