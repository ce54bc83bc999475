"""The option ``allowed_origins``: whose pages may open sessions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from txengineio.errors import InvalidOption

__all__ = ["ANY_ORIGIN", "check_origins"]

ANY_ORIGIN: Final = "*"


def check_origins(name: str, value: object) -> tuple[str | re.Pattern[str], ...]:
    """Return origins: strings and regular expressions.

    Raises:
        InvalidOption: It is anything else.
    """
    expected = (
        "'*', or a sequence of origins such as 'https://example.com' and of regular "
        "expressions"
    )
    if value == ANY_ORIGIN:
        return (ANY_ORIGIN,)
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InvalidOption(name, expected, value)
    rules = tuple(value)
    if not all(isinstance(rule, (str, re.Pattern)) for rule in rules):
        raise InvalidOption(name, expected, value)
    return rules
