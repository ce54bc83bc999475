"""A Socket.IO server by its name, with the options of a command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from twisted.internet.asyncioreactor import AsyncioSelectorReactor

from txengineio.errors import InvalidOption
from txengineio.integrations.socketio.async_server import AsyncServer
from txengineio.integrations.socketio.engine_options import overriding
from txengineio.integrations.socketio.server import Server
from txengineio.loading import NotLoadable, load_object
from txengineio.server.engine import Engine
from txengineio.server.options.engine import EngineOptions

__all__ = ["load_server"]

_EXPECTED: Final = "a Server, ThreadedServer or AsyncServer of txengineio.socketio"


def load_server(name: str, options: Mapping[str, Any]) -> Server | AsyncServer:
    """Import the server that ``package.module:name`` names.

    Args:
        name: The server's.
        options: Options of its engine, which come before those that it is made with.

    Raises:
        NotLoadable: There is no such thing, it is no server of ours, or one that was
            made before the options could be set, or that the reactor cannot run.
    """
    with overriding(options):
        server = load_object(name)
    if not isinstance(server, Server | AsyncServer):
        raise NotLoadable(str(InvalidOption(name, _EXPECTED, server)))
    _check_options(name, server.engine, options)
    clock = server.engine.clock
    if isinstance(server, AsyncServer) and not isinstance(
        clock, AsyncioSelectorReactor
    ):
        raise NotLoadable(
            f"{name} is an AsyncServer, which the reactor {type(clock).__name__} "
            "cannot run: use twistd --reactor asyncio"
        )
    return server


def _check_options(name: str, engine: Engine, options: Mapping[str, Any]) -> None:
    wanted = EngineOptions.from_mapping(options)
    for option in options:
        if getattr(engine.options, option) != getattr(wanted, option):
            raise NotLoadable(
                f"{name} was made before --app was looked at: {option} cannot be set"
            )
