"""The resource that serves an engine in any twisted.web site."""

from __future__ import annotations

from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from typing_extensions import override

from txengineio.server.web.request import IReceivesRequests
from txengineio.server.web.strict_channel import problem_with

__all__ = ["EngineIOResource"]


class EngineIOResource(Resource):
    """Serves an engine: polling, WebSocket and upgrades, with or without a slash.

    ``root.putChild(b"engine.io", EngineIOResource(engine))`` is all that a site needs.

    Args:
        engine: The `Engine`.
    """

    # Clients may add anything behind the path.
    isLeaf = True

    def __init__(self, engine: IReceivesRequests) -> None:
        super().__init__()
        self.engine = engine

    @override
    def render(self, request: Request) -> int:
        """Hand every request, whatever its method, to the engine.

        In a site that is not ours nobody has looked at what Twisted lets pass.
        """
        status = problem_with(request, request.clientproto)
        if status:
            request.setResponseCode(status)
            request.setHeader(b"Content-Length", b"0")
            request.finish()
        else:
            self.engine.handle_request(request)
        return NOT_DONE_YET
