"""Taking clients in, and forgetting them, in any release of python-socketio."""

from __future__ import annotations

from typing import Any

__all__ = ["confirm", "forget", "register"]


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
    """Let a client in that `register` has taken in so far."""
    if hasattr(manager, "pre_connect"):
        manager.connect(sid, namespace)


def forget(manager: Any, sid: str, namespace: str) -> None:
    """Have a client be in no room of a namespace; it may have left by itself."""
    if manager.eio_sid_from_sid(sid, namespace) is not None:
        manager.disconnect(sid, namespace, ignore_queue=True)
