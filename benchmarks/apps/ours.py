"""The application on txengineio."""

import argparse
import sys

from twisted.internet import asyncioreactor, epollreactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory
from twisted.logger import globalLogBeginner, textFileLogObserver
from txengineio import Engine, EngineIOProtocol
from typing_extensions import override

_BACKLOG = 1024


class Application(EngineIOProtocol):
    """Echo, or broadcast what begins with "B"."""

    @override
    def messageReceived(self, message: str | bytes) -> None:
        """Send the message where it belongs."""
        if isinstance(message, str) and message.startswith("B"):
            self.session.engine.broadcast(message)
        else:
            self.session.send(message)


def install_reactor(name: str) -> None:
    """Install the reactor of that name."""
    if name == "epoll":
        epollreactor.install()
    elif name == "asyncio":
        asyncioreactor.install()
    else:
        import uvloop  # noqa: PLC0415 - an extra

        asyncioreactor.install(uvloop.new_event_loop())


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ping-interval", type=float, default=25.0)
    parser.add_argument("--ping-timeout", type=float, default=20.0)
    parser.add_argument("--reactor", default="epoll")
    arguments = parser.parse_args()
    install_reactor(arguments.reactor)
    from twisted.internet import reactor  # noqa: PLC0415 - installed just now

    # As twistd does it: every event is formatted and written.
    globalLogBeginner.beginLoggingTo(
        [textFileLogObserver(sys.stderr)], redirectStandardIO=False
    )
    engine = Engine(
        Factory.forProtocol(Application),
        ping_interval=arguments.ping_interval,
        ping_timeout=arguments.ping_timeout,
    )
    endpoint = TCP4ServerEndpoint(reactor, 0, backlog=_BACKLOG, interface="127.0.0.1")
    engine.listen(endpoint)
    reactor.run()


if __name__ == "__main__":
    main()
