"""A library for asyncio, here aiohttp, called by an application for Twisted.

    python examples/asyncio_inside.py [PORT]

Send an address of the web: the answer is its status and title. (A public server would
look closely at such an address first.) Install aiohttp: pip install aiohttp
"""

import asyncio
import re
import sys

from twisted.internet import asyncioreactor

loop = asyncio.new_event_loop()
asyncioreactor.install(loop)

import aiohttp  # noqa: E402 - the reactor comes before all that may import another
from twisted.internet.base import ReactorBase  # noqa: E402
from twisted.internet.defer import Deferred  # noqa: E402
from twisted.internet.protocol import Factory  # noqa: E402
from twisted.internet.task import react  # noqa: E402

from txengineio import Engine, EngineIOProtocol  # noqa: E402


async def look_up(address: str) -> tuple[int, str | None]:
    """Run by asyncio, and as any of its coroutines."""
    async with aiohttp.ClientSession() as session, session.get(address) as response:
        title = re.search(r"<title>(.*?)</title>", await response.text())
        return response.status, title and title[1]


class Titles(EngineIOProtocol):
    async def messageReceived(self, message: str | bytes) -> None:
        try:
            task = loop.create_task(look_up(str(message)))
            status, title = await Deferred.fromFuture(task)
            self.session.send(f"{status} {title}")
        except (aiohttp.ClientError, ValueError) as error:
            self.session.send(f"failed: {error}")


async def main(reactor: ReactorBase, port: str = "8080") -> None:
    engine = Engine(Factory.forProtocol(Titles), reactor=reactor)
    listening = await engine.listen(f"tcp:{port}:interface=127.0.0.1")
    address = listening.getHost()
    print(f"Engine.IO at http://127.0.0.1:{address.port}/engine.io/", flush=True)
    reactor.addSystemEventTrigger("before", "shutdown", engine.close)
    await Deferred[None]()


if __name__ == "__main__":
    react(main, sys.argv[1:])
