"""What users begin with: the strictest mode of mypy has nothing to say about it."""

from __future__ import annotations

from twisted.internet.protocol import Factory, connectionDone
from twisted.python.failure import Failure

from txengineio import (
    Engine,
    EngineIOClientService,
    EngineIOProtocol,
    EngineIOResource,
    connect,
)


class Chat(EngineIOProtocol):
    def connectionMade(self) -> None:
        self.session.send("welcome")

    async def messageReceived(self, message: str | bytes) -> None:
        self.session.send(message)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.session.close()


engine = Engine(Factory.forProtocol(Chat), ping_interval=10.0)
resource = EngineIOResource(engine)


async def visit() -> None:
    chat = await connect("http://127.0.0.1:8080", Factory.forProtocol(Chat))
    chat.session.send("hello")
    service = EngineIOClientService(
        "http://127.0.0.1:8080", Factory.forProtocol(Chat), max_queued=10
    )
    await service.send("hello")
