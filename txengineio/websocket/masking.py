"""Masking payloads: the XOR of RFC 6455, section 5.3.

Autobahn has a native one, behind an object that takes longer to make than most payloads
take to mask. So its extension is called here; where Autobahn comes without, so is what
Autobahn does then.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Any, Final

from autobahn.websocket.protocol import create_xor_masker  # type: ignore[attr-defined]

__all__ = ["apply_mask"]

_native: Any = None
with suppress(ImportError):
    _native = import_module("_nvx_xormasker")

_NATIVE_FROM: Final = 256
"""Bytes from which the extension is faster than one big XOR."""


def apply_mask(payload: bytes, mask: bytes, length: int) -> bytes:
    """Mask what is plain, or make plain what is masked: the same thing.

    Args:
        payload: What to mask.
        mask: Four bytes.
        length: Bytes of the payload.
    """
    if length >= _NATIVE_FROM:
        return _mask_natively(payload, mask, length)
    key = (mask * ((length + 3) >> 2))[:length]
    number = int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")
    return number.to_bytes(length, "little")


def _mask_natively(payload: bytes, mask: bytes, length: int) -> bytes:
    if _native is None:
        masked: bytes = create_xor_masker(mask, length).process(payload)
        return masked
    data = bytearray(payload)
    library = _native.lib
    masker = library.nvx_xormask_new(mask)
    library.nvx_xormask_process(masker, _native.ffi.from_buffer(data), length)
    library.nvx_xormask_free(masker)
    return bytes(data)
