"""Code that blocks: `ThreadedServer` runs handlers in threads, others go on meanwhile.

    python examples/socketio/blocking.py [PORT]

"digest" is acknowledged with a slow hash; the client that asked gets
"progress" on the way. "hello" is answered at once, whatever else runs.
"""

import hashlib
import sys
import time

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.task import react
from twisted.web.resource import Resource
from twisted.web.server import Site

from txengineio.socketio import Server, SocketIOResource, ThreadedServer

STEPS = 4

sio: Server = ThreadedServer()


@sio.event
def digest(sid: str, password: str) -> str:
    digested = password.encode()
    for step in range(STEPS):
        # Any method of the server may be called from any thread.
        sio.emit("progress", f"{step} of {STEPS}", to=sid)
        digested = hashlib.pbkdf2_hmac("sha256", digested, b"salt", 100_000)
        time.sleep(0.1)
    return digested.hex()


@sio.event
def ask(sid: str, question: str) -> str:
    # Blocks this thread, not the server, until the client has answered.
    answer = sio.call("question", question, to=sid)
    return f"{question} {answer}"


@sio.event
def hello(sid: str) -> str:
    return "hello"


async def main(reactor: ReactorBase, port: str = "8080") -> None:
    root = Resource()
    root.putChild(b"socket.io", SocketIOResource(sio))
    endpoint = TCP4ServerEndpoint(reactor, int(port), interface="127.0.0.1")
    address = (await endpoint.listen(Site(root))).getHost()
    print(f"http://127.0.0.1:{address.port}", flush=True)
    reactor.addSystemEventTrigger("before", "shutdown", sio.engine.drain, 1.5)
    await Deferred[None]()


react(main, sys.argv[1:])
