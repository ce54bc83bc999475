"""The inspector's page, and what it asks for, as resources of a site.

The page is for the people who run the server. The resources that list or close sessions
answer no page of another site, nor one whose name was made to lead here (DNS
rebinding): so they must be asked by an address or as ``localhost``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Coroutine
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
from twisted.web.server import Request as SiteRequest
from twisted.web.util import redirectTo
from typing_extensions import override

from txengineio.errors import InvalidOption
from txengineio.integrations.inspector.cluster_list import ClusterList, sessions_of
from txengineio.integrations.inspector.selection import Query
from txengineio.integrations.pages import answer_page, page_of, parts_of
from txengineio.server.child_resource import ChildResource
from txengineio.server.engine import Engine
from txengineio.server.web.resource import check_engine
from txengineio.server.web.site import DEFAULT_PATH

__all__ = ["InspectorResource", "inspector_pages"]

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


class InspectorResource(ChildResource):
    """The inspector, for a site of your own: mount it where you like.

    It shows all sessions of an engine, and closes any: let in only the people who run
    the server, by ``twisted.web.guard`` for example. Make one for all of them: one for
    each request would know no session that the one before has shown, and close none.

    Args:
        engine: The engine that it looks into.
        path: Where the same site serves the engine.
        hosts: The names of hosts under which it answers, without ports, beside IP
            addresses and ``localhost``. Under any other name it says nothing about
            sessions, as another site may have made that name lead here.

    Raises:
        InvalidOption: The engine is none, or ``hosts`` is a single name.
    """

    def __init__(
        self,
        engine: Engine,
        path: str = DEFAULT_PATH,
        *,
        hosts: Collection[str] = (),
    ) -> None:
        super().__init__()
        if isinstance(hosts, str):
            raise InvalidOption("hosts", "names of hosts, such as ['localhost']", hosts)
        check_engine(engine)
        pages = inspector_pages(engine, path, echoes=False, hosts=hosts)
        for name, page in pages.items():
            self.putChild(name, page)

    def render_GET(self, request: SiteRequest) -> bytes:
        """Lead to the page, which has a slash at its end."""
        # Relative: a proxy may have another address, and another path.
        return redirectTo(b"./" + request.path.rpartition(b"/")[2] + b"/", request)


def inspector_pages(
    engine: Engine, path: str, *, echoes: bool, hosts: Collection[str] = ()
) -> dict[bytes, Resource]:
    """Make what a site has to have at its root to show the inspector.

    Args:
        engine: The engine that it looks into.
        path: Where the same site serves the engine.
        echoes: Whether the application sends each message back: only then does the
            page send messages unasked, to measure how long that takes.
        hosts: See `InspectorResource`.

    Returns:
        Resources by their names: ``""`` is the page.
    """
    folder = files(__package__).joinpath("page")
    sessions, own_page = sessions_of(engine), _OwnPage(hosts)
    parts = parts_of(folder)
    parts.putChild(b"sessions", _Sessions(sessions, own_page))
    named = engine.options.node_name is not None
    parts.putChild(b"state", _State(sessions, own_page, echoes, named))
    page = page_of(folder.joinpath("inspector.html"), path=path)
    return {b"": page, b"inspector": parts}


class _State(Resource):
    """What the page asks for each second, whatever it shows; it costs little."""

    isLeaf = True

    def __init__(
        self, sessions: ClusterList, own_page: _OwnPage, echoes: bool, is_named: bool
    ) -> None:
        super().__init__()
        self._sessions = sessions
        self._own_page = own_page
        self._echoes = echoes
        self._is_named = is_named
        # With several processes, each answers at times, and none is the server.
        self._run = token_urlsafe(_RUN_BYTES) if sessions.cluster is None else ""

    def render_GET(self, request: Request) -> bytes:
        """Say how many sessions there are, whether messages come back, and who answers.

        ``run`` is another one after a restart; ``isNamed`` says whether ids begin with
        the name of a node, and a hyphen.
        """
        if not self._own_page.asks(request):
            return _problem(request, _FORBIDDEN)
        state = {
            "total": self._sessions.total,
            "echoes": self._echoes,
            "run": self._run,
            "isNamed": self._is_named,
        }
        return _json(request, state)


class _Sessions(Resource):
    """The sessions: ``GET`` lists them, ``DELETE`` of a handle closes one."""

    def __init__(self, sessions: ClusterList, own_page: _OwnPage) -> None:
        super().__init__()
        self._sessions = sessions
        self._own_page = own_page

    @override
    def getChild(self, path: bytes, request: Request) -> Resource:
        return _OneSession(self._sessions, self._own_page, path)

    def render_GET(self, request: Request) -> bytes | int:
        """List those that the arguments ask for, see `Query.from_arguments`."""
        if not self._own_page.asks(request):
            return _problem(request, _FORBIDDEN)
        try:
            query = Query.from_arguments(request.args)
        except ValueError:
            return _problem(request, _BAD_REQUEST)
        return _answer_later(request, self._list(request, query))

    async def _list(self, request: Request, query: Query) -> bytes:
        return _json(request, await self._sessions.report(query))


class _OneSession(Resource):
    """What a handle stands for."""

    isLeaf = True

    def __init__(
        self, sessions: ClusterList, own_page: _OwnPage, handle: bytes
    ) -> None:
        super().__init__()
        self._sessions = sessions
        self._own_page = own_page
        self._handle = handle.decode("latin-1")

    @override
    def render(self, request: Request) -> bytes | int:
        """Close the session."""
        if request.method != b"DELETE":
            request.setHeader(b"Allow", b"DELETE")
            return _problem(request, _METHOD_NOT_ALLOWED)
        if not self._own_page.asks(request):
            return _problem(request, _FORBIDDEN)
        return _answer_later(request, self._close(request))

    async def _close(self, request: Request) -> bytes:
        if not await self._sessions.close(self._handle):
            return _problem(request, _NOT_FOUND)
        _log.info("a session was closed by the inspector")
        request.setResponseCode(_NO_CONTENT)
        return b""


class _OwnPage:
    """Tells requests of the inspector's page from those of other sites' pages."""

    def __init__(self, hosts: Collection[str]) -> None:
        self._hosts = {each.lower() for each in hosts}

    def asks(self, request: Request) -> bool:
        """Say whether it is the page that sends a request."""
        host = request.getHeader(b"Host") or b""
        if not request.requestHeaders.hasHeader(_OWN_HEADER) or not self._is_safe(host):
            return False
        origin = request.getHeader(b"Origin")
        return origin is None or origin.partition(b"://")[2] == host

    def _is_safe(self, host: bytes) -> bool:
        """Whether a ``Host`` is an address, or a name that no other site can have."""
        try:
            name = urlsplit(f"//{host.decode('ascii')}").hostname or ""
            if name in self._hosts:
                return True
            if name == "localhost" or name.endswith(".localhost"):
                return True
            ip_address(name)
        except ValueError:
            return False
        return True


def _json(request: Request, value: object) -> bytes:
    text = json.dumps(value, separators=(",", ":"))
    return answer_page(request, "application/json", text.encode())


def _answer_later(request: Request, work: Coroutine[Deferred[Any], Any, bytes]) -> int:
    """Answer with the result; cancel the work if the client goes away."""
    outcome = Deferred.fromCoroutine(work)
    request.notifyFinish().addErrback(lambda _: outcome.cancel())

    def answer(body: bytes) -> None:
        request.setHeader(b"Content-Length", b"%d" % len(body))
        request.write(body)
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
