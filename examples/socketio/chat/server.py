"""A chat with rooms and a page, by the official client for browsers.

    npm install socket.io-client
    python examples/socketio/chat/server.py [PORT] [CLIENT]

then open the address that it prints in two windows. CLIENT is where npm has put the
client: node_modules/socket.io-client if it is not given.
"""

import sys
from pathlib import Path
from typing import Any

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.task import react
from twisted.web.server import Site
from twisted.web.static import File

from txengineio import ClientScript
from txengineio.socketio import Server, SocketIOResource

CLIENT = "node_modules/socket.io-client"
sio = Server()


@sio.event
def enter(sid: str, name: str, room: str) -> None:
    before = sio.get_session(sid).get("room")
    if before is not None:
        sio.leave_room(sid, f"room {before}")
    sio.save_session(sid, {"name": name[:20] or "nobody", "room": room[:20]})
    sio.enter_room(sid, f"room {room[:20]}")
    tell(sid, "entered")


@sio.event
def say(sid: str, text: str) -> None:
    tell(sid, text[:1000])


def tell(sid: str, text: str) -> None:
    person: dict[str, Any] = sio.get_session(sid)
    if person:
        sio.emit("said", (person["name"], text), room=f"room {person['room']}")


async def main(reactor: ReactorBase, port: str = "8080", client: str = CLIENT) -> None:
    sio.engine.use(ClientScript(client))
    root = File(str(Path(__file__).with_name("page")))
    root.putChild(b"socket.io", SocketIOResource(sio))
    endpoint = TCP4ServerEndpoint(reactor, int(port), interface="127.0.0.1")
    address = (await endpoint.listen(Site(root))).getHost()
    print(f"Chat at http://127.0.0.1:{address.port}/", flush=True)
    reactor.addSystemEventTrigger("before", "shutdown", sio.engine.drain, 1.5)
    await Deferred[None]()


react(main, sys.argv[1:])
