"""How much is read from a socket at a time.

Messages of which a read brings only a part are copied twice more, so a read should take
several large ones. But the C library may ask the kernel for a buffer of that size each
time, and give it back each time, which takes longer than to read twice.
"""

from __future__ import annotations

import os
from typing import Final

__all__ = ["LARGE", "SMALL", "prepare_reads"]

SMALL: Final = 131_000
"""Bytes that are read at a time where larger buffers would be asked for each time.

That begins at 128 KiB, in glibc as in musl.
"""

LARGE: Final = 300_000
"""Bytes that are read at a time elsewhere: a third less for a message of 64 kB."""

_KEPT: Final = 1 << 20
"""Bytes of a block that glibc keeps, and twice of which it keeps when they are free."""


def prepare_reads() -> int:
    """Have the C library keep the memory of large reads; return how large one may be.

    glibc takes a block from the kernel, and gives it back at once, only if it is larger
    than all that were given back so before (``mallopt(3)``, ``M_MMAP_THRESHOLD``): one
    that is given back now is an example to it. So a message of 64 kB costs no page
    faults, either.
    """
    if not _is_glibc():
        return SMALL
    bytes(_KEPT)
    return LARGE


def _is_glibc() -> bool:
    try:
        version = os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, ValueError, OSError):
        return False
    return version is not None and version.startswith("glibc")
