"""Checks of option values, each with an error that names the option."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from math import isfinite
from typing import Any, Final, TypeVar

from txengineio.errors import InvalidOption, UnknownOption

__all__ = [
    "build_group",
    "check_callable",
    "check_distinct",
    "check_duration",
    "check_flag",
    "check_message",
    "check_names",
    "check_node_name",
    "check_one_of",
    "check_rate",
    "check_size",
    "check_text",
    "check_transports",
    "check_wait",
    "check_whole_number",
    "is_node_name",
    "is_token",
    "optional_group",
]

_Group = TypeVar("_Group")

_NODE_NAME: Final = re.compile(r"[0-9A-Za-z]{1,12}")
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_SEPARATORS: Final = frozenset(";,")
_LONGEST: Final = 3600.0
"""Seconds: a longer duration was meant to be milliseconds."""
_DURATIONS: Final = ("_interval", "_timeout")
_CAPITAL: Final = re.compile(r"(?<=[a-z0-9])([A-Z]+)")
_NO_OTHERS: Final[Mapping[str, str]] = {}


def check_duration(name: str, value: object) -> float:
    """Return a number of seconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidOption(name, "a number of seconds", value)
    if not (isfinite(value) and value > 0):
        raise InvalidOption(name, "a positive, finite number of seconds", value)
    if value > _LONGEST:
        seconds = f"{value / 1000:g} if {value:g} ms are meant"
        expected = f"at most {_LONGEST:g} seconds ({seconds})"
        raise InvalidOption(name, expected, value)
    return value


def check_wait(name: str, value: object) -> float:
    """Return a number of seconds that may be 0."""
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not (isfinite(value) and value >= 0)
    ):
        raise InvalidOption(name, "a number of seconds, 0 or more", value)
    return value


def check_rate(name: str, value: object, things: str) -> float:
    """Return a number of things a second, which may be less than one."""
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not (isfinite(value) and value > 0)
    ):
        raise InvalidOption(name, f"a number of {things} a second above 0", value)
    return value


def check_size(name: str, value: object) -> int:
    """Return a number of bytes."""
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise InvalidOption(name, "a positive whole number of bytes", value)
    return value


def check_whole_number(
    name: str, value: object, least: int, most: int | None = None
) -> int:
    """Return a whole number between two limits."""
    limits = f"from {least} to {most}" if most is not None else f"of {least} or more"
    good = isinstance(value, int) and not isinstance(value, bool) and value >= least
    if not good or (most is not None and value > most):  # type: ignore[operator]
        raise InvalidOption(name, f"a whole number {limits}", value)
    return value  # type: ignore[return-value]  # an int, as was just checked


def check_flag(name: str, value: object) -> bool:
    """Return a truth value; other types are not converted."""
    if not isinstance(value, bool):
        raise InvalidOption(name, "True or False", value)
    return value


def check_callable(name: str, value: object) -> object:
    """Return something that can be called, or None."""
    if value is not None and not callable(value):
        raise InvalidOption(name, "a callable, or None", value)
    return value


def check_message(name: str, value: object) -> str | bytes | None:
    """Return the data of a message, or None."""
    if value is not None and not isinstance(value, (str, bytes)):
        raise InvalidOption(name, "a str, a bytes, or None", value)
    return value


def check_text(name: str, value: object, expected: str) -> str:
    """Return text that can be a part of a header's value."""
    good = isinstance(value, str) and value and value.isascii() and value.isprintable()
    if not good or _SEPARATORS & set(str(value)):
        raise InvalidOption(name, expected, value)
    return str(value)


def check_node_name(name: str, value: object) -> str | None:
    """Return the name of a node, or None."""
    if value is None or (isinstance(value, str) and _NODE_NAME.fullmatch(value)):
        return value
    raise InvalidOption(name, "1 to 12 ASCII letters and digits, or None", value)


def is_node_name(text: str) -> bool:
    """Whether a node may have that name."""
    return _NODE_NAME.fullmatch(text) is not None


def is_token(text: str) -> bool:
    """Whether a text is a token, like the names of headers: RFC 9110, section 5.6.2."""
    return _TOKEN.fullmatch(text) is not None


def check_one_of(name: str, value: object, known: Collection[str]) -> str:
    """Return one of the values that there are, in lower case."""
    text = value.lower() if isinstance(value, str) else None
    if text is None or text not in known:
        raise InvalidOption(name, f"one of {', '.join(map(repr, known))}", value)
    return text


def check_distinct(name: str, value: object, expected: str) -> tuple[str, ...]:
    """Return names, at least one, none twice."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InvalidOption(name, expected, value)
    names = tuple(value)
    if not names or not all(isinstance(each, str) for each in names):
        raise InvalidOption(name, expected, value)
    if len(set(names)) < len(names):
        raise InvalidOption(name, expected, value)
    return names


def check_transports(name: str, value: object, known: Iterable[str]) -> tuple[str, ...]:
    """Return names of transports, at least one, none twice, and all of them known."""
    known = tuple(known)
    expected = f"a sequence of one or more of {' and '.join(map(repr, known))}"
    names = check_distinct(name, value, expected)
    if not set(names) <= set(known):
        raise InvalidOption(name, expected, value)
    return names


def check_names(
    names: Iterable[str],
    known: Collection[str],
    place: str = "",
    others: Mapping[str, str] = _NO_OTHERS,
) -> None:
    """Raise for a name that no option has.

    Args:
        names: The names that were given.
        known: The names that there are.
        place: Which group of options this is about.
        others: What to do instead, by names that other libraries have.

    Raises:
        UnknownOption: The first unknown name.
    """
    for name in names:
        if name not in known:
            raise UnknownOption(name, place, others.get(name) or _meant(name, known))


def _meant(name: str, known: Collection[str]) -> str:
    """Return advice: the name that was probably meant."""
    snake_case = _CAPITAL.sub(r"_\1", name).lower()
    if snake_case in known:
        unit = ", in seconds" if snake_case.endswith(_DURATIONS) else ""
        return f"it is {snake_case} here{unit}"
    close = get_close_matches(snake_case, known, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return f"the options are {', '.join(sorted(known))}"


def build_group(group: type[_Group], name: str, values: Mapping[str, Any]) -> _Group:
    """Build a group of options, a dataclass, from a mapping.

    Raises:
        InvalidOption: A name does not exist, or a value makes no sense.
    """
    known = [field.name for field in fields(group)]  # type: ignore[arg-type]
    check_names(values, known, name)
    return group(**values)


def optional_group(group: type[_Group], name: str, value: object) -> _Group | None:
    """Return a group of options that may be given in several ways.

    Args:
        group: A dataclass whose fields all have defaults.
        name: The name of the option.
        value: True for the defaults, False or None for none, a mapping, or the group.

    Raises:
        InvalidOption: It is none of these, or something in it makes no sense.
    """
    if value is None or value is False:
        return None
    if value is True:
        return group()
    if isinstance(value, Mapping):
        return build_group(group, name, value)
    if isinstance(value, group):
        return value
    expected = f"True, False, a mapping or a {group.__name__}"
    raise InvalidOption(name, expected, value)
