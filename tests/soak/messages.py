"""Messages that say whose they are, and which ones: ``client number size padding``."""

from __future__ import annotations

from tests.soak.history import Received

__all__ = ["make_message", "parse_message"]

_PADDING = "x"


def make_message(client: str, number: int, size: int) -> str:
    """Return a message with so many characters of padding."""
    return f"{client} {number} {size} {_PADDING * size}"


def parse_message(message: str | bytes) -> Received:
    """Return what a message says of itself.

    Raises:
        ValueError: It is not as it was made.
    """
    text = message.decode() if isinstance(message, bytes) else message
    client, number, size, padding = text.split(" ")
    if padding != _PADDING * int(size):
        raise ValueError(text)
    return Received(client, int(number))
