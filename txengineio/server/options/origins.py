"""The option ``allowed_origins``: whose pages may open sessions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from txengineio.errors import InvalidOption

__all__ = ["ANY_ORIGIN", "ORIGIN_FORM", "check_origins", "is_origin"]

ANY_ORIGIN: Final = "*"

# RFC 6454, section 6.2: a scheme, a host and perhaps a port; no path, no slash at the
# end. Schemes of apps, such as "capacitor", are taken too. "null" stands for no origin.
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s]*|null")


ORIGIN_FORM: Final = "a scheme and a host, such as 'https://example.com', and no path"


def is_origin(text: str) -> bool:
    """Whether browsers may send this as the ``Origin`` of a request."""
    return _ORIGIN.fullmatch(text) is not None


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
    for rule in rules:
        if isinstance(rule, str) and rule != ANY_ORIGIN and not is_origin(rule):
            # It could never equal an origin that browsers send.
            raise InvalidOption(f"an origin in {name}", ORIGIN_FORM, rule)
    return rules
