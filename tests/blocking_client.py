"""The blocking client of python-socketio, made to keep the order of messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import socketio

__all__ = ["blocking_client"]


def blocking_client(**options: Any) -> socketio.Client:
    """Make a client that handles the messages of Engine.IO in their order.

    By itself it handles each of them in a thread of its own, and on a busy machine
    bytes may overtake the packet that they belong to: "invalid literal for int() with
    base 10". Here an event's handler runs in the thread that reads, so it must not wait
    for an answer.

    Args:
        options: Those of ``socketio.Client``.
    """
    client = socketio.Client(reconnection=False, **options)
    engine = client.eio
    handle, start = engine.handlers["message"], engine.start_background_task

    def run_or_start(target: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if target == handle:
            return handle(*args, **kwargs)
        return start(target, *args, **kwargs)

    engine.start_background_task = run_or_start
    return client
