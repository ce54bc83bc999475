"""The option ``cors``: who may read answers from pages of other origins.

The semantics are those of the npm package ``cors``.
Spec: WHATWG Fetch, "CORS protocol".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from txengineio.checks import check_flag, check_whole_number, is_token, optional_group
from txengineio.errors import InvalidOption
from txengineio.server.options.origins import ORIGIN_FORM, is_origin

__all__ = ["CorsOptions", "check_origin"]

_METHODS: Final = ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE")


@dataclass(frozen=True, slots=True, kw_only=True)
class CorsOptions:
    r"""Who may read answers from pages of other origins, and what.

    Attributes:
        origin: The origins that may. ``"*"``: all, without credentials. Another string:
            that origin. True: any origin. A regular expression (compiled; it is
            searched for, so anchor it with ``\A`` and ``\Z``): origins that match. A
            sequence of strings and regular expressions: each of them. A callable:
            called with the request's ``Origin``, a str or None, it returns any of
            these, a Deferred of it or a coroutine. False or nothing: there is no CORS
            for the request.
        methods: Methods that a preflight allows.
        allowed_headers: Headers that a preflight allows; None allows what is asked for.
        exposed_headers: Headers of the answer that scripts may read.
        credentials: Whether requests may carry cookies and the like.
        max_age: Seconds that a preflight may be remembered.
        preflight_continue: Whether preflights go on to the next middleware.
        options_success_status: The status of the answer to a preflight.

    Raises:
        InvalidOption: A value makes no sense.
    """

    origin: Any = "*"
    methods: tuple[str, ...] = _METHODS
    allowed_headers: tuple[str, ...] | None = None
    exposed_headers: tuple[str, ...] | None = None
    credentials: bool = False
    max_age: int | None = None
    preflight_continue: bool = False
    options_success_status: int = 204

    def __post_init__(self) -> None:
        if not callable(self.origin):
            self._set("origin", check_origin(self.origin))
            _check_form(self.origin)
        self._set("methods", _tokens("methods", self.methods) or ())
        for name in ("allowed_headers", "exposed_headers"):
            self._set(name, _tokens(name, getattr(self, name)))
        for name in ("credentials", "preflight_continue"):
            check_flag(f"cors {name}", getattr(self, name))
        if self.credentials and self.origin == "*":
            raise InvalidOption(
                "cors credentials",
                "False for the origin '*', which browsers give no credentials: name "
                "the origins, or True to allow whoever asks",
                True,
            )
        if self.max_age is not None:
            check_whole_number("cors max_age", self.max_age, 0)
        status = self.options_success_status
        check_whole_number("cors options_success_status", status, 200, 299)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @classmethod
    def of(cls, value: object) -> CorsOptions | None:
        """Return the options that True, a mapping or another value of them means.

        Raises:
            InvalidOption: It means nothing.
        """
        if isinstance(value, Mapping) and "headers" in value:
            # The npm package's other name.
            value = dict(value)
            value.setdefault("allowed_headers", value.pop("headers"))
        return optional_group(cls, "cors", value)


def _check_form(rule: object) -> None:
    """Refuse a value that can never equal an ``Origin``."""
    for each in rule if isinstance(rule, tuple) else (rule,):
        if isinstance(each, str) and each not in ("", "*") and not is_origin(each):
            raise InvalidOption("cors origin", ORIGIN_FORM, each)


def _tokens(name: str, value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    names = value.split(",") if isinstance(value, str) else value
    expected = f"a sequence of {name.replace('_', ' ')}"
    if not isinstance(names, Iterable):
        raise InvalidOption(f"cors {name}", expected, value)
    texts = tuple(each.strip() if isinstance(each, str) else "" for each in names)
    if not all(map(is_token, texts)):
        raise InvalidOption(f"cors {name}", expected, value)
    return texts


def check_origin(origin: Any) -> Any:
    """Return a rule for origins: what may be given, with a tuple for a sequence."""
    if origin is None or isinstance(origin, (bool, re.Pattern)):
        return origin
    if isinstance(origin, str):
        if origin.isascii() and (origin.isprintable() or not origin):
            return origin
    elif isinstance(origin, Iterable):
        rules = tuple(origin)
        if all(isinstance(rule, (str, re.Pattern)) for rule in rules):
            return rules
    expected = "a str, a regular expression, a sequence of these, a bool or a callable"
    raise InvalidOption("cors origin", expected, origin)
