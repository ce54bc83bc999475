"""A server that tells how late its timers are; `test_floods` runs it as a process.

It echoes over Engine.IO, and bytes over plain TCP: the other service of its reactor. A
third port tells how late a timer was, at most, since it was asked last: in processor
time of this process, which does not depend on what else the machine does.

Its arguments are the reactor, what the engine is served by, and a PEM file for TLS.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import process_time
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from twisted.internet import asyncioreactor, epollreactor

{"asyncio": asyncioreactor, "epoll": epollreactor}[sys.argv[1]].install()

from twisted.internet import reactor as installed
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory, Protocol
from twisted.web.resource import Resource
from twisted.web.server import Site
from typing_extensions import override

from txengineio import Engine, EngineIOProtocol
from txengineio.server.web.resource import EngineIOResource

reactor: Any = installed
TICK = 0.005


class Echo(EngineIOProtocol):
    @override
    def messageReceived(self, message: str | bytes) -> None:
        self.session.send(message)


class PlainEcho(Protocol):
    @override
    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)


class Lateness:
    """How much is done, at most, between setting a timer and its call."""

    def __init__(self) -> None:
        self.most = 0.0
        self._schedule()

    def _schedule(self) -> None:
        self._set_at = process_time()
        reactor.callLater(TICK, self._tick)

    def _tick(self) -> None:
        self.most = max(self.most, process_time() - self._set_at)
        self._schedule()


class Report(Protocol):
    """Tells the lateness, and begins anew."""

    lateness = Lateness()

    @override
    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        most, self.lateness.most = self.lateness.most, 0.0
        self.transport.write(json.dumps(most).encode() + b"\n")


def serve(kind: str, pem: str | None) -> Any:
    """Have the engine listen; return the Deferred of its port."""
    engine = Engine(Factory.forProtocol(Echo), reactor=reactor)
    where = "tcp:0:interface=127.0.0.1:backlog=1024"
    if pem is not None:
        where = f"ssl:0:interface=127.0.0.1:privateKey={pem}:certKey={pem}"
    endpoint = serverFromString(reactor, where)
    if kind == "listen":
        return engine.listen(endpoint)
    root = Resource()
    root.putChild(b"engine.io", EngineIOResource(engine))
    return endpoint.listen(Site(root))


def main() -> None:
    def tell(port: Any) -> None:
        others = [
            reactor.listenTCP(0, Factory.forProtocol(each), interface="127.0.0.1")
            for each in (PlainEcho, Report)
        ]
        ports = [each.getHost().port for each in (port, *others)]
        print(json.dumps(ports), flush=True)

    serve(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None).addCallback(tell)
    reactor.run()


main()
