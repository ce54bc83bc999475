"""The engine's options: one frozen value, checked once, when the engine is built."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, cast

from txengineio.checks import (
    check_callable,
    check_distinct,
    check_duration,
    check_flag,
    check_message,
    check_names,
    check_node_name,
    check_size,
    optional_group,
)
from txengineio.server.options.compression import HttpCompression
from txengineio.server.options.cookies import CookieOptions
from txengineio.server.options.cors import CorsOptions
from txengineio.server.options.deflate import DeflateOptions
from txengineio.server.options.limits import LIMIT_CHECKS, LimitArguments, Limits
from txengineio.server.options.other_names import OTHER_NAMES

__all__ = ["EngineArguments", "EngineOptions"]


RequestCallback = Callable[[Any], object]
"""Called with the request, in whichever way the application types it."""


def _check_transports(name: str, value: object) -> tuple[str, ...]:
    # The table of transports knows the names: the engine asks it.
    expected = "a sequence of one or more names of transports, all different"
    return check_distinct(name, value, expected)


def _check_cors(_name: str, value: object) -> object:
    return value if callable(value) else CorsOptions.of(value)


def _check_cookie(name: str, value: object) -> object:
    return optional_group(CookieOptions, name, value)


def _check_compression(name: str, value: object) -> object:
    return optional_group(HttpCompression, name, value)


def _check_deflate(name: str, value: object) -> object:
    return optional_group(DeflateOptions, name, value)


# Each returns the value in the form in which it is kept.
_CHECKS: Mapping[str, Callable[[str, object], object]] = {
    "ping_interval": check_duration,
    "ping_timeout": check_duration,
    "upgrade_timeout": check_duration,
    "max_http_buffer_size": check_size,
    "transports": _check_transports,
    "allow_upgrades": check_flag,
    "allow_request": check_callable,
    "initial_packet": check_message,
    "allow_eio3": check_flag,
    "generate_id": check_callable,
    "node_name": check_node_name,
    "cookie": _check_cookie,
    "cors": _check_cors,
    "http_compression": _check_compression,
    "per_message_deflate": _check_deflate,
    **LIMIT_CHECKS,
}


class EngineArguments(LimitArguments, total=False):
    """The options as type checkers know them: what may be given for each."""

    ping_interval: float
    ping_timeout: float
    upgrade_timeout: float
    max_http_buffer_size: int
    transports: Iterable[str]
    allow_upgrades: bool
    allow_request: RequestCallback | None
    initial_packet: str | bytes | None
    allow_eio3: bool
    generate_id: RequestCallback | None
    node_name: str | None
    cookie: bool | CookieOptions | Mapping[str, object] | None
    cors: bool | CorsOptions | Mapping[str, object] | RequestCallback | None
    http_compression: bool | HttpCompression | Mapping[str, object] | None
    per_message_deflate: bool | DeflateOptions | Mapping[str, object] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions(Limits):
    """The options of an engine; see `Limits` for more.

    The last four are groups of options. Each may be given as True (its defaults), as
    False or None (off), as a mapping of names to values, or as the group itself.

    Callables get the request and may return a Deferred or be coroutine functions. One
    that takes longer than the 30 s of `HOOK_TIMEOUT` costs its client the request: 503.

    Attributes:
        ping_interval: Seconds between a pong and the next ping.
        ping_timeout: Seconds that a peer has to answer a ping.
        upgrade_timeout: Seconds after which an unfinished upgrade is cancelled.
        max_http_buffer_size: Bytes of a POST body, or of a WebSocket message, at most.
        transports: The transports that clients may use.
        allow_upgrades: Whether a polling session may move to WebSocket.
        allow_request: Called with each request that would open a session, or a
            WebSocket for one. True lets it in, and so does an `Admit`, which says who
            the client is; False refuses it, and so does a non-empty string, which the
            client then gets to see.
        initial_packet: A message that each session begins with.
        allow_eio3: Whether clients of protocol revision 3 are served too.
        generate_id: Called with the request; returns the new session's id, which no
            open session may have. A sid is a credential: make it hard to guess.
        node_name: The name of this process among those behind one address; ids of
            sessions begin with it and a hyphen, those of ``generate_id`` too, so that
            proxies find the process of a session. 1 to 12 ASCII letters and digits.
        cookie: Whether the first answer of a polling session sets a cookie with the
            session's id: `CookieOptions`. Off by default.
        cors: Whether pages of other origins may use the engine: `CorsOptions`, or a
            callable that returns them for a request. Off by default.
        http_compression: How the answers to polls are compressed: `HttpCompression`.
            On by default.
        per_message_deflate: How WebSocket messages are compressed: `DeflateOptions`.
            Off by default: it costs much memory for each connection.

    Raises:
        InvalidOption: A value makes no sense.
    """

    ping_interval: float = 25.0
    ping_timeout: float = 20.0
    upgrade_timeout: float = 10.0
    max_http_buffer_size: int = 1_000_000
    transports: tuple[str, ...] = ("polling", "websocket")
    allow_upgrades: bool = True
    allow_request: RequestCallback | None = None
    initial_packet: str | bytes | None = None
    allow_eio3: bool = False
    generate_id: RequestCallback | None = None
    node_name: str | None = None
    cookie: CookieOptions | None = None
    cors: CorsOptions | RequestCallback | None = None
    http_compression: HttpCompression | None = field(default_factory=HttpCompression)
    per_message_deflate: DeflateOptions | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            checked = _CHECKS[each.name](each.name, getattr(self, each.name))
            object.__setattr__(self, each.name, checked)

    @classmethod
    def from_mapping(cls, options: Mapping[str, object]) -> EngineOptions:
        """Build the options from names and values.

        Raises:
            InvalidOption: A name does not exist, or a value makes no sense.
        """
        check_names(options, [each.name for each in fields(cls)], "", OTHER_NAMES)
        # Each is checked as it is built.
        return cls(**cast(dict[str, Any], options))
