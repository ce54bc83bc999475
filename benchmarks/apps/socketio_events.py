"""The application on Socket.IO: the same events at every server in Python.

``echo`` is acknowledged with its value. ``join`` enters the room, and ``tell`` emits
``told`` to all who are in it.
"""

from typing import Any

# The load knows one path, whatever server it talks to.
PATH = "engine.io"
_ROOM = "room"


def add_coroutines(sio: Any) -> Any:
    """Give a server for asyncio the handlers of the events; returns the server."""

    async def echo(sid: str, data: Any) -> Any:
        return data

    async def join(sid: str) -> None:
        await sio.enter_room(sid, _ROOM)

    async def tell(sid: str, data: Any) -> None:
        await sio.emit("told", data, room=_ROOM)

    for handler in (echo, join, tell):
        sio.on(handler.__name__, handler)
    return sio


def add_functions(sio: Any) -> Any:
    """Give any other server the handlers of the events; returns the server."""

    def echo(sid: str, data: Any) -> Any:
        return data

    def join(sid: str) -> None:
        sio.enter_room(sid, _ROOM)

    def tell(sid: str, data: Any) -> None:
        sio.emit("told", data, room=_ROOM)

    for handler in (echo, join, tell):
        sio.on(handler.__name__, handler)
    return sio
