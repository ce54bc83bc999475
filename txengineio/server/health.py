"""The page that load balancers ask whether this server takes new clients."""

from __future__ import annotations

from typing import Final, Protocol

from twisted.web.http import Request

from txengineio.server.child_resource import ChildResource
from txengineio.server.cluster import Cluster
from txengineio.server.web.resource import check_engine

__all__ = ["HealthResource", "TakesSessions"]

_UNAVAILABLE: Final = 503

_JOINING: Final = "joining"
"""The state of an engine that does not know the other nodes yet."""

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

    Where there are nodes on other machines, the answer is 503 until the engine is one
    of them. Then there is a line ``cluster: ok``, or ``cluster: degraded`` while it
    does not hear the others. That does not change the status: the engine still serves
    its clients, and when Redis is away, all nodes are degraded at once.

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
        cluster = self._engine.cluster
        is_joining = cluster is not None and cluster.state == _JOINING
        state = _state(not self._engine.is_open)
        is_ready = self._engine.is_open and not is_joining
        if not is_ready:
            request.setResponseCode(_UNAVAILABLE)
        # A node that drains says so, whether it has joined or not.
        is_waiting = is_joining and self._engine.is_open
        lines = ["ok" if is_ready else _JOINING if is_waiting else state]
        if cluster is not None:
            lines += _lines(cluster, state)
        return "".join(f"{line}\n" for line in lines).encode()


def _lines(cluster: Cluster, own: str) -> list[str]:
    states = [(cluster.worker, own)]
    for peer in cluster.peers():
        if not peer.is_near:
            continue
        is_silent = peer.silence > _SILENCE
        states.append((peer.worker, _state(peer.draining, is_silent)))
    known = {worker for worker, _ in states}
    states += [(worker, "missing") for worker in cluster.restarts.keys() - known]
    workers = [f"worker {worker}: {state}" for worker, state in sorted(states)]
    if cluster.state is None:
        return workers
    # A node that is alone on its machine is no worker.
    return [f"cluster: {cluster.state}", *(workers if len(workers) > 1 else ())]


def _state(draining: bool, silent: bool = False) -> str:
    if silent:
        return "silent"
    return "draining" if draining else "open"
