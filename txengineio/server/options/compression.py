"""Compressing the answers to polls: whether, and how.

Spec: RFC 9110, section 12.5.3 "Accept-Encoding".
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from txengineio.checks import check_distinct, check_whole_number
from txengineio.errors import InvalidOption

__all__ = ["DEFAULT_THRESHOLD", "HttpCompression", "accepted_encodings"]

DEFAULT_THRESHOLD: Final = 1024
"""Bytes from which compressing pays."""


def _gzip(body: bytes, level: int) -> bytes:
    # Without the time of compression, which has no use.
    return gzip.compress(body, level, mtime=0)


def _brotli(body: bytes, level: int) -> bytes:
    brotli: Any = import_module("brotli")
    compressed: bytes = brotli.compress(body, quality=level)
    return compressed


def _zstd(body: bytes, level: int) -> bytes:
    zstandard: Any = import_module("zstandard")
    compressed: bytes = zstandard.ZstdCompressor(level=level).compress(body)
    return compressed


_COMPRESSORS: Final[Mapping[str, Callable[[bytes, int], bytes]]] = {
    "gzip": _gzip,
    "deflate": zlib.compress,
    "br": _brotli,
    "zstd": _zstd,
}
_PACKAGES: Final = {"br": "brotli", "zstd": "zstandard"}
_ALIASES: Final = {"x-gzip": "gzip"}


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCompression:
    """How the answers to polls are compressed.

    Attributes:
        threshold: Bytes that an answer must have at least.
        level: From 1 (fast) to 9 (small).
        encodings: What is offered: ``"gzip"`` and ``"deflate"``; also ``"br"`` with
            the package ``brotli``, and ``"zstd"`` with ``zstandard``.

    Raises:
        InvalidOption: A value makes no sense, or a package is missing.
    """

    threshold: int = DEFAULT_THRESHOLD
    level: int = 6
    encodings: tuple[str, ...] = ("gzip", "deflate")

    def __post_init__(self) -> None:
        check_whole_number("http_compression threshold", self.threshold, 0)
        check_whole_number("http_compression level", self.level, 1, 9)
        object.__setattr__(self, "encodings", _check_encodings(self.encodings))

    def choose(self, accept_encoding: str) -> str | None:
        """Return the encoding that a client prefers, or None if it accepts none.

        Among equals, Brotli and Zstandard go first: they were enabled to be used.
        Otherwise the client's order decides.
        """
        qualities = accepted_encodings(accept_encoding)
        others = qualities.pop("*", 0.0)
        if others and "gzip" not in qualities:
            # After all that the client has named.
            qualities["gzip"] = others
        best, best_rank = None, (0.0, False)
        for encoding, quality in qualities.items():
            rank = (quality, encoding in _PACKAGES)
            if quality > 0 and encoding in self.encodings and rank > best_rank:
                best, best_rank = encoding, rank
        return best

    def compress(self, body: bytes, encoding: str) -> bytes:
        """Return the body in an encoding that `choose` chose."""
        return _COMPRESSORS[encoding](body, self.level)


def _check_encodings(value: object) -> tuple[str, ...]:
    name = "http_compression encodings"
    known = ", ".join(map(repr, _COMPRESSORS))
    expected = f"a sequence of one or more of {known}"
    encodings = check_distinct(name, value, expected)
    for encoding in encodings:
        if encoding not in _COMPRESSORS:
            raise InvalidOption(name, expected, value)
        package = _PACKAGES.get(encoding)
        if package is not None and find_spec(package) is None:
            without = f"without {encoding!r} unless {package} is installed"
            raise InvalidOption(name, without, value)
    return encodings


def accepted_encodings(accept_encoding: str) -> dict[str, float]:
    """Return what a client accepts, in its order."""
    qualities: dict[str, float] = {}
    for element in accept_encoding.lower().split(","):
        coding, *parameters = (part.strip() for part in element.split(";"))
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                quality = _quality(value.strip())
        if coding:
            qualities.setdefault(_ALIASES.get(coding, coding), quality)
    return qualities


def _quality(value: str) -> float:
    # float() accepts more than RFC 9110 does ("1e9", "nan"): an odd weight counts as 0.
    whole, _, fraction = value.partition(".")
    digits = whole in ("0", "1") and (not fraction or fraction.isdecimal())
    quality = float(value) if digits and value.isascii() else 0.0
    return quality if quality <= 1 else 0.0
