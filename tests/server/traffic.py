"""Requests of every kind, and what else happens on connections, for `hypothesis`.

The sessions that requests are for have the ids S0, S1 and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from hypothesis import strategies as st

from tests.connection import Connection, make_request
from tests.frames import TEXT, make_frame
from tests.wiring import Server, opening_headers

__all__ = [
    "BODIES",
    "LIMIT",
    "LINES",
    "METHODS",
    "POLLING",
    "POSTED",
    "SESSION",
    "STEPS",
    "TARGETS",
    "VERSIONS",
    "Arrival",
    "Loss",
    "Outgoing",
    "Step",
    "with_line",
    "write_request",
]

LIMIT = 600
"""Bytes that a body may have."""

# --- requests -------------------------------------------------------------------------

POLLING = "/engine.io/?EIO=4&transport=polling"
WEBSOCKET = "/engine.io/?EIO=4&transport=websocket"
SESSION = f"{POLLING}&sid=S0"

TARGETS = [
    SESSION,
    POLLING,
    WEBSOCKET,
    f"{POLLING}&sid=S3",
    f"{SESSION}&j=0",
    f"{WEBSOCKET}&sid=S0",
    f"{POLLING}&sid=nobody",
    "/engine.io?EIO=4&transport=polling",
    "/engine.io/x/y?EIO=3&transport=polling",
    "/engine.io/#?EIO=4&transport=polling",
    f"http://test.example{POLLING}",
    "/page",
    "/form?a=b",
    "/nothing",
    "/engine.iox",
    "/engine.io/ x",
    "*",
]
METHODS = ["GET", "POST", "PUT", "OPTIONS", "HEAD", "g"]
VERSIONS = ["HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "http/1.1"]
LINES = [
    "Cookie: a=b; c",
    "COOKIE:d=e",
    "X-Empty:",
    "X-Latin: \xe9\xff",
    "Origin: http://a.example",
    "Content-Type: application/x-www-form-urlencoded",
    "User-Agent: Mozilla/4.0 (compatible; MSIE 7.0)",
    "Connection: keep-alive",
    "Connection: close",
    "connection:\tCLOSE",
    "Connection: keep-alive, close",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: gzip",
    "Expect: 100-continue",
    "Expect: x",
    "Host: b",
    "Content-Length: 0",
    "Content-Length: 3",
    "content-length:5",
    "Content-Length: +3",
    "Content-Length:",
    "Content-Length : 3",
    "X-Space : x",
    " folded",
    "\tfolded",
    "no colon",
    ": no name",
    "X-Control: \x01",
    "X-Nul: \x00",
    "X-Return: a\rb",
    "X-Long: " + "x" * 9000,
    "Content-Length: 2",
    "Content-Length: 2\r\nContent-Length: 2",
    *["\r\n".join(f"X-{n}: {n}" for n in range(size)) for size in (97, 98, 99)],
]
BODIES = [
    None,
    b"",
    b"4a",
    b"4a\x1e4b",
    b"4close",
    b"4stop",
    b"1",
    b"2",
    b"6",
    b"bAQI=",
    b"4\xff",
    b"d=4a",
    b"\r\n4",
    b"2\r\n4a\r\n0\r\n\r\n",
    *[b"4" * size for size in (LIMIT - 1, LIMIT, LIMIT + 1)],
]


POSTED = make_request("POST", SESSION, b"4a")


def write_request(
    method: str, target: str, version: str, lines: list[str], body: bytes | None
) -> bytes:
    length = [] if body is None else [f"Content-Length: {len(body)}"]
    head = [f"{method} {target} {version}", "Host: a", *length, *lines, "", ""]
    return "\r\n".join(head).encode("latin-1") + (body or b"")


def with_line(request: bytes, line: str) -> bytes:
    return request.replace(b"\r\n", f"\r\n{line}\r\n".encode("latin-1"), 1)


_USUAL = st.sampled_from(
    [
        make_request("GET", SESSION),
        POSTED,
        make_request("POST", SESSION, b"4b\x1e4c"),
        make_request("GET", POLLING),
    ]
)
_NEARLY_USUAL = st.builds(with_line, _USUAL, st.sampled_from(LINES))
_UNUSUAL = st.builds(
    write_request,
    st.sampled_from(["GET", "POST", *METHODS]),
    st.sampled_from([*[SESSION] * 10, *TARGETS]),
    st.sampled_from([*["HTTP/1.1"] * 9, *VERSIONS]),
    st.lists(st.sampled_from(LINES), max_size=2),
    st.one_of(st.sampled_from(BODIES), st.binary(max_size=8)),
)
_UPGRADES = st.sampled_from(
    [
        make_request("GET", target, None, opening_headers()) + early
        for target in (WEBSOCKET, f"{WEBSOCKET}&sid=S0")
        for early in (b"", make_frame(TEXT, b"4a"), make_frame(TEXT, b"2probe"))
    ]
)
_REQUESTS = st.one_of(
    _USUAL,
    _USUAL,
    _NEARLY_USUAL,
    _NEARLY_USUAL,
    _UNUSUAL,
    _UPGRADES,
    # As old Internet Explorers do behind a POST.
    _USUAL.map(lambda data: data + b"\r\n"),
    st.sampled_from([b"\r\n", b"\r", b"\n", b"G", b"\x00"]),
    st.builds(lambda data: data.replace(b"\r\n", b"\n", 1), _USUAL),
    st.builds(lambda data: data[:-1], _USUAL),
)

# --- what happens ---------------------------------------------------------------------


class Step(Protocol):
    def happen(self, server: Server, connections: Sequence[Connection]) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """Bytes that come in at one of the connections, in pieces.

    Attributes:
        session: The number of the session that they are for; None: the connection's.
    """

    connection: int
    session: int | None
    data: bytes
    sizes: Sequence[int] = ()

    def happen(self, _server: Server, connections: Sequence[Connection]) -> None:
        number = self.connection if self.session is None else self.session
        rest = self.data.replace(b"sid=S0", b"sid=S%d" % number)
        for size in [*self.sizes, len(rest)]:
            piece, rest = rest[:size], rest[size:]
            if piece:
                connections[self.connection % len(connections)].send(piece)


@dataclass(frozen=True, kw_only=True)
class Pause:
    """Seconds in which nothing comes in."""

    seconds: int

    def happen(self, server: Server, _connections: Sequence[Connection]) -> None:
        for _ in range(self.seconds):
            server.advance(1)


@dataclass(frozen=True, kw_only=True)
class Loss:
    """The end of one of the connections."""

    connection: int

    def happen(self, _server: Server, connections: Sequence[Connection]) -> None:
        connections[self.connection % len(connections)].lose()


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The client at the end of a connection reads no more, or again."""

    connection: int
    reads: bool

    def happen(self, _server: Server, connections: Sequence[Connection]) -> None:
        transport = connections[self.connection % len(connections)].transport
        if self.reads:
            transport.start_reading()
        else:
            transport.stop_reading()


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """A message that the application sends in a session."""

    number: int
    size: int

    def happen(self, server: Server, _connections: Sequence[Connection]) -> None:
        if f"S{self.number}" in server.engine.sessions:
            server.session(f"S{self.number}").send("x" * self.size)


_ARRIVALS = st.one_of(
    *[
        st.builds(
            Arrival,
            connection=st.integers(0, 2),
            session=st.sampled_from([None, None, None, 0, 1]),
            data=st.lists(_REQUESTS, min_size=1, max_size=size).map(b"".join),
            sizes=st.sampled_from([(), (), (1,), (90,), (130, 10), (160, 1, 1)]),
        )
        for size in (1, 1, 3)
    ]
)
_OTHERS = st.one_of(
    st.builds(Outgoing, number=st.integers(0, 2), size=st.just(1)),
    st.builds(Pause, seconds=st.sampled_from([1, 5, 19, 59, 60, 61])),
    st.builds(Loss, connection=st.integers(0, 2)),
    st.builds(Reading, connection=st.integers(0, 2), reads=st.booleans()),
    st.builds(Outgoing, number=st.integers(0, 2), size=st.sampled_from([1, 70_000])),
)


def _with_a_break(arrival: Arrival, size: int, step: Step) -> list[Step]:
    """Let something happen while a request is on its way."""
    first = replace(arrival, data=arrival.data[:size])
    return [first, step, replace(arrival, data=arrival.data[size:])]


STEPS = st.lists(
    st.one_of(
        _ARRIVALS.map(lambda arrival: [arrival]),
        _OTHERS.map(lambda step: [step]),
        st.builds(
            _with_a_break,
            _ARRIVALS,
            st.integers(1, 200),
            st.one_of(_ARRIVALS, _OTHERS),
        ),
    ),
    min_size=2,
    max_size=10,
).map(lambda groups: [step for group in groups for step in group])
