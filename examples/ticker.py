"""A price that changes twice a second, for everybody at once.

python examples/ticker.py [PORT]
"""

import json
import random
import sys

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, react
from twisted.logger import Logger

from txengineio import Engine, EngineIOProtocol

log = Logger()


class Ticker:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.price = 100.0

    def tick(self) -> None:
        self.price *= random.uniform(0.99, 1.01)
        # Encoded once, however many listen.
        self.engine.broadcast(json.dumps({"price": round(self.price, 2)}))


async def main(reactor: ReactorBase, port: str = "8080") -> None:
    engine = Engine(EngineIOProtocol, reactor=reactor)
    ticking = LoopingCall(Ticker(engine).tick)
    # A LoopingCall whose function fails stops for good: at least say so.
    ticking.start(0.5).addErrback(lambda failure: log.failure("stopped", failure))
    listening = await engine.listen(f"tcp:{port}:interface=127.0.0.1")
    address = listening.getHost()
    print(f"Engine.IO at http://127.0.0.1:{address.port}/engine.io/", flush=True)
    reactor.addSystemEventTrigger("before", "shutdown", engine.close)
    await Deferred[None]()


if __name__ == "__main__":
    react(main, sys.argv[1:])
