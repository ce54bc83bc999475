"""New sessions again and again, in a fixed number of places.

What a visitor does is a generator that yields where it waits for the server,
so that it reads like the exchange on the wire.
"""

from abc import abstractmethod
from collections.abc import Callable, Generator
from time import perf_counter

from typing_extensions import override

from benchmarks import frames
from benchmarks.figures import Latency
from benchmarks.load.base import ExchangeLoad, Load
from benchmarks.load.loop import Address, Connection, LoadError, connect
from benchmarks.load.sessions import (
    check_open_frame,
    check_websocket_response,
    sid_of,
)

Visit = Generator[None, None, None]

_CLOSE = frames.client_frame(frames.CLOSE, b"")
_ECHO = b"4" + frames.message_text(32).encode()
_NOOP = b"6"
_PROBE = frames.client_frame(frames.TEXT, b"2probe")
_PROBED = b"3probe"
_UPGRADE = frames.client_frame(frames.TEXT, b"5")


class _Link:
    """One connection of a visit; what arrives resumes the visit."""

    __slots__ = ("_connection", "_data", "_ended", "_resume")

    def __init__(
        self, load: Load, resume: Callable[[], None], source: str | None = None
    ) -> None:
        opened = connect(load.address, source=source)
        self._connection = Connection(load.loop, opened, self._received, self._end)
        self._data = b""
        self._ended = False
        self._resume = resume

    def send(self, data: bytes) -> None:
        self._connection.send(data)

    def close(self) -> None:
        self._connection.close()

    def response(self) -> Generator[None, None, frames.HTTPResponse]:
        """Wait for an HTTP response."""
        while (parsed := frames.parse_response(self._data)) is None:
            yield from self._more()
        response, self._data = parsed
        return response

    def frame(self) -> Generator[None, None, frames.ServerFrame]:
        """Wait for a frame that is no noop packet."""
        while True:
            found, rest = frames.parse_server_frames(self._data)
            for position, frame in enumerate(found):
                if frame.payload != _NOOP:
                    later = found[position + 1 :]
                    self._data = (
                        b"".join(frames.server_frame(*one) for one in later) + rest
                    )
                    return frame
            self._data = rest
            yield from self._more()

    def end(self) -> Visit:
        """Say goodbye in WebSocket's way and wait until the server hangs up."""
        self.send(_CLOSE)
        while not self._ended:
            yield

    def _more(self) -> Visit:
        if self._ended:
            raise LoadError(f"the server closed the connection after {self._data!r}")
        yield

    def _received(self, data: bytes) -> None:
        self._data += data
        self._resume()

    def _end(self) -> None:
        self._ended = True
        self._resume()


class Place:
    """Where one visit follows the other."""

    __slots__ = ("_load", "_visit", "busy")

    def __init__(self, load: "VisitLoad") -> None:
        self.busy = False
        self._load = load
        self._visit: Visit | None = None

    def begin(self) -> None:
        """Start a visit."""
        self.busy = True
        self._visit = self._load.visit(self.resume)
        self.resume()

    def resume(self) -> None:
        """Go on with the visit, or with the next one."""
        try:
            # A connection that ends after its visit has nobody to resume.
            if self._visit is not None:
                next(self._visit)
        except StopIteration:
            self._visit = None
            self.busy = False
            if self._load.running:
                self.begin()


class VisitLoad(ExchangeLoad):
    """A number of places at which sessions are opened."""

    def __init__(self, address: Address, *, places: int) -> None:
        super().__init__(address)
        self._count = places
        self.host = str(address)

    @override
    def connect(self) -> list[Place]:
        """Make the places; each visit opens a session."""
        return [Place(self) for _ in range(self._count)]

    def link(self, resume: Callable[[], None], source: str | None = None) -> _Link:
        """Open a connection; what arrives resumes the visit."""
        return _Link(self, resume, source)

    @abstractmethod
    def visit(self, resume: Callable[[], None]) -> Visit:
        """Open a session, call `count`, and leave."""

    def count(self, began_at: float) -> None:
        """Count a session that has got what it came for."""
        self.operations += 1
        self.latencies.append(Latency(perf_counter() - began_at, 1))


class PollingHandshakeLoad(VisitLoad):
    """The first GET of a polling session, on a connection of its own."""

    @override
    def visit(self, resume: Callable[[], None]) -> Visit:
        """Get the open packet and hang up."""
        began_at = perf_counter()
        link = _Link(self, resume)
        link.send(frames.poll_request(self.host))
        sid_of((yield from link.response()))
        link.close()
        self.count(began_at)


class WebSocketHandshakeLoad(VisitLoad):
    """A session that is a WebSocket from the start."""

    @override
    def visit(self, resume: Callable[[], None]) -> Visit:
        """Get the open packet; the closing handshake belongs to the cost."""
        began_at = perf_counter()
        link = _Link(self, resume)
        link.send(frames.websocket_request(self.host))
        check_websocket_response((yield from link.response()))
        check_open_frame((yield from link.frame()))
        self.count(began_at)
        yield from link.end()


class UpgradeLoad(VisitLoad):
    """A polling session that becomes a WebSocket, and one echo over it.

    No poll is parked, as the reference would release it only after up to
    100 ms; so nobody has to wait for anything but work.
    """

    @override
    def visit(self, resume: Callable[[], None]) -> Visit:
        """Handshake, probe, upgrade, message, echo, closing handshake."""
        began_at = perf_counter()
        polling = _Link(self, resume)
        polling.send(frames.poll_request(self.host))
        sid = sid_of((yield from polling.response()))
        link = _Link(self, resume)
        link.send(frames.websocket_request(self.host, sid))
        check_websocket_response((yield from link.response()))
        link.send(_PROBE)
        yield from _expect(link, _PROBED)
        link.send(_UPGRADE + frames.client_frame(frames.TEXT, _ECHO))
        yield from _expect(link, _ECHO)
        polling.close()
        self.count(began_at)
        yield from link.end()


def _expect(link: _Link, payload: bytes) -> Visit:
    frame = yield from link.frame()
    if frame.payload != payload:
        raise LoadError(f"not {payload!r}: {frame!r}")
