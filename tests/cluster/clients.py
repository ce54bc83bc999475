"""Clients over real sockets, for nodes of whatever kind, and what these serve."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.internet import reactor  # noqa: TID251 - real sockets
from twisted.internet.threads import deferToThread
from typing_extensions import override

from txengineio.application import EngineIOProtocol

__all__ = ["CLOCK", "DEADLINE", "HOST", "POLLING", "Client", "Named", "with_clients"]

HOST: Final = "127.0.0.1"
POLLING: Final = "/engine.io/?EIO=4&transport=polling"
DEADLINE: Final = 60.0
CLOCK: Any = reactor


class Named(EngineIOProtocol):
    """Says where it runs, and what it was sent."""

    @override
    def messageReceived(self, message: str | bytes) -> None:
        node = self.session.id.partition("-")[0]
        self.session.send(f"{node} {len(message)} {message[:20]!r}")


class Client:
    """One connection, used from another thread than the nodes'."""

    def __init__(self, node: Any) -> None:
        self.http = http.client.HTTPConnection(HOST, node.port, timeout=DEADLINE)

    def ask(self, target: str, body: Any = None, **details: Any) -> tuple[int, bytes]:
        method = "GET" if body is None else "POST"
        self.http.request(method, target, body, **details)
        answer = self.http.getresponse()
        return answer.status, answer.read()

    def open(self) -> str:
        status, body = self.ask(POLLING)
        assert status == 200
        sid: str = json.loads(body[1:])["sid"]
        return f"{POLLING}&sid={sid}"

    @property
    def name(self) -> object:
        """Its address: another one is another connection."""
        return self.http.sock and self.http.sock.getsockname()


async def with_clients(nodes: Sequence[Any], work: Callable[..., Any]) -> Any:
    clients = [Client(node) for node in nodes]
    try:
        return await deferToThread(work, *clients)
    finally:
        for client in clients:
            client.http.close()
