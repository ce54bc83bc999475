"""The application on txengineio."""

import argparse
import sys
from typing import Any

from twisted.internet import asyncioreactor, epollreactor
from txengineio import EngineIOProtocol
from typing_extensions import override

_BACKLOG = 1024


class Application(EngineIOProtocol):
    """Echo, or broadcast what begins with "B"."""

    # The server's; older revisions, which are measured too, cannot be told so.
    session: Any

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
    """Serve until killed, as `twistd engineio` does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--reactor", default="epoll")
    arguments, others = parser.parse_known_args()
    install_reactor(arguments.reactor)
    listen = f"tcp:0:interface=127.0.0.1:backlog={_BACKLOG}"
    sys.argv = ["twistd", "--nodaemon", "--pidfile=", "engineio", *others]
    # This one, whichever tree the library is imported from; workers are other programs.
    module = "benchmarks.apps.ours" if "--workers" in others else "__main__"
    sys.argv += ["--listen", listen, "--app", f"{module}:Application"]
    # Only now: it would install a reactor.
    from twisted.scripts.twistd import run  # noqa: PLC0415

    run()


if __name__ == "__main__":
    main()
