"""Random scenarios: what a client, well-behaved or not, might do to a server.

A scenario is a list of steps, made from a seed and nothing else. Steps speak of "the
session", the one that was opened last, as ``SID``, and of the request or WebSocket that
was started last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from tests.conformance.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
)
from tests.conformance.peers import RS, join

__all__ = [
    "LIMIT",
    "Abort",
    "Drop",
    "Frames",
    "Open",
    "Rest",
    "Send",
    "Step",
    "Wait",
    "scenario",
    "slow_scenarios",
]

LIMIT = 3000
"""Bytes that the servers take of a POST or of a WebSocket message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send a request; with more bytes announced than there are, only a part of it."""

    method: str
    query: str
    headers: Sequence[tuple[str, str]] = ()
    body: bytes | None = None
    announced: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Send the rest of the request that was sent in part."""

    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Abort:
    """Cut off the connection of the pending poll, or of the request sent in part."""

    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Open a WebSocket; headers replace the usual ones, or remove them if empty."""

    query: str
    headers: Sequence[tuple[str, str]] = ()
    method: str = "GET"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """Send frames on the WebSocket, all at once."""

    frames: Sequence[Frame]
    masked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Cut off the connection of the WebSocket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Do nothing for so many seconds."""

    seconds: float


Step = Send | Rest | Abort | Open | Frames | Drop | Wait

TEXTS = (
    "",
    "a",
    "hello",
    "€",
    "😀",
    "line\nline",
    "x" * 200,
    '"quoted"',
    "\u2028",
    "</script>",
    "y" * 1100,
)
TRANSPORTS = ("polling", "polling", "websocket", "abc", "", "__proto__", "Polling")
OTHER_TYPES = ("0", "2", "2probe", "3", "3probe", "5", "6", "1", "0x", "6y")
BAD_PACKETS = ("", "7", "x", "9z", "-1", " 4a", "\uff144a", "b!!!")
ORIGINS = ("http://example.org", "http://elsewhere.example", "null")
ENCODINGS = ("gzip, deflate", "deflate", "gzip;q=0.1", "identity", "br, *;q=0.5")
METHODS = ("PUT", "DELETE", "HEAD", "PATCH", "OPTIONS")
BAD_OPENINGS = (
    ("Sec-WebSocket-Key", ""),
    ("Sec-WebSocket-Key", "short"),
    ("Sec-WebSocket-Version", "12"),
    ("Sec-WebSocket-Version", ""),
    ("Sec-WebSocket-Protocol", "a, a"),
)
GOOD_OPENINGS = (
    ("Sec-WebSocket-Version", "8"),
    ("Sec-WebSocket-Protocol", "a, b"),
    ("Sec-WebSocket-Extensions", "permessage-deflate"),
    ("Origin", "http://example.org"),
)


@dataclass(slots=True)
class Maker:
    """Makes the steps of one scenario, one after the other."""

    random: Random
    revision: int
    allow_eio3: bool
    jsonp: bool = False
    steps: list[Step] = field(default_factory=list)

    def add(self, step: Step) -> None:
        self.steps.append(step)

    def query(self, transport: str, sid: str = "SID") -> str:
        parts = [f"EIO={self.revision}", f"transport={transport}"]
        return "&".join([*parts, f"sid={sid}"] if sid else parts)

    # --- beginnings -------------------------------------------------------------------

    def begin_polling(self) -> None:
        extra = self.random.choice(["", "", "", "&b64=1", "&a=b", "&t=x%20y", "&j=0"])
        self.jsonp = extra == "&j=0"
        query = self.query("polling", "") + extra
        self.add(Send(method="GET", query=query, headers=self.headers()))

    def begin_websocket(self) -> None:
        extra = self.random.choice(["", "", "&b64=1"])
        headers = [self.random.choice(GOOD_OPENINGS)] if self.maybe(0.3) else []
        self.add(Open(query=self.query("websocket", "") + extra, headers=headers))

    def begin_badly(self) -> None:
        eio = self.random.choice(["", "EIO=", "EIO=abc", "EIO=3", "EIO=4", "EIO=5"])
        transport = self.random.choice(TRANSPORTS)
        query = f"{eio}&transport={transport}".lstrip("&")
        if self.maybe(0.2):
            self.add(Open(query=query))
        else:
            method = "GET" if self.maybe(0.5) else self.random.choice(METHODS)
            self.add(Send(method=method, query=query))

    # --- by polling -------------------------------------------------------------------

    def headers(self) -> list[tuple[str, str]]:
        headers = []
        if self.maybe(0.15):
            headers.append(("Origin", self.random.choice(ORIGINS)))
        if self.maybe(0.2):
            headers.append(("Accept-Encoding", self.random.choice(ENCODINGS)))
        if self.maybe(0.05):
            headers.append(("User-Agent", "Trident/7.0"))
        return headers

    def poll(self) -> None:
        query = self.query("polling")
        self.add(Send(method="GET", query=query, headers=self.headers()))

    def packet(self) -> str:
        kind = self.random.random()
        if kind < 0.75:
            return "4" + self.random.choice(TEXTS)
        if kind < 0.85:
            return ("b" if self.revision == 4 else "b4") + "AQIDBA=="
        return self.random.choice(OTHER_TYPES)

    def post(self) -> None:
        packets = [self.packet() for _ in range(self.random.choice([1, 1, 1, 2, 3]))]
        if self.maybe(0.12):
            packets.insert(
                self.random.randrange(len(packets) + 1), self.random.choice(BAD_PACKETS)
            )
        self.post_body(join(self.revision, *packets).encode())

    def post_body(self, body: bytes) -> None:
        if self.jsonp:
            body = b"d=" + body.replace(b"%", b"%25").replace(b"+", b"%2B")
        types = ["text/plain;charset=UTF-8", "text/plain", ""]
        headers = [
            ("Content-Type", each) for each in [self.random.choice(types)] if each
        ]
        post = Send(
            method="POST", query=self.query("polling"), headers=headers, body=body
        )
        if self.maybe(0.15) and len(body) > 1:
            cut = self.random.randrange(1, len(body))
            self.add(replace(post, body=body[:cut], announced=len(body)))
            if self.maybe(0.7):
                self.any_step()
            self.add(Rest(body=body[cut:]))
        else:
            self.add(post)

    def post_garbage(self) -> None:
        bodies = [
            b"",
            b"abc",
            b"\xff\xfe",
            RS.encode(),
            b"4a" + RS.encode(),
            b"0:",
            b"2:4a9",
            b"99:4a",
            b"1:4" * 3,
            b"4a\x00b",
        ]
        self.post_body(self.random.choice(bodies))

    def post_octets(self) -> None:
        bodies = [b"4a", b"", bytes.fromhex("0002ff3461"), b"\x01\x03\xff\x04\x01\x02"]
        headers = [("Content-Type", "application/octet-stream")]
        body = self.random.choice(bodies)
        query = self.query("polling")
        self.add(Send(method="POST", query=query, headers=headers, body=body))

    def post_too_much(self) -> None:
        size = self.random.choice([LIMIT - 20, LIMIT, LIMIT + 1, LIMIT * 3])
        body = join(self.revision, "4" + "x" * size).encode()[:size]
        if self.maybe(0.5):
            body = join(self.revision, "4" + "x" * (size - 10)).encode()
        post = Send(method="POST", query=self.query("polling"), body=body)
        if self.maybe(0.3):
            headers = [("Transfer-Encoding", "chunked")]
            size = self.random.choice([1, 200, 1000])
            self.add(replace(post, headers=headers, body=chunked(body, size)))
        elif self.maybe(0.2):
            cut = self.random.choice([1, LIMIT - 50, len(body) - 1])
            self.add(replace(post, body=body[:cut], announced=len(body)))
            self.add(Rest(body=body[cut:]))
        else:
            self.add(post)

    def request_oddly(self) -> None:
        method = self.random.choice([*METHODS, "GET", "GET", "POST"])
        sid = self.random.choice(["SID", "SID", "none", "__proto__"])
        transport = self.random.choice(TRANSPORTS)
        revision = self.random.choice([3, 4, self.revision, self.revision])
        query = f"EIO={revision}&transport={transport}&sid={sid}"
        body = join(self.revision, "4odd").encode() if method == "POST" else None
        headers = self.headers()
        self.add(Send(method=method, query=query, headers=headers, body=body))

    def abort_poll(self) -> None:
        self.add(Abort(method="GET"))

    def abort_post(self) -> None:
        query = self.query("polling")
        self.add(Send(method="POST", query=query, body=b"4", announced=9))
        self.add(Abort(method="POST"))

    # --- by WebSocket -----------------------------------------------------------------

    def open_websocket(self) -> None:
        headers = []
        if self.maybe(0.15):
            headers = [self.random.choice(BAD_OPENINGS)]
        elif self.maybe(0.15):
            headers = [self.random.choice(GOOD_OPENINGS)]
        sid = "SID" if self.maybe(0.9) else "none"
        method = "GET" if self.maybe(0.97) else "POST"
        query = self.query("websocket", sid)
        self.add(Open(query=query, headers=headers, method=method))

    def upgrade(self) -> None:
        self.add(Open(query=self.query("websocket")))
        if self.maybe(0.3):
            self.poll()
        if self.maybe(0.9):
            self.text("2probe")
        if self.maybe(0.4):
            self.any_step()
        if self.maybe(0.8):
            self.text("5")

    def text(self, *packets: str) -> None:
        frames = [Frame(opcode=TEXT, payload=packet.encode()) for packet in packets]
        self.add(Frames(frames=frames))

    def send_frames(self) -> None:
        self.text(*(self.packet() for _ in range(self.random.choice([1, 1, 2, 3]))))

    def send_binary(self) -> None:
        data = self.random.choice([b"", b"\x01\x02", b"\x04\x01", b"\x04", b"4a"])
        self.add(Frames(frames=[Frame(opcode=BINARY, payload=data)]))

    def send_bad_packet(self) -> None:
        before = [self.packet()] if self.maybe(0.3) else []
        self.text(*before, self.random.choice(BAD_PACKETS))

    def send_odd_frames(self) -> None:
        code = (1000).to_bytes(2)
        whole = [
            [Frame(opcode=PING, payload=b"p")],
            [Frame(opcode=PONG)],
            [
                Frame(opcode=TEXT, payload=b"4a", final=False),
                Frame(opcode=PING),
                Frame(opcode=CONTINUATION, payload=b"bc"),
            ],
            [Frame(opcode=CLOSE, payload=code)],
            [Frame(opcode=CLOSE)],
            [Frame(opcode=TEXT, payload=b"4\xff")],
            [Frame(opcode=3)],
            [Frame(opcode=CONTINUATION, payload=b"4a")],
            [Frame(opcode=PING, payload=b"p", final=False)],
            [Frame(opcode=TEXT, payload=b"4" + b"x" * LIMIT)],
            [Frame(opcode=TEXT, payload=b"4" + b"x" * (LIMIT - 1))],
            [Frame(opcode=TEXT, payload=b"4a", compressed=True)],
        ]
        frames = self.random.choice(whole)
        if self.maybe(0.2):
            frames = [Frame(opcode=TEXT, payload=b"4before"), *frames]
        self.add(Frames(frames=frames, masked=self.maybe(0.9)))

    def drop(self) -> None:
        self.add(Drop())

    # --- all together -----------------------------------------------------------------

    def maybe(self, chance: float) -> bool:
        return self.random.random() < chance

    def any_step(self) -> None:
        choices: list[tuple[int, Callable[[], None]]] = [
            (20, self.poll),
            (24, self.post),
            (4, self.post_garbage),
            (3, self.post_octets),
            (4, self.post_too_much),
            (6, self.request_oddly),
            (2, self.abort_poll),
            (2, self.abort_post),
            (4, self.open_websocket),
            (9, self.upgrade),
            (14, self.send_frames),
            (4, self.send_binary),
            (3, self.send_bad_packet),
            (6, self.send_odd_frames),
            (2, self.drop),
        ]
        weights = [weight for weight, _ in choices]
        ((_, step),) = self.random.choices(choices, weights)
        step()


def scenario(seed: int, *, allow_eio3: bool) -> list[Step]:
    """Return the steps of the scenario of a seed."""
    random = Random(f"{seed} {allow_eio3}")
    odds = 0.5 if allow_eio3 else 0.05
    maker = Maker(random, 3 if random.random() < odds else 4, allow_eio3)
    beginnings = (maker.begin_polling, maker.begin_websocket, maker.begin_badly)
    random.choices(beginnings, (75, 17, 8))[0]()
    for _ in range(random.randrange(3, 12)):
        maker.any_step()
    return maker.steps


def chunked(body: bytes, size: int) -> bytes:
    """Return a body in chunks of so many bytes."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in [*pieces, b""])


def slow_scenarios(revision: int, time_limit: float, chunks: int) -> list[list[Step]]:
    """Return what clients do whose POSTs take long, or come in very many pieces.

    Args:
        revision: The protocol revision.
        time_limit: Seconds that the servers give a POST.
        chunks: How many pieces of a POST they take.
    """
    session = f"EIO={revision}&transport=polling&sid=SID"
    websocket = f"EIO={revision}&transport=websocket&sid=SID"
    opening = Send(method="GET", query=f"EIO={revision}&transport=polling")
    poll = Send(method="GET", query=session)
    body = join(revision, "4" + "x" * 40).encode()
    late = Wait(seconds=time_limit)
    slow = Send(method="POST", query=session, body=body[:1], announced=len(body))
    rest = Rest(body=body[1:])
    stranger = replace(slow, query=session.replace("SID", "none"))

    def in_pieces(count: int) -> Send:
        texts = (join(revision, "4" + "x" * size) for size in range(count))
        whole = next(text for text in texts if len(text) == count).encode()
        headers = [("Transfer-Encoding", "chunked")]
        return replace(slow, headers=headers, body=chunked(whole, 1), announced=None)

    def sent(text: str) -> Frames:
        return Frames(frames=[Frame(opcode=TEXT, payload=text.encode())])

    upgraded: list[Step] = [Open(query=websocket), sent("2probe"), sent("5")]
    return [
        [opening, slow, late, poll],
        [opening, poll, slow, late, rest, poll],
        [opening, slow, rest, late, poll],
        [opening, slow, Open(query=websocket), sent("2probe"), late, sent("5"), poll],
        [opening, slow, *upgraded, late, sent("4still here")],
        [opening, replace(slow, query=f"{session}&j=0"), late, poll],
        [stranger, late, opening],
        [opening, poll, in_pieces(chunks), poll],
        [opening, poll, in_pieces(chunks + 1), poll],
        [opening, in_pieces(chunks + 1), Open(query=websocket)],
    ]
