"""A server whose sessions are served by WAMP components; see wamp_answers.py for one.

    python examples/wamp_bridge.py [PORT [ROUTER]]

ROUTER is the WebSocket address of a WAMP router such as Crossbar.io, which may be
started later, or again: ws://127.0.0.1:8080/ws by default.
"""

import sys

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.python import log

from txengineio import Engine, EngineIOProtocol
from txengineio.wamp import WampBridge


async def main(
    reactor: ReactorBase, port: str = "8081", router: str = "ws://127.0.0.1:8080/ws"
) -> None:
    log.startLogging(sys.stderr, setStdout=False)
    # The application itself does nothing.
    engine = Engine(EngineIOProtocol, reactor=reactor)
    bridge = WampBridge(engine, prefix="com.example.chat")
    listening = await engine.listen(f"tcp:{port}:interface=127.0.0.1")
    address = listening.getHost()
    print(f"Engine.IO at http://127.0.0.1:{address.port}/engine.io/", flush=True)
    reactor.addSystemEventTrigger("before", "shutdown", engine.close)
    await bridge.component(router, "realm1").start(reactor)
    await Deferred[None]()


if __name__ == "__main__":
    react(main, sys.argv[1:])
