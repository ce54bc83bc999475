"""Our codecs against the official parsers of both revisions, in both directions."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import PEERS
from tests.protocol.payloads import (
    LIKELY_BYTES,
    LIKELY_TEXT,
    OTHER_PACKETS,
    PACKETS,
    TEXT_MESSAGES,
    packets_before_the_error,
)
from txengineio.protocol.packets import Packet, PacketData, PacketType
from txengineio.protocol.revisions import codec_for
from txengineio.protocol.text import encode_utf8

Plain = Any
"""What a line of JSON carries."""

exchanges = settings(deadline=None, max_examples=200)
REVISIONS = st.sampled_from([3, 4])


class Parsers:
    """The process with the official parsers."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def call(self, revision: int, name: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = json.dumps({"revision": revision, "call": name, **arguments})
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if isinstance(answer, dict):
            assert "failed" not in answer, answer
        return answer

    def encode_frame(self, revision: int, packet: Packet, binary: bool) -> PacketData:
        packets = plain_packets([packet])
        answer = self.call(revision, "encode_frame", packets=packets, binary=binary)
        return unplain(answer)

    def encode_payload(
        self, revision: int, packets: Sequence[Packet], binary: bool
    ) -> PacketData:
        arguments = {"packets": plain_packets(packets), "binary": binary}
        return unplain(self.call(revision, "encode_payload", **arguments))

    def decode_frame(self, revision: int, content: PacketData) -> list[Any]:
        answer = self.call(revision, "decode_frame", content=plain(content))
        return [packet_of(*each) for each in answer]

    def decode_payload(self, revision: int, content: PacketData) -> list[Any]:
        answer = self.call(revision, "decode_payload", content=plain(content))
        return [packet_of(*each) for each in answer]


def plain(data: PacketData) -> Plain:
    return {"binary": data.hex()} if isinstance(data, bytes) else data


def unplain(data: Plain) -> PacketData:
    if isinstance(data, dict):
        return bytes.fromhex(data["binary"])
    assert data is None or isinstance(data, str)
    return data


def plain_packets(packets: Sequence[Packet]) -> list[Plain]:
    return [[int(packet_type), plain(data)] for packet_type, data in packets]


def packet_of(number: int | None, data: Plain) -> Packet | None:
    """The packet that the parser has found; None stands for an error."""
    if number is None:
        return None
    packet_type, content = PacketType(number), unplain(data)
    if packet_type is PacketType.MESSAGE:
        # It does not tell an empty text from nothing.
        return packet_type, "" if content is None else content
    return packet_type, content or None


@pytest.fixture(scope="module")
def parsers(node: str) -> Iterator[Parsers]:
    with subprocess.Popen(
        [node, PEERS / "node" / "parsers.cjs"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        yield Parsers(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 0


def without_separator(packet: Packet) -> bool:
    return not isinstance(packet[1], str) or "\x1e" not in packet[1]


@pytest.mark.behaviour("B177", "B178", "B182", "B183", "B185")
@exchanges
@given(revision=REVISIONS, packet=PACKETS, binary=st.booleans())
def test_frames(parsers: Parsers, revision: int, packet: Packet, binary: bool) -> None:
    codec = codec_for(revision)
    frame = codec.encode_frame(*packet, binary)
    assert frame == parsers.encode_frame(revision, packet, binary)
    assert codec.decode_frame(frame) == packet
    assert parsers.decode_frame(revision, frame) == [packet]


@pytest.mark.behaviour("B177", "B180", "B189")
@exchanges
@given(
    revision=REVISIONS,
    packets=st.lists(PACKETS.filter(without_separator), min_size=1),
    binary=st.booleans(),
)
def test_payloads(
    parsers: Parsers, revision: int, packets: list[Packet], binary: bool
) -> None:
    codec = codec_for(revision)
    body = codec.encode_payload(packets, binary)
    assert body == parsers.encode_payload(revision, packets, binary)
    read = list(codec.decode_payload(body))
    assert read == parsers.decode_payload(revision, body)
    # A goodbye ends a text payload of revision 3.
    assert read == packets[: len(read)]
    if revision == 4 or not any(kind is PacketType.CLOSE for kind, _ in packets):
        assert read == packets


@exchanges
@given(revision=REVISIONS, packets=st.lists(TEXT_MESSAGES | OTHER_PACKETS, min_size=1))
def test_bodies_survive_the_way_over_the_wire(
    parsers: Parsers, revision: int, packets: list[Packet]
) -> None:
    codec = codec_for(revision)
    theirs = parsers.encode_payload(revision, packets, True)
    assert isinstance(theirs, str)
    ours = codec.encode_payload(packets, True)
    assert isinstance(ours, str)
    assert encode_utf8(theirs) == encode_utf8(ours)


@pytest.mark.behaviour("B179", "B181")
@exchanges
@given(revision=REVISIONS, frame=LIKELY_TEXT | st.text())
def test_what_we_can_read_they_read_alike(
    parsers: Parsers, revision: int, frame: str
) -> None:
    codec = codec_for(revision)
    (theirs,) = parsers.decode_frame(revision, frame)
    ours, error = packets_before_the_error(codec.decode_frame(each) for each in [frame])
    if error is None:
        assert ours == [theirs]
    elif theirs is not None:
        # They take base64 that is none.
        assert frame[:1] == "b"


@exchanges
@given(revision=REVISIONS, body=LIKELY_TEXT | st.text())
def test_payloads_that_we_can_read_they_read_alike(
    parsers: Parsers, revision: int, body: str
) -> None:
    ours, error = packets_before_the_error(codec_for(revision).decode_payload(body))
    theirs = parsers.decode_payload(revision, body)
    assert theirs[: len(ours)] == ours
    if error is None:
        assert theirs == ours


@exchanges
@given(body=LIKELY_BYTES | st.binary())
def test_binary_payloads_that_we_can_read_they_read_alike(
    parsers: Parsers, body: bytes
) -> None:
    ours, error = packets_before_the_error(codec_for(3).decode_payload(body))
    theirs = parsers.decode_payload(3, body) if ours else []
    if error is None:
        assert theirs == ours
    elif theirs != [None]:
        # Where a length does not end, they forget the packets before it.
        assert theirs[: len(ours)] == ours
