"""A Socket.IO application that runs in several processes: ``twistd socketio --app``.

The environment says by ``SOCKETIO_KIND`` which of our servers it is; and by
``SOCKETIO_REDIS``, a name and a URL in JSON, which manager, and which Redis; and by
``SOCKETIO_ADMIN`` with which password the Admin UI may look at it.
"""

from __future__ import annotations

import json
import os
from typing import Any

from socketio import AsyncRedisManager, RedisManager

from tests.interop.socketio_serve import as_coroutine
from txengineio import socketio

KIND = os.environ["SOCKETIO_KIND"]


class DirectRedisManager(AsyncRedisManager, socketio.AsyncManager):  # type: ignore[misc]
    """Sends without a task for each recipient."""


class ReactorRedisManager(socketio.ReactorPubSubManager, RedisManager):  # type: ignore[misc]
    """Waits in threads."""


MANAGERS = {
    each.__name__: each
    for each in (AsyncRedisManager, DirectRedisManager, ReactorRedisManager)
}


def manager() -> Any:
    if "SOCKETIO_REDIS" not in os.environ:
        return None
    name, url = json.loads(os.environ["SOCKETIO_REDIS"])
    return MANAGERS[name](url)


sio: Any = getattr(socketio, KIND)(client_manager=manager())
if "SOCKETIO_ADMIN" in os.environ:
    sio.instrument(
        auth={"username": "admin", "password": os.environ["SOCKETIO_ADMIN"]},
        server_stats_interval=0.2,
    )


def handler(function: Any) -> Any:
    sio.on(
        function.__name__, as_coroutine(function) if KIND == "AsyncServer" else function
    )
    return function


@handler
def where(sid: str) -> int:
    return os.getpid()


@handler
def enter(sid: str, who: str, room: str) -> Any:
    return sio.enter_room(who, room)


@handler
def leave(sid: str, who: str, room: str) -> Any:
    return sio.leave_room(who, room)


@handler
def close(sid: str, room: str) -> Any:
    return sio.close_room(room)


@handler
def tell(sid: str, room: str | None, *values: Any) -> Any:
    return sio.emit("told", values, room=room, skip_sid=sid)


@handler
def ask(sid: str, who: str, value: Any) -> Any:
    return sio.call("question", value, to=who)


@handler
def kick(sid: str, who: str) -> Any:
    return sio.disconnect(who)


@handler
def disconnect(sid: str, reason: str) -> Any:
    return sio.emit("left", (sid, reason))
