"""`Manager`: rooms of one process, for `Server` and `ThreadedServer`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import socketio
from typing_extensions import override

from txengineio.integrations.socketio.managers.delivery import Audience, emit
from txengineio.integrations.socketio.managers.held import Held

__all__ = ["Manager"]


class Manager(socketio.Manager):  # type: ignore[misc]  # no annotations
    """Keeps rooms as python-socketio's; encodes an event once for all who get it."""

    # Whatever the managers before it take: it goes with any.
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.held = Held(self)

    @override
    def connect(self, sid: str, namespace: str) -> Any:
        """Let a client in."""
        sid = super().connect(sid, namespace)
        self.held.release(sid, namespace)
        return sid

    @override
    def basic_disconnect(self, sid: str, namespace: str, **keywords: Any) -> None:
        """Forget a client."""
        super().basic_disconnect(sid, namespace, **keywords)
        self.held.drop(sid, namespace)

    @override
    def emit(  # as upstream
        self,
        event: str,
        data: Any,
        namespace: str | None = None,
        room: Any = None,
        skip_sid: Any = None,
        callback: Callable[..., Any] | None = None,
        to: Any = None,
        **kwargs: Any,
    ) -> None:
        """Send an event to those who are in a room: one client, some, or all."""
        emit(self, event, data, Audience.of(namespace, to or room, skip_sid), callback)

    def number_question(self, sid: str, callback: Callable[..., Any]) -> int:
        """Return the number by which a client is to answer, to a callback."""
        number: int = self._generate_ack_id(sid, callback)
        return number
