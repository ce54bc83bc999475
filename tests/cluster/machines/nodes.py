"""Nodes of several machines in one process: real sockets, a membership in memory."""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.interfaces import IStreamServerEndpoint
from typing_extensions import override

from tests.cluster.clients import CLOCK, HOST, Named
from tests.cluster.machines.town import Town
from txengineio.cluster.machines.joining import MachinesCluster
from txengineio.cluster.membership import IMembership, MembershipMaker
from txengineio.server.engine import Engine
from txengineio.server.web.site import DEFAULT_PATH, engine_site

__all__ = ["SECRET", "MemoryCluster", "Node"]

SECRET: Final = b"a secret of 32 bytes, at least.."


class MemoryCluster(MachinesCluster):
    """A cluster whose nodes find each other in memory."""

    def __init__(
        self,
        town: Town,
        listen: str | IStreamServerEndpoint = f"tcp:0:interface={HOST}",
        **details: Any,
    ) -> None:
        self.town = town
        super().__init__("memory:", listen=listen, **{"secret": SECRET, **details})

    @override
    def maker(self, url: str) -> MembershipMaker:
        return self._membership

    def _membership(self, url: str, *_others: object) -> IMembership:
        assert url == "memory:"
        return self.town.membership()


class Node:
    """An engine that serves a port, and knows the other ones."""

    def __init__(self, name: str, town: Town, **details: Any) -> None:
        self.name = name
        self.cluster = MemoryCluster(town, **details)
        self.engine = Engine(Named, reactor=CLOCK, node_name=name, cluster=self.cluster)
        self.site = engine_site(self.engine, reactor=CLOCK)
        self.port = 0
        self._listener: Any = None

    async def start(self) -> None:
        await self.engine.join()
        self._listener = CLOCK.listenTCP(0, self.site, interface=HOST)
        self.port = self._listener.getHost().port

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}{DEFAULT_PATH}"

    @property
    def links(self) -> Any:
        """Where other nodes connect to, to be closed as if the process had ended."""
        return self.cluster._port

    async def stop(self) -> None:
        if self._listener is not None:
            await self._listener.stopListening()
        await self.engine.close()
        await self.engine.leave()
