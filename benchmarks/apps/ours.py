"""The application on txengineio."""

import argparse
import sys
from functools import cache
from typing import Any, cast

from twisted.internet import asyncioreactor, epollreactor
from txengineio import EngineIOProtocol
from typing_extensions import override

_BACKLOG = 1024
_COMMANDS = ("B", "L")
_TICK = 0.005


class Lateness:
    """How late a timer is, at most."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._most = 0.0
        self._schedule()

    def _schedule(self) -> None:
        self._expected = self._reactor.seconds() + _TICK
        self._reactor.callLater(_TICK, self._tick)

    def _tick(self) -> None:
        self._most = max(self._most, self._reactor.seconds() - self._expected)
        self._schedule()

    def take(self) -> float:
        """Return the lateness in seconds, and begin anew."""
        most, self._most = self._most, 0.0
        return most


@cache
def lateness() -> Lateness:
    """Return the timer, which runs from now on."""
    # Only now: it would install a reactor.
    from twisted.internet import reactor  # noqa: PLC0415

    return Lateness(reactor)


class Application(EngineIOProtocol):
    """Echo, broadcast what begins with "B", or tell how late a timer is."""

    # The server's; older revisions, which are measured too, cannot be told so.
    session: Any

    @override
    def messageReceived(self, message: str | bytes) -> None:
        """Send the message where it belongs."""
        if isinstance(message, str) and message.startswith(_COMMANDS):
            if message == "L":
                self.session.send(f"L{lateness().take()}")
            else:
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
    has_workers = "--workers" in others
    module = "benchmarks.apps.ours" if has_workers else "__main__"
    sys.argv += ["--listen", listen, "--app", f"{module}:Application"]
    # Only now: they would install a reactor.
    from twisted.internet import reactor  # noqa: PLC0415
    from twisted.scripts.twistd import run  # noqa: PLC0415

    if has_workers:
        # Trees that are compared may not have it.
        from benchmarks.apps.steering import steer  # noqa: PLC0415

        cast(Any, reactor).callWhenRunning(steer)
    run()


if __name__ == "__main__":
    main()
