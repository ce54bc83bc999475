"""The cookie with the session's id, for load balancers that keep to one server by it.

Nothing here reads it back: a request belongs to the session that its query names.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import quote

from txengineio.checks import (
    check_flag,
    check_one_of,
    check_text,
    check_whole_number,
)
from txengineio.errors import InvalidOption

__all__ = ["CookieOptions"]

# Characters that JavaScript's encodeURIComponent keeps, besides letters and digits.
_UNQUOTED: Final = "-_.!~*'()"
_NOT_IN_NAMES: Final = frozenset(' "()/:<=>?@[\\]{}')
_SAME_SITE: Final = ("strict", "lax", "none")
_PRIORITY: Final = ("low", "medium", "high")


@dataclass(frozen=True, slots=True, kw_only=True)
class CookieOptions:
    """What the cookie says beside the session's id.

    Attributes:
        name: Its name.
        path: Its path; None leaves the attribute out.
        http_only: Whether scripts cannot see it. Any true value will do.
        same_site: ``"lax"``, ``"strict"`` (also True) or ``"none"``; None leaves the
            attribute out.
        secure: Whether clients may send it over TLS only.
        domain: Its domain; None leaves the attribute out.
        max_age: Seconds that it lives; None leaves the attribute out.
        expires: When it ends; None leaves the attribute out.
        partitioned: Whether it belongs to the site that embeds this one.
        priority: ``"low"``, ``"medium"`` or ``"high"``; None leaves the attribute out.

    Raises:
        InvalidOption: A value makes no sense.
    """

    name: str = "io"
    path: str | None = "/"
    http_only: bool = True
    same_site: str | None = "lax"
    secure: bool = False
    domain: str | None = None
    max_age: int | None = None
    expires: datetime | None = None
    partitioned: bool = False
    priority: str | None = None

    def __post_init__(self) -> None:
        name = check_text("cookie name", self.name, "the name of a cookie")
        if _NOT_IN_NAMES & set(name):
            raise InvalidOption("cookie name", "the name of a cookie", name)
        self._set("path", self._optional_text("path", "a path"))
        self._set("domain", self._optional_text("domain", "a domain"))
        self._set("http_only", bool(self.http_only))
        same_site: Any = self.same_site
        same_site = "strict" if same_site is True else same_site
        self._set("same_site", _optional_one_of("same_site", same_site, _SAME_SITE))
        self._set("priority", _optional_one_of("priority", self.priority, _PRIORITY))
        check_flag("cookie secure", self.secure)
        check_flag("cookie partitioned", self.partitioned)
        if self.max_age is not None:
            check_whole_number("cookie max_age", self.max_age, 0)
        if self.expires is not None and not isinstance(self.expires, datetime):
            raise InvalidOption("cookie expires", "a datetime, or None", self.expires)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _optional_text(self, name: str, expected: str) -> str | None:
        value = getattr(self, name)
        if value is None or value is False:
            return None
        return check_text(f"cookie {name}", value, expected)

    def header(self, sid: str) -> str:
        """Return the value of the ``Set-Cookie`` header of a session."""
        attributes = [
            (self.max_age is not None, f"Max-Age={self.max_age}"),
            (self.domain, f"Domain={self.domain}"),
            (self.path, f"Path={self.path}"),
            (self.expires, f"Expires={_http_date(self.expires)}"),
            (self.http_only, "HttpOnly"),
            (self.secure, "Secure"),
            (self.partitioned, "Partitioned"),
            (self.priority, f"Priority={(self.priority or '').capitalize()}"),
            (self.same_site, f"SameSite={(self.same_site or '').capitalize()}"),
        ]
        pair = f"{self.name}={quote(sid, safe=_UNQUOTED)}"
        return "; ".join([pair, *(text for present, text in attributes if present)])


def _optional_one_of(name: str, value: Any, known: tuple[str, ...]) -> str | None:
    if value is None or value is False:
        return None
    return check_one_of(f"cookie {name}", value, known)


def _http_date(moment: datetime | None) -> str:
    return (
        "" if moment is None else format_datetime(moment.astimezone(UTC), usegmt=True)
    )
