"""The flags of ``twistd engineio`` for the limits of an engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

from twisted.python.usage import Options as UsageOptions

__all__ = ["LimitOptions"]

_NONE: Final = "none"


def _number(flag: str, kind: type[float] | type[int], optional: bool) -> Any:
    expected = "a whole number" if kind is int else "a number"
    if optional:
        expected += f", or {_NONE} for no limit"

    def coerce(text: str) -> float | str:
        if optional and text.lower() == _NONE:
            return _NONE
        try:
            return kind(text)
        except ValueError:
            raise ValueError(f"--{flag} must be {expected}, not {text!r}") from None

    return coerce


def _parameter(
    flag: str, text: str, kind: type[float] | type[int] = int, optional: bool = True
) -> list[Any]:
    return [flag, None, None, text, _number(flag, kind, optional)]


def _names(text: str) -> tuple[str, ...] | str:
    return "*" if text == "*" else tuple(name.strip() for name in text.split(","))


_LISTS: Final[dict[str, Callable[[str], Any]]] = {
    "trusted-proxies": _names,
    "allowed-origins": _names,
}


class LimitOptions(UsageOptions):
    """The part of the command line that is about limits."""

    optParameters: ClassVar[list[list[Any]]] = [
        _parameter("max-buffered-bytes", "Memory for a client that does not read"),
        _parameter("max-total-buffered-bytes", "The same for all clients together"),
        _parameter(
            "max-pending-messages",
            "Messages that may wait for a busy application, for each session",
            optional=False,
        ),
        _parameter(
            "max-packets-per-payload", "Packets in one POST, at most", optional=False
        ),
        _parameter(
            "max-message-fragments",
            "Frames of one WebSocket message, at most",
            optional=False,
        ),
        _parameter(
            "max-buffered-chunks", "Pieces of the body of one POST", optional=False
        ),
        _parameter(
            "http-request-body-timeout",
            "Seconds that the body of a POST may take",
            float,
            optional=False,
        ),
        _parameter("max-sessions", "Sessions at a time, at most"),
        _parameter(
            "max-sessions-per-address", "Sessions at a time from one address, at most"
        ),
        _parameter(
            "handshakes-per-second",
            "New sessions in a second from one address, on average",
            float,
        ),
        _parameter(
            "handshake-burst", "How many of these may come at once", optional=False
        ),
        _parameter(
            "first-poll-timeout",
            "Time that a client has to come back after the handshake",
            float,
        ),
        [
            "trusted-proxies",
            None,
            None,
            "Networks of the reverse proxies in front, separated by commas; unix for "
            "those on a Unix socket",
        ],
        [
            "allowed-origins",
            None,
            None,
            "Other origins whose pages may open sessions, separated by commas, or *",
        ],
    ]

    def limits(self) -> dict[str, Any]:
        """Return the options of the engine that were given."""
        given: dict[str, Any] = {}
        for flag, *_ in LimitOptions.optParameters:
            value = self[flag]
            if value is None:
                continue
            if flag in _LISTS:
                value = _LISTS[flag](value)
            given[flag.replace("-", "_")] = None if value == _NONE else value
        return given
