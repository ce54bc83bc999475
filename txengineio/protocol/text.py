"""Text as the wire counts it: UTF-8 bytes and UTF-16 code units."""

from __future__ import annotations

from txengineio.errors import PacketDecodeError

__all__ = ["decode_utf8", "encode_utf8", "utf16_length"]


def encode_utf8(text: str) -> bytes:
    """Return UTF-8; a surrogate without its other half becomes U+FFFD.

    Two surrogates that belong together, which Python keeps apart, become the one
    character that they are to the peer.
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        units = text.encode("utf-16-le", "surrogatepass")
        return units.decode("utf-16-le", "replace").encode()


def decode_utf8(data: bytes) -> str:
    """Return the text that strict UTF-8 stands for.

    Raises:
        PacketDecodeError: The bytes are not UTF-8. Replacing them, as lenient peers do,
            would hand damaged text to the application without a word.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise PacketDecodeError(
            f"bad text, expected UTF-8: {exc.reason} at byte {exc.start}"
        ) from exc


def utf16_length(text: str) -> int:
    """Return the number of UTF-16 code units, which is what JavaScript calls length."""
    if text.isascii():
        return len(text)
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
