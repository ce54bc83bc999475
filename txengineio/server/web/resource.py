"""The resource that serves an engine in any twisted.web site."""

from __future__ import annotations

from typing import cast

from twisted.web.http import Request
from twisted.web.server import NOT_DONE_YET
from typing_extensions import override

from txengineio.errors import InvalidOption
from txengineio.server.child_resource import ChildResource
from txengineio.server.web.incoming_request import IReceivesRequests
from txengineio.server.web.strict_channel import problem_with

__all__ = ["EngineIOResource", "check_engine"]


def check_engine(engine: object, name: str = "engine") -> IReceivesRequests:
    """Return what is an engine.

    Args:
        engine: What was given for one.
        name: What to call it in an error.

    Raises:
        InvalidOption: It is none.
    """
    handles = callable(getattr(engine, "handle_request", None))
    if isinstance(engine, type) or not handles:
        raise InvalidOption(name, "an Engine, as Engine(YourProtocol) makes it", engine)
    return cast(IReceivesRequests, engine)


class EngineIOResource(ChildResource):
    """Serves an engine: polling, WebSocket and upgrades, with or without a slash.

    ``root.putChild(b"engine.io", EngineIOResource(engine))`` is all that a site needs.

    Args:
        engine: The `Engine`.

    Raises:
        InvalidOption: It is something else, such as the factory of its protocols.
    """

    # Clients may add anything after the path.
    isLeaf = True

    def __init__(self, engine: IReceivesRequests) -> None:
        super().__init__()
        self.engine = check_engine(engine)

    @override
    def render(self, request: Request) -> int:
        """Hand every request, whatever its method, to the engine.

        In a site that is not ours, no strict check has been made before.
        """
        status = problem_with(request, request.clientproto)
        if status:
            request.setResponseCode(status)
            request.setHeader(b"Content-Length", b"0")
            request.finish()
        else:
            self.engine.handle_request(request)
        return NOT_DONE_YET
