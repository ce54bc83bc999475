"""Strategies and counters that the tests of both codecs share."""

from collections.abc import Iterable
from itertools import chain
from typing import SupportsIndex, overload

from hypothesis import strategies as st
from typing_extensions import override

from txengineio.errors import PacketDecodeError
from txengineio.protocol.packets import Packet, PacketType

TEXT_MESSAGES = st.tuples(st.just(PacketType.MESSAGE), st.text())
BINARY_MESSAGES = st.tuples(st.just(PacketType.MESSAGE), st.binary())
OTHER_PACKETS = st.tuples(
    st.sampled_from([kind for kind in PacketType if kind is not PacketType.MESSAGE]),
    st.none() | st.text(min_size=1),
)
PACKETS: st.SearchStrategy[Packet] = TEXT_MESSAGES | BINARY_MESSAGES | OTHER_PACKETS

# Text and bytes that get further into a decoder than random ones.
LIKELY_TEXT = st.text(alphabet="0123469b:=A\x1e€😀")
LIKELY_BYTES = st.lists(
    st.sampled_from([0, 1, 2, 4, 9, 48, 52, 98, 128, 254, 255])
).map(bytes)


def packets_before_the_error(
    packets: Iterable[Packet],
) -> tuple[list[Packet], PacketDecodeError | None]:
    """Return what an iteration yields and the error that it ends with, if any."""
    received: list[Packet] = []
    try:
        received.extend(chain.from_iterable([packet] for packet in packets))
    except PacketDecodeError as exc:
        return received, exc
    return received, None


class CountingText(str):
    """Text that counts the characters which are searched and copied."""

    touched = 0

    @override
    def find(
        self,
        sub: str,
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        /,
    ) -> int:
        found = super().find(sub, start, end)
        first = 0 if start is None else int(start)
        last = len(self) if end is None else min(int(end), len(self))
        self.touched += (last if found < 0 else found + len(sub)) - first
        return found

    @override
    def __getitem__(self, key: SupportsIndex | slice, /) -> str:
        part = super().__getitem__(key)
        self.touched += len(part)
        return part


class CountingBytes(bytes):
    """Bytes that count the bytes which are searched and copied."""

    touched = 0

    @override
    def find(
        self,
        sub: object,
        start: SupportsIndex | None = None,
        end: SupportsIndex | None = None,
        /,
    ) -> int:
        assert isinstance(sub, bytes)
        found = super().find(sub, start, end)
        first = 0 if start is None else int(start)
        last = len(self) if end is None else min(int(end), len(self))
        self.touched += (last if found < 0 else found + len(sub)) - first
        return found

    @overload
    def __getitem__(self, key: SupportsIndex, /) -> int: ...
    @overload
    def __getitem__(self, key: slice, /) -> bytes: ...
    @override
    def __getitem__(self, key: SupportsIndex | slice, /) -> int | bytes:
        if isinstance(key, slice):
            part = super().__getitem__(key)
            self.touched += len(part)
            return part
        self.touched += 1
        return super().__getitem__(key)
