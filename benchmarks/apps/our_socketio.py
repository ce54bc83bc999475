"""The application on txengineio.socketio."""

import sys
from typing import Any

from benchmarks.apps.socketio_events import PATH, add_coroutines, add_functions

_BACKLOG = 1024


def __getattr__(name: str) -> Any:
    """Make the server that ``--app`` names by its class, once twistd has its reactor.

    Raises:
        AttributeError: There is no such class.
    """
    from txengineio import socketio  # noqa: PLC0415 - it wants the reactor

    if name == "AsyncServer":
        # As the peers' handlers: in order, without a task for each event.
        return add_coroutines(socketio.AsyncServer(async_handlers=False))
    if name in ("Server", "ThreadedServer"):
        return add_functions(getattr(socketio, name)())
    raise AttributeError(name)


def main() -> None:
    """Serve until killed, as `twistd socketio` does; an argument names the class."""
    server_class, *others = sys.argv[1:]
    reactor = "asyncio" if server_class == "AsyncServer" else "epoll"
    sys.argv = ["twistd", "--nodaemon", "--pidfile=", "--reactor", reactor]
    sys.argv += ["socketio", *others, "--path", f"/{PATH}/"]
    sys.argv += ["--listen", f"tcp:0:interface=127.0.0.1:backlog={_BACKLOG}"]
    # This one, whichever tree the library is imported from.
    sys.argv += ["--app", f"__main__:{server_class}"]
    # Only now: it would install a reactor.
    from twisted.scripts.twistd import run  # noqa: PLC0415

    run()


if __name__ == "__main__":
    main()
