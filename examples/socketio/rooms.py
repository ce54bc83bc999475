"""Socket.IO for Twisted code: rooms, a token, and a ticker beside them.

Run it with ``python examples/socketio/rooms.py 8080``. Clients connect with
``auth: {token: "secret"}``, emit ``join`` with the name of a room and ``say`` with the
room and a text; everybody gets ``tick`` once a second.
"""

from __future__ import annotations

import sys
from typing import Any

from socketio.exceptions import ConnectionRefusedError
from twisted.internet import reactor as global_reactor
from twisted.internet.task import LoopingCall
from twisted.web.resource import Resource
from twisted.web.server import Site

from txengineio.socketio import Server, SocketIOResource

reactor: Any = global_reactor
sio: Any = Server()


def connect(sid: str, environ: Any, auth: Any) -> None:
    if not isinstance(auth, dict) or auth.get("token") != "secret":
        raise ConnectionRefusedError("a token, please")


def join(sid: str, room: str) -> list[str]:
    sio.enter_room(sid, room)
    return [each for each in sio.rooms(sid) if each != sid]


def say(sid: str, room: str, text: str) -> None:
    sio.emit("said", (room, text), room=room)


for handler in (connect, join, say):
    sio.on(handler.__name__, handler)

ticker = LoopingCall(sio.emit, "tick")
ticker.start(1.0, now=False)

root = Resource()
root.putChild(b"socket.io", SocketIOResource(sio))
port = reactor.listenTCP(
    int((sys.argv[1:] or ["8080"])[0]), Site(root), interface="127.0.0.1"
)
reactor.addSystemEventTrigger("before", "shutdown", sio.engine.drain, 1.5)
print(f"http://127.0.0.1:{port.getHost().port}", flush=True)
reactor.run()
