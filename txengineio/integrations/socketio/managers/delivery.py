"""One event to those who are in a room: encoded once, and sent at once.

The functions take a manager of ours of either kind, and wait for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from socketio import packet

from txengineio.server.broadcast import EncodedMessage

__all__ = [
    "Audience",
    "Part",
    "emit",
    "event_parts",
    "parts_of",
    "send",
    "send_asking",
    "values_of",
]

Part = str | bytes
"""A message of a session: a packet, or one of its attachments."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is to get an event.

    Attributes:
        namespace: The namespace.
        room: A room, a list of several, or None for all.
        skipped: Ids of clients who are in there, and are not to get it.
    """

    namespace: str
    room: Any
    skipped: Sequence[str | None]

    @classmethod
    def of(cls, namespace: str | None, room: Any, skip_sid: Any) -> Audience:
        """Make one of the arguments that upstream's managers take."""
        skipped = skip_sid if isinstance(skip_sid, list) else [skip_sid]
        return cls(namespace or "/", room, skipped)

    def sessions(self, manager: Any) -> Iterator[tuple[str, str]]:
        """Find those of this process: the ids of clients, and of their sessions."""
        for sid, eio_sid in manager.get_participants(self.namespace, self.room):
            if sid not in self.skipped:
                yield sid, eio_sid


def emit(
    manager: Any,
    event: str,
    data: Any,
    audience: Audience,
    callback: Callable[..., Any] | None,
) -> None:
    """Send an event to those of this process who are in a room."""
    if audience.namespace not in manager.rooms:
        return
    if callback is None:
        send(manager, event_parts(manager, event, data, audience.namespace), audience)
    else:
        send_asking(manager, [event, *values_of(data)], audience, callback)


def send(manager: Any, parts: Sequence[Part], audience: Audience) -> None:
    """Send the parts of a packet to those of this process who are in a room."""
    if manager.server.eio.engine.is_ending:
        # As with `Engine.broadcast`: none of them takes messages any more.
        return
    messages = [EncodedMessage(part) for part in parts]
    deliver = manager.server.eio.deliver
    namespace, held = audience.namespace, manager.held
    some_wait = held.are_some(namespace)
    for sid, eio_sid in audience.sessions(manager):
        if some_wait and held.keep(sid, eio_sid, namespace, messages):
            continue
        for message in messages:
            deliver(eio_sid, message)


def send_asking(
    manager: Any, values: list[Any], audience: Audience, callback: Callable[..., Any]
) -> None:
    """Send an event that is to be acknowledged.

    Each recipient gets a packet of its own, with a number to answer to.

    Args:
        manager: Knows who is in which room.
        values: The event's name, and its data.
        audience: Who is to get it.
        callback: Called with what a client says.
    """
    namespace = audience.namespace
    for sid, _ in audience.sessions(manager):
        number = manager.number_question(sid, callback)
        asking = manager.server.packet_class(
            packet.EVENT, namespace=namespace, data=values, id=number
        )
        send(manager, parts_of(asking), Audience(namespace, sid, ()))


def event_parts(manager: Any, event: str, data: Any, namespace: str) -> list[Part]:
    """Return an event as messages: itself, and what binary data it has."""
    values = [event, *values_of(data)]
    return parts_of(
        manager.server.packet_class(packet.EVENT, namespace=namespace, data=values)
    )


def parts_of(encodable: Any) -> list[Part]:
    """Return a packet as messages."""
    encoded = encodable.encode()
    return encoded if isinstance(encoded, list) else [encoded]


def values_of(data: Any) -> list[Any]:
    """Return what is to be sent as a list: a tuple is several values, None is none."""
    if isinstance(data, tuple):
        return list(data)
    return [] if data is None else [data]
