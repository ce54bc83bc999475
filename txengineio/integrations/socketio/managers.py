"""Who is in which room; for `AsyncServer`, broadcasts without a task per recipient.

Any manager of python-socketio sends so with this one behind it::

    class RedisManager(socketio.AsyncRedisManager, AsyncManager):
        pass
"""

from __future__ import annotations

from typing import Any

import socketio
from socketio import packet
from typing_extensions import override

from txengineio.server.broadcast import EncodedMessage

__all__ = ["AsyncManager", "confirm", "forget", "register"]


def register(manager: Any, eio_sid: str, namespace: str) -> str | None:
    """Take a client in who may yet be refused.

    Releases before 5.18 know no such state: their clients are connected while they are
    asked about.

    Returns:
        Its id in the namespace; None if it is there already.
    """
    take = getattr(manager, "pre_connect", manager.connect)
    sid: str | None = take(eio_sid, namespace)
    return sid


def confirm(manager: Any, sid: str, namespace: str) -> None:
    """Have a client that `register` has taken in be one for good."""
    if hasattr(manager, "pre_connect"):
        manager.connect(sid, namespace)


def forget(manager: Any, sid: str, namespace: str) -> None:
    """Have a client be in no room of a namespace; it may have left by itself."""
    if manager.eio_sid_from_sid(sid, namespace) is not None:
        manager.disconnect(sid, namespace, ignore_queue=True)


class AsyncManager(socketio.AsyncManager):  # type: ignore[misc]  # no annotations
    """Keeps rooms as `socketio.AsyncManager`; sends at once, not by tasks."""

    @override
    async def emit(  # as upstream
        self,
        event: str,
        data: Any,
        namespace: str,
        room: Any = None,
        skip_sid: Any = None,
        callback: Any = None,
        to: Any = None,
        **kwargs: Any,
    ) -> None:
        """Send an event to those who are in a room: one client, some, or all."""
        room = to or room
        if callback:
            # Each recipient gets a packet of its own, with a number to answer to.
            await super().emit(event, data, namespace, room, skip_sid, callback)
            return
        if namespace not in self.rooms:
            return
        skipped = skip_sid if isinstance(skip_sid, list) else [skip_sid]
        messages = self._encoded(event, data, namespace)
        deliver = self.server.eio.deliver
        for sid, eio_sid in self.get_participants(namespace, room):
            if sid not in skipped:
                for message in messages:
                    deliver(eio_sid, message)

    def _encoded(self, event: str, data: Any, namespace: str) -> list[EncodedMessage]:
        """Return an event as messages: itself and what binary data it has."""
        if isinstance(data, tuple):
            arguments = list(data)
        else:
            arguments = [] if data is None else [data]
        whole = self.server.packet_class(
            packet.EVENT, namespace=namespace, data=[event, *arguments]
        ).encode()
        parts = whole if isinstance(whole, list) else [whole]
        return [EncodedMessage(part) for part in parts]
