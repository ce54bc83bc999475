"""What is sent to clients about whom a handler of ``connect`` has not decided yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from txengineio.errors import BufferOverflow
from txengineio.server.broadcast import EncodedMessage
from txengineio.session.backlog import packet_size

__all__ = ["Held"]

_LIMIT: Final = "max_buffered_bytes"


@dataclass(slots=True)
class _Messages:
    """The messages for one client of one namespace, and the memory that they take."""

    messages: list[EncodedMessage] = field(default_factory=list)
    size: int = 0


class Held:
    """Keeps messages back until a client is let in; a client that is refused gets none.

    Releases of python-socketio before 5.18 do not tell who is being asked about: there,
    nothing is held.

    Args:
        manager: Knows the clients.
    """

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self._held: dict[tuple[str, str], _Messages] = {}

    def are_some(self, namespace: str) -> bool:
        """Say whether a client of a namespace waits to be let in."""
        return bool(getattr(self._manager, "pending_connect", {}).get(namespace))

    def keep(
        self,
        sid: str,
        eio_sid: str,
        namespace: str,
        messages: Iterable[EncodedMessage],
    ) -> bool:
        """Keep messages back, if their client waits to be let in; say whether it does.

        More than ``max_buffered_bytes`` end its session, as if it did not read them.
        """
        if not self._manager.is_pre_connected(sid, namespace):
            return False
        held = self._held.setdefault((namespace, sid), _Messages())
        for message in messages:
            held.messages.append(message)
            held.size += packet_size(message.data)
        self._check(held.size, eio_sid)
        return True

    def release(self, sid: str, namespace: str) -> None:
        """Send what was kept for a client that is let in."""
        held = self._held.pop((namespace, sid), None)
        if held is None:
            return
        eio_sid = self._manager.eio_sid_from_sid(sid, namespace)
        for message in held.messages:
            self._manager.server.eio.deliver(eio_sid, message)

    def drop(self, sid: str, namespace: str) -> None:
        """Forget what was kept for a client that is gone."""
        self._held.pop((namespace, sid), None)

    def _check(self, size: int, eio_sid: str) -> None:
        server = self._manager.server
        limit = server.engine.options.max_buffered_bytes
        client = server.eio.sockets.get(eio_sid)
        if limit is not None and size > limit and client is not None:
            client.session.overflowed(BufferOverflow(size, limit, _LIMIT))
