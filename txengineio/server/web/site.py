"""Sites that serve engines: beside other resources, or one engine and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from twisted.web.http import RESPONSES, Request, datetimeToString
from twisted.web.resource import IResource, Resource
from twisted.web.server import Site
from typing_extensions import override

from txengineio.errors import InvalidOption
from txengineio.net.turns import turns_of
from txengineio.reactor import AnyReactor
from txengineio.server.interfaces import SiteElsewhere
from txengineio.server.web.channel import EngineIOChannel, engine_channel
from txengineio.server.web.incoming_request import IReceivesRequests
from txengineio.server.web.request import EngineIORequest
from txengineio.server.web.resource import EngineIOResource, check_engine
from txengineio.session.timers import COARSE, TimerWheel

__all__ = ["DEFAULT_PATH", "EngineIOSite", "engine_site", "path_segments"]

DEFAULT_PATH: Final = "/engine.io/"

_NOT_IMPLEMENTED: Final = 501


class EngineIOSite(Site):
    """A site that serves engines at paths of their own, beside other resources.

    There is no access log: the query of a request tells its session's id, which is a
    credential.

    Args:
        resource: The root of everything that is not for an engine.
        engines: The engines by their absolute paths, such as ``"/engine.io/"``; all
            below a path is the engine's, too.
        reactor: For time-outs; by default the global reactor.
        watch: Whether plain connections are watched together, apart from the reactor's
            others (`txengineio.net.poller`), which saves time where there are many
            short messages. The ports that the site is served by, and the transports of
            its connections, are changed for that.

    Attributes:
        timers: When connections have been idle for too long.
        turns: Keeps a client from occupying the reactor.
        elsewhere: What takes connections whose next request is for a session of another
            node (see `SiteElsewhere`); None if there is no such node.
        short_path: Whether requests that come in one piece go around Twisted's parser,
            and ``watch`` counts. To be set before connections come; nothing but speed
            depends on it.
        watch: As given.
    """

    noisy = False
    elsewhere: SiteElsewhere | None = None
    protocol = engine_channel
    requestFactory = EngineIORequest

    def __init__(
        self,
        resource: IResource | Resource,
        engines: Mapping[str, IReceivesRequests],
        reactor: AnyReactor | None = None,
        *,
        watch: bool = False,
    ) -> None:
        super().__init__(cast(IResource, resource), reactor=reactor)
        self.short_path = True
        self.watch = watch
        self.turns = turns_of(self.reactor)
        self.timers = TimerWheel(
            self.reactor, COARSE, "the idle time-out of a connection"
        )
        self._engines = [
            (_prefix(path), check_engine(engine, f"the engine at {path}"))
            for path, engine in engines.items()
        ]
        # The exact paths that nearly every request has.
        self._engines_by_path = {
            path: engine
            for prefix, engine in self._engines
            for path in (prefix, prefix + b"/")
        }
        # The beginnings of answers, by status; each of them is good for a second.
        self._starts: dict[int, bytes] = {}
        self._starts_second = -1

    @property
    def is_watched(self) -> bool:
        """Whether plain connections are watched together."""
        return self.watch and self.short_path

    def engine_at(self, uri: bytes) -> IReceivesRequests | None:
        """Return the engine that a target, or its path, belongs to, if any."""
        engine = self._engines_by_path.get(uri)
        if engine is not None:
            return engine
        path = uri.partition(b"?")[0]
        if not path.startswith(b"/"):
            # An absolute target, as to a proxy: RFC 9112, section 3.2.2.
            path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
        for prefix, engine in self._engines:
            if path.startswith(prefix) and path[len(prefix) :][:1] in (b"", b"/"):
                return engine
        return None

    def idle_connections(self) -> list[EngineIOChannel]:
        """List the connections on which the next thing to come begins a request."""
        # Each of them has a timer, which ends connections that stay idle.
        entries = self.timers.entries()
        return [
            entry
            for entry in entries
            if isinstance(entry, EngineIOChannel) and entry.is_idle
        ]

    def start_of(self, status: int) -> bytes:
        """Return the beginning of an answer: its first line, and its ``Date``."""
        now = self.reactor.seconds()
        if int(now) != self._starts_second:
            self._starts_second = int(now)
            self._starts.clear()
        start = self._starts.get(status)
        if start is None:
            reason = RESPONSES.get(status, b"Unknown Status")
            line = b"HTTP/1.1 %d %b\r\nDate: %b\r\n"
            start = line % (status, reason, datetimeToString(now))
            self._starts[status] = start
        return start

    @override
    def startFactory(self) -> None:
        """Do nothing: Twisted prepares an access log here, once a second."""

    @override
    def stopFactory(self) -> None:
        """Do nothing: there is no access log to close."""

    @override
    def log(self, request: Request) -> None:
        """Do nothing."""


class _NotServed(Resource):
    """Answers requests that are not for the engine.

    Args:
        text: What it says; it begins with the reference's text.
    """

    def __init__(self, text: bytes) -> None:
        super().__init__()
        self._text = text

    @override
    def getChild(self, path: bytes, request: Request) -> Resource:
        return _NotServed(self._text)

    @override
    def render(self, request: Request) -> bytes:
        request.setResponseCode(_NOT_IMPLEMENTED)
        request.setHeader(b"Content-Type", b"text/plain; charset=UTF-8")
        return self._text


def path_segments(path: object) -> list[bytes]:
    """Split an absolute path; the slash at its end may be missing.

    Raises:
        InvalidOption: It is not absolute, or has a part that no client can ask for.
    """
    expected = "an absolute path such as /engine.io/"
    if not isinstance(path, str) or not path.startswith("/"):
        raise InvalidOption("path", expected, path)
    if not path.isascii() or not path.isprintable():
        raise InvalidOption("path", expected, path)
    segments = path.removesuffix("/").split("/")[1:]
    if not all(segments) or {"?", "#", "%", " "} & set(path):
        raise InvalidOption("path", expected, path)
    return [segment.encode("ascii") for segment in segments]


def _prefix(path: str) -> bytes:
    return b"".join(b"/" + segment for segment in path_segments(path))


def engine_site(
    engine: IReceivesRequests,
    path: str = DEFAULT_PATH,
    *,
    beside: Mapping[bytes, Resource] | None = None,
    reactor: AnyReactor | None = None,
) -> EngineIOSite:
    """Make a site that serves ``engine`` at ``path``, and 501 nearly everywhere else.

    It is for ports that are opened for it, and nothing else: it watches its connections
    itself.

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
    segments = path_segments(path)
    where = b"/" + b"".join(segment + b"/" for segment in segments)
    for segment in reversed(segments):
        parent = _NotServed(b"Not Implemented: Engine.IO is served at %b\n" % where)
        parent.putChild(segment, resource)
        resource = parent
    for name, page in (beside or {}).items():
        resource.putChild(name, page)
    return EngineIOSite(resource, {path: engine}, reactor=reactor, watch=True)
