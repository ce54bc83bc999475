"""Masking payloads: the XOR of RFC 6455, section 5.3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

__all__ = ["apply_mask", "from_bytes", "use_native_masker"]

from_bytes: Final = int.from_bytes
"""As ``int.from_bytes``: to look that up takes as long as to call it."""

NativeMasker = Callable[[bytes, bytes, int], bytes]

_native: NativeMasker | None = None

_NATIVE_FROM: Final = 256
"""Bytes from which an extension is faster than one big XOR."""


def use_native_masker(masker: NativeMasker) -> None:
    """Let an extension mask what is long. Its arguments are those of `apply_mask`."""
    global _native  # noqa: PLW0603  # the process has it, or has it not
    _native = masker


def apply_mask(payload: bytes, mask: bytes, length: int) -> bytes:
    """Mask what is plain, or make plain what is masked: the same thing.

    Args:
        payload: What to mask.
        mask: Four bytes.
        length: Bytes of the payload.
    """
    if length >= _NATIVE_FROM and _native is not None:
        return _native(payload, mask, length)
    key = (mask * ((length + 3) >> 2))[:length]
    number = from_bytes(payload, "little") ^ from_bytes(key, "little")
    return number.to_bytes(length, "little")
