"""A site that serves an engine and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.web.http import Request
from twisted.web.resource import Resource
from typing_extensions import override

from txengineio.errors import InvalidOption
from txengineio.server.http import EngineIOSite, IReceivesRequests
from txengineio.server.resource import EngineIOResource

__all__ = ["DEFAULT_PATH", "engine_site", "path_segments"]

DEFAULT_PATH: Final = "/engine.io/"

_NOT_IMPLEMENTED: Final = 501


class _Elsewhere(Resource):
    """Answers what is not for the engine."""

    @override
    def getChild(self, path: bytes, request: Request) -> Resource:
        return _Elsewhere()

    @override
    def render(self, request: Request) -> bytes:
        request.setResponseCode(_NOT_IMPLEMENTED)
        request.setHeader(b"Content-Type", b"text/plain; charset=UTF-8")
        return b"Not Implemented"


def path_segments(path: str) -> list[bytes]:
    """Split an absolute path; the slash at its end may be missing.

    Raises:
        InvalidOption: It is not absolute, or has a part that no client can ask for.
    """
    expected = "an absolute path such as /engine.io/"
    if not path.startswith("/") or not path.isascii() or not path.isprintable():
        raise InvalidOption("path", expected, path)
    segments = path.removesuffix("/").split("/")[1:]
    if not all(segments) or {"?", "#", "%", " "} & set(path):
        raise InvalidOption("path", expected, path)
    return [segment.encode("ascii") for segment in segments]


def engine_site(
    engine: IReceivesRequests,
    path: str = DEFAULT_PATH,
    *,
    beside: Mapping[bytes, Resource] | None = None,
    reactor: IReactorTime | None = None,
) -> EngineIOSite:
    """Make a site that serves ``engine`` at ``path``, and 501 nearly everywhere else.

    Args:
        engine: The engine.
        path: Where it is served; everything below belongs to it too.
        beside: Resources by their names at the root of the site.
        reactor: For the site's time-outs; by default the global reactor.

    Raises:
        InvalidOption: The path makes no sense, or leaves no room for what is beside.
    """
    if beside and not path_segments(path):
        raise InvalidOption("path", "a path other than /", path)
    resource: Resource = EngineIOResource(engine)
    for segment in reversed(path_segments(path)):
        parent = _Elsewhere()
        parent.putChild(segment, resource)
        resource = parent
    for name, page in (beside or {}).items():
        resource.putChild(name, page)
    return EngineIOSite(resource, {path: engine}, reactor=reactor)
