"""A text game: one protocol class, in place of a long-poll and a WebSocket by hand.

    npm install engine.io-client
    python examples/mud/server.py [PORT] [CLIENT]

then open the address that it prints in two windows. The game itself is in world.py.
"""

import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.internet.task import react
from twisted.python.failure import Failure
from twisted.web.server import Site
from twisted.web.static import File
from world import Player, players

from txengineio import ClientScript, Engine, EngineIOProtocol, EngineIOResource, Session

CLIENT = "node_modules/engine.io-client"
CONNECTION = Path(__file__).parents[1] / "applause" / "page" / "connection.js"


class Plays(EngineIOProtocol[Session]):
    player: Player | None = None

    def connectionMade(self) -> None:
        self.session.send("What is your name?")

    def messageReceived(self, message: str | bytes) -> None:
        line = str(message)[:200]
        if self.player is not None:
            self.player.command(line)
        elif not (name := line.strip()[:20]) or name in players:
            self.session.send("That will not do. Which other name?")
        else:
            self.player = Player(name, self.session.send)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.player is not None:
            self.player.leave()


async def main(reactor: Any, port: str = "8080", client: str = CLIENT) -> None:
    engine = Engine(Plays, reactor=reactor)
    engine.use(ClientScript(client))
    root: Any = File(str(Path(__file__).with_name("page")))
    root.putChild(b"connection.js", File(str(CONNECTION)))
    root.putChild(b"engine.io", EngineIOResource(engine))
    listening = reactor.listenTCP(int(port), Site(root), interface="127.0.0.1")
    address = listening.getHost()
    print(f"A game at http://127.0.0.1:{address.port}/", flush=True)
    reactor.addSystemEventTrigger("before", "shutdown", engine.close)
    await Deferred[None]()


react(main, sys.argv[1:])
