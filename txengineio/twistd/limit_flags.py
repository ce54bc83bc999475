"""The flags of twistd's commands that set an engine's options, limits first of all.

Each has the name of its option, with hyphens, and is checked as the option is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from txengineio.command_line import NONE, Flag, as_float, as_int, as_names
from txengineio.server.options.engine import EngineOptions

__all__ = [
    "ADDRESSES",
    "LIMITS",
    "ORIGINS",
    "EngineFlag",
    "engine_flag",
    "given_options",
]

_MIB: Final = 1 << 20


@cache
def _defaults() -> EngineOptions:
    return EngineOptions()


def _shown(value: object) -> str:
    """Return an option's value in the form of a command line."""
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or NONE
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, int) and value >= _MIB and value % _MIB == 0:
        return f"{value}, which is {value // _MIB} MiB"
    return NONE if value is None else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFlag(Flag):
    """A flag that sets the option of the engine that has the same name."""

    @property
    def option(self) -> str:
        """The name of the option."""
        return self.name.replace("-", "_")


def engine_flag(
    name: str,
    value: str,
    text: str,
    parse: Callable[[str], Any] = str,
    *,
    optional: bool = False,
    expected: str = "",
) -> EngineFlag:
    """Make the flag of an option of the engine that takes one value.

    Args:
        name: The option's name, with hyphens.
        value: What stands for the value in the help.
        text: What it does.
        parse: Makes the option's value from a text.
        optional: Whether it may be ``none``.
        expected: What a good value looks like, if the option's own words do not fit.
    """
    option = name.replace("-", "_")

    def take(text: str) -> Any:
        value = parse(text)
        EngineOptions.from_mapping({option: value})
        return value

    return EngineFlag(
        name=name,
        value=value,
        text=text,
        take=take,
        optional=optional,
        expected=expected,
        shown_default=_shown(getattr(_defaults(), option)),
    )


def _origins(text: str) -> tuple[str, ...] | str:
    return text if text == "*" else as_names(text)


LIMITS: Final = (
    engine_flag(
        "max-http-buffer-size",
        "BYTES",
        "Largest message that a client may send, in a POST or over WebSocket.",
        as_int,
    ),
    engine_flag(
        "max-packets-per-payload",
        "NUMBER",
        "Most packets that one POST may carry.",
        as_int,
    ),
    engine_flag(
        "max-message-fragments",
        "NUMBER",
        "Most frames that one WebSocket message may come in.",
        as_int,
    ),
    engine_flag(
        "max-tiny-frames-per-second",
        "NUMBER",
        "Most pings, pongs and tiny fragments of one WebSocket in a second.",
        as_int,
        optional=True,
    ),
    engine_flag(
        "max-buffered-chunks",
        "NUMBER",
        "Most pieces that the body of one POST may come in.",
        as_int,
    ),
    engine_flag(
        "http-request-body-timeout",
        "SECONDS",
        "Time from the head of a POST to the end of its body.",
        as_float,
    ),
    engine_flag(
        "max-pending-messages",
        "NUMBER",
        "Messages of one session that may wait for a busy application before the "
        "server stops reading from that client.",
        as_int,
    ),
    engine_flag(
        "max-buffered-bytes",
        "BYTES",
        "Memory that may wait for one client that does not read; or none for no limit.",
        as_int,
        optional=True,
    ),
    engine_flag(
        "max-total-buffered-bytes",
        "BYTES",
        "Memory that may wait for all clients together; or none for no limit.",
        as_int,
        optional=True,
    ),
    engine_flag(
        "max-sessions",
        "NUMBER",
        "Most sessions at a time; or none for no limit.",
        as_int,
        optional=True,
    ),
    engine_flag(
        "max-sessions-per-address",
        "NUMBER",
        "Most sessions at a time from one address; or none for no limit.",
        as_int,
        optional=True,
    ),
    engine_flag(
        "handshakes-per-second",
        "NUMBER",
        "New sessions in a second from one address, on average; or none for no limit.",
        as_float,
        optional=True,
    ),
    engine_flag(
        "handshake-burst",
        "NUMBER",
        "New sessions that may come at once from one address when --handshakes-per-"
        "second is set.",
        as_int,
    ),
    engine_flag(
        "first-poll-timeout",
        "SECONDS",
        "Time after which a session ends whose client does not come back after the "
        "handshake; or none to leave that to the heartbeat.",
        as_float,
        optional=True,
    ),
)
"""The limits of what a client may do."""

ADDRESSES: Final = engine_flag(
    "trusted-proxies",
    "NETWORKS",
    "Reverse proxies in front, whose headers about their clients are believed: "
    "networks or addresses, separated by commas, and unix for those on a Unix socket.",
    as_names,
    expected="networks such as 10.0.0.0/8, addresses, or unix, separated by commas",
)
ORIGINS: Final = engine_flag(
    "allowed-origins",
    "ORIGINS",
    "Other sites whose pages may open sessions, separated by commas, or * for all. "
    "Pages that poll need --cors-origin.",
    _origins,
    expected="origins such as https://app.example.com, separated by commas, or *",
)


def given_options(line: Mapping[str, Any], flags: Iterable[Flag]) -> dict[str, Any]:
    """Return the options of the engine that a command line sets by `EngineFlag`."""
    return {
        flag.option: None if line[flag.name] == NONE else line[flag.name]
        for flag in flags
        if isinstance(flag, EngineFlag) and line[flag.name] is not None
    }
