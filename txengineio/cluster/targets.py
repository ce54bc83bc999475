"""The target of a request, from its first bytes: a session, or a new one."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["begins_request", "handshake_target", "session_of", "target_of"]

_LINE: Final = re.compile(rb"[A-Z]+ ([^ \r\n]+) HTTP/1\.[01]\r\n")
_SID: Final = re.compile(rb"[?&]sid=([\w-]+)(?![^&])", re.ASCII)


def target_of(received: bytes) -> tuple[bytes, str] | None:
    """Find out what a request is for, before it is parsed.

    Args:
        received: Its first bytes.

    Returns:
        The target, and the id of the session that it names. None if it names none, if
        its first line is not complete, or if it is no plain request. The parser looks
        at those.
    """
    line = _LINE.match(received)
    sid = line and _SID.search(line[1])
    return (line[1], sid[1].decode("ascii")) if line and sid else None


def session_of(target: bytes) -> str | None:
    """Return the id of the session that a target names as clients do; None if none."""
    sid = _SID.search(target)
    return None if sid is None else sid[1].decode("ascii")


def handshake_target(received: bytes) -> bytes | None:
    """Return the target of a request that may open a session; None for any other.

    Args:
        received: The first bytes of the request.
    """
    line = _LINE.match(received)
    if line is None or not received.startswith(b"GET ") or _SID.search(line[1]):
        return None
    return line[1] if b"transport=" in line[1] else None


def begins_request(received: bytes) -> bool:
    """Whether the first line of a request is there, as a client sends it."""
    return _LINE.match(received) is not None
