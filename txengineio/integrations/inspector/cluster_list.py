"""The sessions of all engines of a cluster, as people get to see them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final
from weakref import WeakValueDictionary

from txengineio.integrations.inspector.reports import Part, Row, needed, report
from txengineio.integrations.inspector.selection import Query
from txengineio.integrations.inspector.session_list import SessionList
from txengineio.server.cluster import Cluster
from txengineio.server.engine import Engine

__all__ = ["ClusterList", "sessions_of"]

_LIST: Final = "engineio.inspector.list"
_CLOSE: Final = "engineio.inspector.close"
_CLOSED: Final = b"1"


class ClusterList:
    """Lists the sessions of all engines, and closes those that are pointed at.

    Args:
        engine: The engine.

    Attributes:
        cluster: The other ones; None where it is alone.
    """

    def __init__(self, engine: Engine) -> None:
        self.cluster: Cluster | None = engine.cluster
        self._own = SessionList(engine)
        if self.cluster is not None:
            self.cluster.answer(_LIST, self._asked_to_list)
            self.cluster.answer(_CLOSE, self._asked_to_close)

    @property
    def total(self) -> int:
        """How many sessions there are; seconds old for those of other engines."""
        return self._own.total if self.cluster is None else self.cluster.sessions

    async def report(self, query: Query) -> dict[str, Any]:
        """Describe the sessions that are asked for, see `report`.

        Returns:
            Its values; and if there are several engines ``nodes``, how many sessions
            each has, by the names of those that have answered.
        """
        if self.cluster is None:
            return await self._own.report(query)
        workers = {peer.name: peer.worker for peer in self.cluster.peers()}
        asking = self.cluster.ask(_LIST, json.dumps(asdict(query)).encode())
        parts = {self.cluster.node: await self._own.part(query)}
        missing = []
        for name, answer in (await asking).items():
            if answer is None:
                missing.append(workers.get(name, name))
            else:
                parts[name] = _part_from(json.loads(answer))
        nodes = {name: parts[name].transports.total() for name in sorted(parts)}
        return {**report(query, [*parts.values()], missing), "nodes": nodes}

    async def close(self, handle: str) -> bool:
        """Close the session that a handle stands for; say whether there was one."""
        if self._own.close(handle):
            return True
        if self.cluster is None:
            return False
        answers = await self.cluster.ask(_CLOSE, handle.encode())
        return _CLOSED in answers.values()

    async def _asked_to_list(self, _node: str, data: bytes) -> bytes:
        query = Query(**json.loads(data))
        return json.dumps(_values_of(await self._own.part(query), query)).encode()

    def _asked_to_close(self, _node: str, handle: bytes) -> bytes:
        return _CLOSED if self._own.close(handle.decode()) else b""


_lists: Final[WeakValueDictionary[int, ClusterList]] = WeakValueDictionary()
"""Those that are in use, by the ``id`` of their engines, which they keep."""


def sessions_of(engine: Engine) -> ClusterList:
    """Return the list of an engine's sessions, the same for all pages.

    It answers the other engines, which one alone can do.
    """
    found = _lists.get(id(engine))
    if found is None:
        found = _lists[id(engine)] = ClusterList(engine)
    return found


def _values_of(part: Part, query: Query) -> dict[str, Any]:
    """Return a part in values that JSON knows, as far as the page needs it."""
    best = ((key, row()) for key, row in part.best[: needed(query)])
    return {
        "transports": part.transports,
        "matching": part.matching,
        "handshakes": part.handshakes,
        "upgrades": part.upgrades,
        "own": None if part.own is None else part.own(),
        "best": [(key, row) for key, row in best if row is not None],
    }


def _part_from(values: dict[str, Any]) -> Part:
    own = values["own"]
    best: Sequence[tuple[Any, dict[str, Any]]] = values["best"]
    return Part(
        transports=Counter(values["transports"]),
        matching=values["matching"],
        handshakes=values["handshakes"],
        upgrades=values["upgrades"],
        own=None if own is None else _made(own),
        best=[(key, _made(row)) for key, row in best],
    )


def _made(row: dict[str, Any]) -> Row:
    return lambda: row
