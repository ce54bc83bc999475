"""Endpoints of a supervisor, bound to real sockets."""

from __future__ import annotations

from typing import Any, Final

from twisted.internet import reactor  # noqa: TID251 - real sockets
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory

from txengineio.twistd.supervisor.sockets import Binder

HOST: Final = "127.0.0.1"
REACTOR: Any = reactor
DEADLINE: Final = 60.0


def bind(description: str, slots: int = 2) -> tuple[Binder, IListeningPort]:
    binder = Binder(REACTOR, slots)
    bound: list[Any] = []
    endpoint = serverFromString(binder, description)
    endpoint.listen(Factory()).addBoth(bound.append)
    if not hasattr(bound[0], "getHost"):
        binder.close()
        raise bound[0].value
    return binder, bound[0]
