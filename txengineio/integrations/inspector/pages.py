"""The inspector's page, and what it asks for, as resources of a site.

The page is for the people who run the server. What tells about sessions, or closes one,
answers no page of another site: nor one whose name was made to lead here (DNS
rebinding), which is why it wants to be asked by an address or as ``localhost``.
"""

from __future__ import annotations

import json
from collections.abc import Coroutine
from importlib.resources import files
from ipaddress import ip_address
from secrets import token_urlsafe
from typing import Any, Final
from urllib.parse import urlsplit

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from typing_extensions import override

from txengineio.integrations.inspector.selection import Query
from txengineio.integrations.inspector.session_list import SessionList
from txengineio.integrations.pages import answer_page, page_of, parts_of
from txengineio.server.engine import Engine

__all__ = ["inspector_pages"]

_log = Logger()

_NO_CONTENT: Final = 204
_BAD_REQUEST: Final = 400
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_METHOD_NOT_ALLOWED: Final = 405
_INTERNAL_SERVER_ERROR: Final = 500

_RUN_BYTES: Final = 6

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
            page send messages unasked, to measure how long that takes.

    Returns:
        Resources by their names: ``""`` is the page.
    """
    folder = files(__package__).joinpath("page")
    sessions = SessionList(engine)
    parts = parts_of(folder)
    parts.putChild(b"sessions", _Sessions(sessions))
    parts.putChild(b"state", _State(sessions, echoes))
    page = page_of(folder.joinpath("inspector.html"), path=path)
    return {b"": page, b"inspector": parts}


class _State(Resource):
    """What the page asks for each second, whatever it shows; it costs little."""

    isLeaf = True

    def __init__(self, sessions: SessionList, echoes: bool) -> None:
        super().__init__()
        self._sessions = sessions
        self._echoes = echoes
        self._run = token_urlsafe(_RUN_BYTES)

    def render_GET(self, request: Request) -> bytes:
        """Say how many sessions there are, whether messages come back, and who says so.

        ``run`` is another one after a restart.
        """
        if not _is_asked_by_own_page(request):
            return _problem(request, _FORBIDDEN)
        state = {
            "total": self._sessions.total,
            "echoes": self._echoes,
            "run": self._run,
        }
        return _json(request, state)


class _Sessions(Resource):
    """The sessions: ``GET`` lists them, ``DELETE`` of a handle closes one."""

    def __init__(self, sessions: SessionList) -> None:
        super().__init__()
        self._sessions = sessions

    @override
    def getChild(self, path: bytes, request: Request) -> Resource:
        return _OneSession(self._sessions, path)

    def render_GET(self, request: Request) -> bytes | int:
        """List those that the arguments ask for, see `Query.from_arguments`."""
        if not _is_asked_by_own_page(request):
            return _problem(request, _FORBIDDEN)
        try:
            query = Query.from_arguments(request.args)
        except ValueError:
            return _problem(request, _BAD_REQUEST)
        return _answer_later(request, self._sessions.report(query))


class _OneSession(Resource):
    """What a handle stands for."""

    isLeaf = True

    def __init__(self, sessions: SessionList, handle: bytes) -> None:
        super().__init__()
        self._sessions = sessions
        self._handle = handle.decode("latin-1")

    @override
    def render(self, request: Request) -> bytes:
        """Close the session."""
        if request.method != b"DELETE":
            request.setHeader(b"Allow", b"DELETE")
            return _problem(request, _METHOD_NOT_ALLOWED)
        if not _is_asked_by_own_page(request):
            return _problem(request, _FORBIDDEN)
        if not self._sessions.close(self._handle):
            return _problem(request, _NOT_FOUND)
        _log.info("a session was closed by the inspector")
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


def _json(request: Request, value: object) -> bytes:
    text = json.dumps(value, separators=(",", ":"))
    return answer_page(request, "application/json", text.encode())


def _answer_later(request: Request, work: Coroutine[Deferred[Any], Any, object]) -> int:
    """Answer with what comes out; the work stops when nobody waits for it any more."""
    outcome = Deferred.fromCoroutine(work)
    request.notifyFinish().addErrback(lambda _: outcome.cancel())

    def answer(value: object) -> None:
        request.write(_json(request, value))
        request.finish()

    def fail(failure: Failure) -> None:
        if not failure.check(CancelledError):
            _log.failure("the inspector got no answer", failure)
            request.write(_problem(request, _INTERNAL_SERVER_ERROR))
            request.finish()

    outcome.addCallback(answer).addErrback(fail)
    return NOT_DONE_YET


def _problem(request: Request, status: int) -> bytes:
    request.setResponseCode(status)
    return answer_page(request, "text/plain", b"")
