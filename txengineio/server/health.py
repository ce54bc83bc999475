"""The page that load balancers ask whether this server takes new clients."""

from __future__ import annotations

from typing import Final, Protocol

from twisted.web.http import Request

from txengineio.server.cluster import Cluster
from txengineio.server.web.child_resource import ChildResource
from txengineio.server.web.resource import check_engine

__all__ = ["HealthResource", "TakesSessions"]

_UNAVAILABLE: Final = 503

_SILENCE: Final = 10.0
"""Seconds without a word after which another process counts as silent."""


class TakesSessions(Protocol):
    """The part of an engine that is asked."""

    @property
    def is_open(self) -> bool:
        """Whether new sessions are let in."""
        ...

    @property
    def cluster(self) -> Cluster | None:
        """The engines of other processes, with this one; None while it is alone."""
        ...


class HealthResource(ChildResource):
    """Answers 200 while the engine takes new sessions, and 503 once it does not.

    The first line of the answer says so, too. Where the engine is one of several, there
    is a line for each of them: ``open``, ``draining``, ``silent`` (nothing heard for a
    while) or ``missing`` (nothing has taken its place). They do not change the status,
    which is this engine's.

    Args:
        engine: The `Engine`.

    Raises:
        InvalidOption: It is something else.
    """

    isLeaf = True

    def __init__(self, engine: TakesSessions) -> None:
        super().__init__()
        check_engine(engine)
        self._engine = engine

    def render_GET(self, request: Request) -> bytes:
        """Tell whether new sessions are let in."""
        request.setHeader(b"Content-Type", b"text/plain; charset=UTF-8")
        request.setHeader(b"Cache-Control", b"no-store")
        state = _state(not self._engine.is_open)
        if not self._engine.is_open:
            request.setResponseCode(_UNAVAILABLE)
        lines = ["ok" if self._engine.is_open else state]
        cluster = self._engine.cluster
        if cluster is not None:
            lines += _lines(cluster, state)
        return "".join(f"{line}\n" for line in lines).encode()


def _lines(cluster: Cluster, own: str) -> list[str]:
    states = [(cluster.worker, own)]
    for peer in cluster.peers():
        is_silent = peer.silence > _SILENCE
        states.append((peer.worker, _state(peer.draining, is_silent)))
    known = {worker for worker, _ in states}
    states += [(worker, "missing") for worker in cluster.restarts.keys() - known]
    return [f"worker {worker}: {state}" for worker, state in sorted(states)]


def _state(draining: bool, silent: bool = False) -> str:
    if silent:
        return "silent"
    return "draining" if draining else "open"
