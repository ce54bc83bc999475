"""An exchange with txengineio's client."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.internet.task import react
from txengineio import EngineIOProtocol, connect
from typing_extensions import override

from benchmarks.apps.exchange import Exchange


def main() -> None:
    """Exchange the messages."""
    exchange = Exchange.from_command_line()
    over: Deferred[None] = Deferred()

    class Client(EngineIOProtocol):
        @override
        def connectionMade(self) -> None:
            for message in exchange.begin():
                self.session.send(message)

        @override
        def messageReceived(self, message: str | bytes) -> None:
            if exchange.received():
                self.session.send(message)
            if exchange.is_over:
                over.callback(None)

    async def run(reactor: Any) -> None:
        await connect(
            exchange.url,
            Factory.forProtocol(Client),
            reactor=reactor,
            transports=[exchange.transport],
        )
        await over

    react(lambda reactor: Deferred.fromCoroutine(run(reactor)))


if __name__ == "__main__":
    main()
