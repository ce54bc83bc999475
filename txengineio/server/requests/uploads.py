"""POSTs whose bodies arrive: their sessions know of them before they are complete."""

from __future__ import annotations

from twisted.web.http import Request

from txengineio.errors import RequestRejected, TransportError
from txengineio.server.options.engine import EngineOptions
from txengineio.server.registry import SessionRegistry
from txengineio.server.requests.checks import check_request
from txengineio.server.transports.polling import PollingTransport
from txengineio.server.web.request import EngineIORequest

__all__ = ["Uploads"]


class Uploads:
    """Tells sessions of the POSTs that arrive for them.

    Args:
        options: The engine's.
        registry: Its sessions.
    """

    def __init__(self, options: EngineOptions, registry: SessionRegistry) -> None:
        self._options = options
        self._registry = registry

    def begun(self, request: EngineIORequest) -> int:
        """Look at a request whose body begins.

        Returns:
            The status that refuses it, or 0.
        """
        try:
            query, session = request.admitted = check_request(
                request, self._options, self._registry
            )
        except RequestRejected:
            # Refused when it is complete; what it sends until then is bounded.
            return 0
        if request.method != b"POST" or session is None:
            return 0
        transport = session.transport
        if query.transport != "polling" or not isinstance(transport, PollingTransport):
            return 0
        return transport.post_begun(request)

    def lost(self, request: EngineIORequest, error: TransportError) -> bool:
        """Act on an upload that broke off, or was refused; say if a session ends."""
        if request.admitted is not None:
            _, session = request.admitted
            if session is not None and isinstance(session.transport, PollingTransport):
                return session.transport.post_lost(request, error)
        return False

    def answered(self, request: Request) -> None:
        """Learn that others have answered a request: its session need not wait."""
        if isinstance(request, EngineIORequest) and request.admitted is not None:
            _, session = request.admitted
            if session is not None and isinstance(session.transport, PollingTransport):
                session.transport.post_refused(request)
