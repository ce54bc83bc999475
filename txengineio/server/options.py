"""The engine's options: one frozen value, checked once, when the engine is built."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from math import isfinite
from typing import Any

from txengineio.errors import InvalidOption

__all__ = ["TRANSPORTS", "EngineOptions"]

TRANSPORTS = ("polling", "websocket")


def _check_duration(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidOption(name, "a number of seconds", value)
    if not (isfinite(value) and value > 0):
        raise InvalidOption(name, "a positive, finite number of seconds", value)


def _check_size(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise InvalidOption(name, "a positive whole number of bytes", value)


def _check_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise InvalidOption(name, "True or False", value)


def _check_callable(name: str, value: object) -> None:
    if value is not None and not callable(value):
        raise InvalidOption(name, "a callable, or None", value)


def _check_message(name: str, value: object) -> None:
    if value is not None and not isinstance(value, (str, bytes)):
        raise InvalidOption(name, "a str, a bytes, or None", value)


def _check_transports(name: str, value: object) -> None:
    known = " and ".join(repr(transport) for transport in TRANSPORTS)
    expected = f"a sequence of one or more of {known}"
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InvalidOption(name, expected, value)
    names = tuple(value)
    if not names or len(set(names)) < len(names) or not set(names) <= set(TRANSPORTS):
        raise InvalidOption(name, expected, value)


_CHECKS: Mapping[str, Callable[[str, object], None]] = {
    "ping_interval": _check_duration,
    "ping_timeout": _check_duration,
    "upgrade_timeout": _check_duration,
    "max_http_buffer_size": _check_size,
    "transports": _check_transports,
    "allow_upgrades": _check_flag,
    "allow_request": _check_callable,
    "initial_packet": _check_message,
    "allow_eio3": _check_flag,
    "generate_id": _check_callable,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """What an engine is told when it is built.

    Attributes:
        ping_interval: Seconds between a pong and the next ping.
        ping_timeout: Seconds that a peer has to answer a ping.
        upgrade_timeout: Seconds after which an unfinished upgrade is cancelled.
        max_http_buffer_size: Bytes of a POST body, or of a WebSocket message, at most.
        transports: The transports that clients may use.
        allow_upgrades: Whether a polling session may move to WebSocket.
        allow_request: Called with each request that would open a session (an
            `Request`). True lets it in; False refuses it, and so does a non-empty
            string, which the client then gets to see. May return a Deferred or be a
            coroutine function.
        initial_packet: A message that each session begins with.
        allow_eio3: Whether clients of protocol revision 3 are served too.
        generate_id: Called with the request; returns the new session's id. May return
            a Deferred or be a coroutine function.

    Raises:
        InvalidOption: A value makes no sense.
    """

    ping_interval: float = 25.0
    ping_timeout: float = 20.0
    upgrade_timeout: float = 10.0
    max_http_buffer_size: int = 1_000_000
    transports: tuple[str, ...] = TRANSPORTS
    allow_upgrades: bool = True
    allow_request: Callable[[Any], Any] | None = None
    initial_packet: str | bytes | None = None
    allow_eio3: bool = False
    generate_id: Callable[[Any], Any] | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            _CHECKS[field.name](field.name, getattr(self, field.name))
        object.__setattr__(self, "transports", tuple(self.transports))

    @classmethod
    def from_mapping(cls, options: Mapping[str, Any]) -> EngineOptions:
        """Build the options from names and values.

        Raises:
            InvalidOption: A name does not exist, or a value makes no sense.
        """
        known = [field.name for field in fields(cls)]
        for name in options:
            if name not in known:
                close = get_close_matches(name, known, n=1)
                meant = f"; did you mean {close[0]}?" if close else ""
                expected = f"one of the options {', '.join(sorted(known))}{meant}"
                raise InvalidOption("the name of an option", expected, name)
        return cls(**options)

    @property
    def upgrades(self) -> tuple[str, ...]:
        """The transports that a new polling session is told it may move to."""
        if not self.allow_upgrades:
            return ()
        return tuple(name for name in self.transports if name == "websocket")
