"""What is wrong with the URL of a server that nodes share."""

from __future__ import annotations

from typing_extensions import override

from txengineio.errors import InvalidOption

__all__ = ["BadBrokerURL"]


class BadBrokerURL(InvalidOption):
    """A URL makes no sense. It is not shown: a password may be in it.

    Args:
        expected: What a good one looks like.
    """

    def __init__(self, expected: str) -> None:
        super().__init__("cluster", expected, None)

    @override
    def __str__(self) -> str:
        return f"{self.name}: {self.expected}"
