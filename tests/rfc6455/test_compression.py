"""Compressed messages: parameters, contexts, and data that is wrong (RFC 7692)."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from random import Random

import pytest

from tests.frames import BINARY, CLOSE, CONTINUATION, PING, TEXT
from tests.rfc6455.conftest import MEGABYTE
from tests.rfc6455.peer import Case, Peer, bytewise, check, frame

pytestmark = pytest.mark.socket

NAME = "permessage-deflate"
TAIL = b"\x00\x00\xff\xff"
RSV1 = 4
COMPRESSED = 0xC0

OFFERS = {
    NAME: NAME,
    f"{NAME}; client_no_context_takeover": f"{NAME}; client_no_context_takeover",
    f"{NAME}; server_no_context_takeover": f"{NAME}; server_no_context_takeover",
    f"{NAME}; server_no_context_takeover; client_no_context_takeover": (
        f"{NAME}; server_no_context_takeover; client_no_context_takeover"
    ),
    f"{NAME}; client_max_window_bits": NAME,
    f"{NAME}; client_max_window_bits=9": f"{NAME}; client_max_window_bits=9",
    f"{NAME}; server_max_window_bits=9": f"{NAME}; server_max_window_bits=9",
    f"{NAME}; server_max_window_bits=9; client_max_window_bits=12": (
        f"{NAME}; server_max_window_bits=9; client_max_window_bits=12"
    ),
    f"{NAME}; server_max_window_bits=15": NAME,
    f"{NAME}; server_max_window_bits=9; server_no_context_takeover": (
        f"{NAME}; server_no_context_takeover; server_max_window_bits=9"
    ),
    # What cannot be is left out for what can.
    f"{NAME}; server_max_window_bits=8, {NAME}; client_no_context_takeover": (
        f"{NAME}; client_no_context_takeover"
    ),
    f"{NAME}; unknown, {NAME}": NAME,
    f"x-other; {NAME}, {NAME}": NAME,
}
"""What is offered, and what of it is accepted."""

DECLINED = (
    f"{NAME}; server_max_window_bits=8",
    f"{NAME}; server_max_window_bits=16",
    f"{NAME}; server_max_window_bits",
    f"{NAME}; client_max_window_bits=7",
    f"{NAME}; server_no_context_takeover=1",
    f"{NAME}; client_no_context_takeover; client_no_context_takeover",
    f"{NAME}; unknown",
    "permessage-bzip2",
)


class Deflater:
    """Both directions, as the accepted parameters want it."""

    def __init__(self, accepted: str) -> None:
        parameters = [each.strip().partition("=") for each in accepted.split(";")]
        self._values = {name: value for name, _, value in parameters}
        self._outgoing = self._new_outgoing()
        self._incoming = self._new_incoming()

    def _bits(self, side: str) -> int:
        return -int(self._values.get(f"{side}_max_window_bits", "15"))

    def _new_outgoing(self) -> zlib._Compress:
        return zlib.compressobj(6, zlib.DEFLATED, self._bits("client"))

    def _new_incoming(self) -> zlib._Decompress:
        return zlib.decompressobj(self._bits("server"))

    def deflate(self, payload: bytes) -> bytes:
        if "client_no_context_takeover" in self._values:
            self._outgoing = self._new_outgoing()
        data = self._outgoing.compress(payload)
        data += self._outgoing.flush(zlib.Z_SYNC_FLUSH)
        return data.removesuffix(TAIL)

    def inflate(self, payload: bytes) -> bytes:
        if "server_no_context_takeover" in self._values:
            self._incoming = self._new_incoming()
        return self._incoming.decompress(payload + TAIL)


def payloads() -> list[tuple[int, bytes]]:
    """Return messages of many sizes, some of which cannot be made smaller."""
    random = Random(7692)
    record = {"id": "x" * 20, "values": list(range(30)), "text": "κόσμε"}
    text = "4" + json.dumps(record, ensure_ascii=False)
    some: list[tuple[int, bytes]] = [(BINARY, b""), (TEXT, b"4")]
    for size in (1, 16, 64, 256, 1024, 8192, 32768, 65536, 131072):
        some.append((TEXT, (text * (size // len(text) + 1))[:size].encode()))
        some.append((BINARY, random.randbytes(size)))
        some.append((BINARY, b"\xfe" * size))
    return some * 2


def test_messages_survive_the_journey(port: int) -> None:
    for offer, accepted in OFFERS.items():
        with Peer(port, offer) as peer:
            assert peer.extensions == accepted, offer
            deflater = Deflater(accepted)
            assert peer.opening[0] == COMPRESSED | TEXT
            assert deflater.inflate(peer.opening[1])[:1] == b"0"
            for opcode, payload in payloads():
                deflated = deflater.deflate(payload)
                peer.send(frame(opcode, deflated, rsv=RSV1))
                first, echo = peer.receive()
                assert first == COMPRESSED | opcode, offer
                assert deflater.inflate(echo) == payload, (offer, len(payload))
            peer.goodbye()
            assert peer.receive_until_close() == ([], 1000)


def test_many_messages_share_a_context(port: int) -> None:
    with Peer(port, NAME) as peer:
        deflater = Deflater(NAME)
        deflater.inflate(peer.opening[1])
        first, *others = (deflater.deflate(b"4the same again") for _ in range(500))
        assert max(map(len, others)) < len(first) / 2
        peer.send(*(frame(TEXT, each, rsv=RSV1) for each in (first, *others)))
        sizes = []
        for _ in range(500):
            opcode, echo = peer.receive()
            assert opcode == COMPRESSED | TEXT
            assert deflater.inflate(echo) == b"4the same again"
            sizes.append(len(echo))
        assert max(sizes[1:]) < sizes[0] / 2


def test_sixteen_megabytes(port: int) -> None:
    with Peer(port, NAME) as peer:
        deflater = Deflater(NAME)
        deflater.inflate(peer.opening[1])
        payload = (b"4" + b"0123456789" * 10)[:100] * (16 * MEGABYTE // 100)
        peer.send(frame(TEXT, deflater.deflate(payload), rsv=RSV1))
        assert deflater.inflate(peer.receive()[1]) == payload


@pytest.mark.parametrize("offer", DECLINED)
def test_declined_offer_leaves_a_plain_websocket(port: int, offer: str) -> None:
    with Peer(port, offer) as peer:
        assert peer.extensions is None
        assert peer.opening[0] == 0x80 | TEXT
        peer.send(frame(TEXT, Deflater(NAME).deflate(b"4hello"), rsv=RSV1))
        assert peer.receive_until_close() == ([], 1002)


# --- cases ----------------------------------------------------------------------------

# Nothing of what came before may be used, so that what comes back is always the same.
ALONE = f"{NAME}; server_no_context_takeover"


def expected(opcode: int, payload: bytes) -> tuple[int, bytes]:
    return COMPRESSED | opcode, Deflater(ALONE).deflate(payload)


def stored(payload: bytes) -> bytes:
    compressor = zlib.compressobj(0, zlib.DEFLATED, -15)
    data = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return data.removesuffix(TAIL)


def finished(payload: bytes) -> bytes:
    compressor = zlib.compressobj(6, zlib.DEFLATED, -15)
    return compressor.compress(payload) + compressor.flush(zlib.Z_FINISH) + b"\0"


def two_blocks(first: bytes, second: bytes) -> bytes:
    compressor = zlib.compressobj(6, zlib.DEFLATED, -15)
    data = compressor.compress(first) + compressor.flush(zlib.Z_SYNC_FLUSH)
    data += compressor.compress(second) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return data.removesuffix(TAIL)


def good() -> Iterator[Case]:
    deflated = Deflater(NAME).deflate(b"4Hello")
    echo = expected(TEXT, b"4Hello")
    for name, send in {
        "whole": [frame(TEXT, deflated, rsv=RSV1)],
        "byte by byte": bytewise(frame(TEXT, deflated, rsv=RSV1)),
        "in two frames": [
            frame(TEXT, deflated[:3], rsv=RSV1, fin=False),
            frame(CONTINUATION, deflated[3:]),
        ],
        "with empty frames": [
            frame(TEXT, b"", rsv=RSV1, fin=False),
            frame(CONTINUATION, deflated, fin=False),
            frame(CONTINUATION, b""),
        ],
        "as one stored block": [frame(TEXT, stored(b"4Hello"), rsv=RSV1)],
        "as a final block": [frame(TEXT, finished(b"4Hello"), rsv=RSV1)],
        "in two blocks": [frame(TEXT, two_blocks(b"4He", b"llo"), rsv=RSV1)],
        "not compressed": [frame(TEXT, b"4Hello")],
        "not compressed, in two frames": [
            frame(TEXT, b"4He", fin=False),
            frame(CONTINUATION, b"llo"),
        ],
    }.items():
        yield Case(name=name, send=send, expect=[echo], extensions=ALONE)
    yield Case(
        name="nothing, compressed",
        send=[frame(BINARY, b"\0", rsv=RSV1)],
        expect=[expected(BINARY, b"")],
        extensions=ALONE,
    )
    yield Case(
        name="compressed and not, by turns",
        send=[frame(TEXT, deflated, rsv=RSV1), frame(TEXT, b"4Hello")],
        expect=[echo, echo],
        extensions=ALONE,
    )
    yield Case(
        name="a ping within",
        send=[
            frame(TEXT, deflated[:3], rsv=RSV1, fin=False),
            frame(PING, b"?"),
            frame(CONTINUATION, deflated[3:]),
        ],
        expect=[(0x8A, b"?"), echo],
        extensions=ALONE,
    )


def bad() -> Iterator[Case]:
    deflated = Deflater(NAME).deflate(b"4Hello")
    for rsv in (1, 2, 3, 5, 6, 7):
        yield Case(
            name=f"reserved bits {rsv:03b}",
            send=[frame(TEXT, deflated, rsv=rsv)],
            close=1002,
            extensions=ALONE,
        )
    yield Case(
        name="the bit again in a continuation",
        send=[
            frame(TEXT, deflated[:3], rsv=RSV1, fin=False),
            frame(CONTINUATION, deflated[3:], rsv=RSV1),
        ],
        close=1002,
        extensions=ALONE,
    )
    for opcode in (PING, CLOSE):
        yield Case(
            name=f"the bit on opcode {opcode}",
            send=[frame(opcode, rsv=RSV1)],
            close=1002,
            extensions=ALONE,
        )
    for text in (b"4\xff", b"4\xed\xa0\x80", b"4\xce"):
        yield Case(
            name=f"compressed text {text!r}",
            send=[frame(TEXT, Deflater(NAME).deflate(text), rsv=RSV1)],
            close=1007,
            extensions=ALONE,
        )


@pytest.mark.parametrize("cases", [good, bad])
def test_compressed_frames(port: int, cases: Callable[[], Iterable[Case]]) -> None:
    check(port, cases())


@pytest.mark.parametrize(
    "payload", [b"\xff\xff\xff", b"\x06", b"\x00\x05\x00\x00\x00x"]
)
def test_what_cannot_be_inflated_ends_the_connection(port: int, payload: bytes) -> None:
    with Peer(port, NAME) as peer:
        peer.send(frame(TEXT, payload, rsv=RSV1))
        frames, code = peer.receive_until_close()
        assert frames == []
        assert code in (1002, 1003, 1007, 1008)


def test_the_limit_is_that_of_the_inflated_message(small_port: int) -> None:
    cases = []
    for size, code in ((1000, None), (1001, 1009), (200_000, 1009)):
        payload = b"4" * size
        deflated = Deflater(NAME).deflate(payload)
        assert len(deflated) < 1000
        cases.append(
            Case(
                name=f"{size} bytes",
                send=[frame(TEXT, deflated, rsv=RSV1)],
                expect=[] if code else [expected(TEXT, payload)],
                close=code,
                extensions=ALONE,
            )
        )
    check(small_port, cases)
