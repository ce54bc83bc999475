"""The content of the open packet, and the only place that knows milliseconds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from txengineio.errors import PacketDecodeError

__all__ = ["Handshake", "HandshakeTemplate"]

# The largest integer that a JavaScript number counts exactly; beyond it a peer cannot
# have meant the number that it sent.
_MAX_NUMBER: Final = 2**53 - 1

_encode_json: Final = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """What the server tells the client when a session opens.

    Attributes:
        sid: The id of the session, a credential.
        upgrades: Names of the transports to which the session may be upgraded.
        ping_interval: Seconds between two heartbeats.
        ping_timeout: Seconds to wait for the answer to a heartbeat.
        max_payload: Bytes that the server takes in one request or message, None if it
            does not tell.
    """

    sid: str
    upgrades: tuple[str, ...]
    ping_interval: float
    ping_timeout: float
    max_payload: int | None

    def to_json(self) -> str:
        """Return the data of the open packet, times in whole milliseconds."""
        fields: dict[str, object] = {
            "sid": self.sid,
            "upgrades": self.upgrades,
            "pingInterval": round(self.ping_interval * 1000),
            "pingTimeout": round(self.ping_timeout * 1000),
        }
        if self.max_payload is not None:
            fields["maxPayload"] = self.max_payload
        return _encode_json(fields)

    def template(self) -> HandshakeTemplate:
        """Return a template for open packets that differ only in the sid."""
        head, sid, tail = self.to_json().partition(_encode_json(self.sid))
        assert sid, "the sid comes first"
        return HandshakeTemplate(head, tail)

    @classmethod
    def parse(cls, text: str) -> Handshake:
        """Return the handshake that a server sent; fields with other names are ignored.

        Raises:
            PacketDecodeError: The text is no JSON object, or a field is missing or
                makes no sense; the message names it.
        """
        fields = _parse_object(text)
        return cls(
            sid=_sid(fields),
            upgrades=_upgrades(fields),
            ping_interval=_number(fields, "pingInterval") / 1000,
            ping_timeout=_number(fields, "pingTimeout") / 1000,
            max_payload=_max_payload(fields),
        )


class HandshakeTemplate(NamedTuple):
    """The data of an open packet, without the sid.

    A server opens all its sessions with the same.

    Attributes:
        head: What comes before the sid.
        tail: What comes after it.
    """

    head: str
    tail: str

    def to_json(self, sid: str) -> str:
        """Return the data of the open packet of a session."""
        return f"{self.head}{_encode_json(sid)}{self.tail}"


def _parse_object(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise PacketDecodeError(
            f"handshake is not JSON, expected an object: {exc}"
        ) from exc
    if not isinstance(fields, dict):
        raise PacketDecodeError(
            f"handshake is JSON of type {type(fields).__name__}, expected an object"
        )
    return fields


def _sid(fields: dict[str, Any]) -> str:
    sid = fields.get("sid")
    if not isinstance(sid, str) or not sid:
        raise _bad_field("sid", "a string that is not empty")
    return sid


def _upgrades(fields: dict[str, Any]) -> tuple[str, ...]:
    upgrades = fields.get("upgrades")
    if isinstance(upgrades, list) and all(isinstance(name, str) for name in upgrades):
        return tuple(upgrades)
    raise _bad_field("upgrades", "a list of strings")


def _number(fields: dict[str, Any], name: str) -> int | float:
    value = fields.get(name)
    # JSON's true is an int to Python; NaN and Infinity fail the comparison.
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _bad_field(name, "a number")
    if not 0 < value <= _MAX_NUMBER:
        raise _bad_field(name, f"a number above 0 and up to {_MAX_NUMBER}")
    return value


def _max_payload(fields: dict[str, Any]) -> int | None:
    # Absent in revision 3 and in servers older than Engine.IO 6.2.
    if "maxPayload" not in fields:
        return None
    value = _number(fields, "maxPayload")
    if value != int(value):
        raise _bad_field("maxPayload", "a whole number of bytes")
    return int(value)


def _bad_field(name: str, expected: str) -> PacketDecodeError:
    # The value stays out of the message: it may be the sid, or megabytes.
    return PacketDecodeError(f"bad {name} in the handshake, expected {expected}")
