"""The inspector's page, and what it asks for, as resources of a site.

The page is for the people who run the server. What tells about sessions, or closes one,
answers no page of another site: nor one whose name was made to lead here (DNS
rebinding), which is why it wants to be asked by an address or as ``localhost``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from twisted.logger import Logger
from twisted.web.http import Request
from twisted.web.resource import Resource
from typing_extensions import override

from txengineio.integrations.inspector.session_list import SessionList
from txengineio.server.engine import Engine

__all__ = ["inspector_pages"]

_NO_CONTENT: Final = 204
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_METHOD_NOT_ALLOWED: Final = 405

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

# A page of another site cannot send it without asking first, and gets no answer then.
_OWN_HEADER: Final = b"X-Inspector"


def inspector_pages(
    engine: Engine, path: str, *, echoes: bool
) -> dict[bytes, Resource]:
    """Make what a site has to have at its root to show the inspector.

    Args:
        engine: The engine that it looks into.
        path: Where the same site serves the engine.
        echoes: Whether the application sends each message back: only then does the
            page send messages by itself, to measure how long that takes.

    Returns:
        Resources by their names: ``""`` is the page.
    """
    values = {"path": path, "echoes": "yes" if echoes else "no"}
    parts = Resource()
    parts.putChild(b"inspector.css", _File("inspector.css", "text/css", {}))
    parts.putChild(b"inspector.js", _File("inspector.js", "text/javascript", {}))
    parts.putChild(b"sessions", _Sessions(SessionList(engine)))
    page = _File("inspector.html", "text/html", values)
    return {b"": page, b"inspector": parts}


class _File(Resource):
    """A file of this package."""

    isLeaf = True

    def __init__(self, name: str, content_type: str, values: Mapping[str, str]) -> None:
        super().__init__()
        text = files(__package__).joinpath(name).read_text("utf-8")
        for key, value in values.items():
            text = text.replace(f"{{{{{key}}}}}", escape(value))
        self._body = text.encode()
        self._content_type = f"{content_type}; charset=UTF-8"

    def render_GET(self, request: Request) -> bytes:
        """Send the file."""
        return _answer(request, self._content_type, self._body)


class _Sessions(Resource):
    """The sessions: ``GET`` lists them, ``DELETE`` of a handle closes one."""

    def __init__(self, census: SessionList) -> None:
        super().__init__()
        self._census = census

    @override
    def getChild(self, path: bytes, request: Request) -> Resource:
        return _OneSession(self._census, path)

    def render_GET(self, request: Request) -> bytes:
        """List the sessions."""
        if not _is_asked_by_own_page(request):
            return _problem(request, _FORBIDDEN)
        report = json.dumps(self._census.report(), separators=(",", ":"))
        return _answer(request, "application/json", report.encode())


class _OneSession(Resource):
    """What a handle stands for."""

    isLeaf = True

    _log = Logger()

    def __init__(self, census: SessionList, handle: bytes) -> None:
        super().__init__()
        self._census = census
        self._handle = handle.decode("latin-1")

    @override
    def render(self, request: Request) -> bytes:
        """Close the session."""
        if request.method != b"DELETE":
            request.setHeader(b"Allow", b"DELETE")
            return _problem(request, _METHOD_NOT_ALLOWED)
        if not _is_asked_by_own_page(request):
            return _problem(request, _FORBIDDEN)
        if not self._census.close(self._handle):
            return _problem(request, _NOT_FOUND)
        self._log.info("a session was closed by the inspector")
        request.setResponseCode(_NO_CONTENT)
        return b""


def _is_asked_by_own_page(request: Request) -> bool:
    headers = request.requestHeaders
    host = request.getHeader(b"Host") or b""
    if not headers.hasHeader(_OWN_HEADER) or not _leads_nowhere_else(host):
        return False
    origin = request.getHeader(b"Origin")
    return origin is None or origin.partition(b"://")[2] == host


def _leads_nowhere_else(host: bytes) -> bool:
    """Whether a ``Host`` is no name that somebody else may have made."""
    try:
        name = urlsplit(f"//{host.decode('ascii')}").hostname or ""
        if name == "localhost" or name.endswith(".localhost"):
            return True
        ip_address(name)
    except ValueError:
        return False
    return True


def _answer(request: Request, content_type: str, body: bytes) -> bytes:
    request.setHeader(b"Content-Type", content_type.encode("ascii"))
    for name, value in _HEADERS.items():
        request.setHeader(name.encode("ascii"), value.encode("ascii"))
    return body


def _problem(request: Request, status: int) -> bytes:
    request.setResponseCode(status)
    return _answer(request, "text/plain", b"")
