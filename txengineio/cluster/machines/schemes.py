"""The memberships that there are, by the schemes of their URLs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from twisted.python.reflect import namedAny

from txengineio.cluster.membership import MembershipMaker
from txengineio.errors import InvalidOption

__all__ = ["SCHEMES", "maker_of"]

_WAMP: Final = "txengineio.cluster.wamp.maker.make_membership"
_REDIS: Final = "txengineio.cluster.redis.maker.make_membership"

SCHEMES: Final[Mapping[str, str]] = {
    "redis": _REDIS,
    "rediss": _REDIS,
    "redis+sentinel": _REDIS,
    "rediss+sentinel": _REDIS,
    "unix": _REDIS,
    "wamp": _WAMP,
}
"""A `MembershipMaker` for each scheme, by its full name: what it needs is an extra."""


def maker_of(url: str) -> MembershipMaker:
    """Return what makes the membership of a URL.

    Raises:
        InvalidOption: There is none, or what it needs is not installed.
    """
    scheme = url.partition(":")[0].lower()
    name = SCHEMES.get(scheme)
    if name is None:
        known = ", ".join(f"{each}:" for each in SCHEMES)
        expected = f"a URL that begins with one of {known}"
        raise InvalidOption("cluster", expected, _without_password(url))
    try:
        maker: MembershipMaker = namedAny(name)
    except ImportError as problem:
        expected = "installed: pip install txredisapi hiredis"
        raise InvalidOption("cluster", expected, _without_password(url)) from problem
    return maker


def _without_password(url: str) -> str:
    # Sentinels' passwords come after the question mark.
    head, at, tail = url.partition("?")[0].rpartition("@")
    return f"{head.partition('//')[0]}//…@{tail}" if at else tail
