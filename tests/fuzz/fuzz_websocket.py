"""What a server in memory does with any bytes behind an opening handshake.

Both ways of reading frames must come to the same, and leave nothing behind.
"""

from __future__ import annotations

from tests.fuzz.failures import no_failures
from tests.session.test_websocket import LIMIT, cut, outcome

__all__ = ["check"]

# Completes any frame: Autobahn looks for bad text in the beginning of one already.
_END = bytes(LIMIT + 14)


def check(data: bytes) -> None:
    """Send a stream: first up to three sizes of pieces and a 0, then the bytes."""
    sizes, stream = _sizes(data)
    pieces = cut(stream + _END, sizes)
    with no_failures():
        assert outcome(pieces, short_path=True) == outcome(pieces, short_path=False)


def _sizes(data: bytes) -> tuple[list[int], bytes]:
    sizes: list[int] = []
    position = 0
    while len(sizes) < 3 and data[position : position + 1] not in (b"", b"\0"):
        sizes.append(data[position])
        position += 1
    return sizes, data[position + 1 :]
