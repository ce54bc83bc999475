"""Sessions of several workers: requests that come to another one than the session's."""

import socket
from collections.abc import Callable
from itertools import cycle
from time import perf_counter

from typing_extensions import override

from benchmarks import frames
from benchmarks.load.echo import EchoLoad, EchoMessages
from benchmarks.load.loop import Address, LoadError
from benchmarks.load.polling import PollingLoad
from benchmarks.load.sessions import move_to_websocket, open_polling
from benchmarks.load.visits import Place, Visit, VisitLoad

Opened = tuple[socket.socket, str]

# Connections are spread by chance.
_ATTEMPTS = 200


def open_crossed(address: Address, count: int) -> list[Opened]:
    """Open sessions in pairs on two workers, and let each pair change connections.

    Each connection is then with another worker than the session that it is for.

    Raises:
        LoadError: All sessions come to one worker.
    """
    crossed: list[Opened] = []
    for _ in range(count // 2):
        first = open_polling(address)
        second = _open_elsewhere(address, first[1])
        crossed += [(first[0], second[1]), (second[0], first[1])]
    return crossed


def _open_elsewhere(address: Address, sid: str) -> Opened:
    node = _node_of(sid)
    for _ in range(_ATTEMPTS):
        opened = open_polling(address)
        if _node_of(opened[1]) != node:
            return opened
        opened[0].close()
    raise LoadError(f"all sessions come to worker {node}")


def _node_of(sid: str) -> str:
    """Return the worker of a session."""
    return sid.partition("-")[0]


class CrossedPollingLoad(PollingLoad):
    """Kept connections that have come to another worker than the session's."""

    @override
    def open_sessions(self, count: int) -> list[Opened]:
        """Open the sessions, and change their connections."""
        return open_crossed(self.address, count)


class MovedEchoLoad(EchoLoad):
    """WebSockets whose handshake has come to the session's worker, or to another."""

    def __init__(
        self,
        address: Address,
        messages: EchoMessages,
        *,
        connections: int,
        crossed: bool,
    ) -> None:
        super().__init__(address, messages, connections=connections)
        self._crossed = crossed

    @override
    def open_sessions(self, count: int) -> list[tuple[socket.socket, bytes]]:
        """Open polling sessions, and move them to WebSockets."""
        if self._crossed:
            opened = open_crossed(self.address, count)
        else:
            opened = [open_polling(self.address) for _ in range(count)]
        return [move_to_websocket(self.address, *each) for each in opened]


class NewConnectionsLoad(VisitLoad):
    """A POST and a GET of its echo, each on a connection of its own."""

    def __init__(self, address: Address, *, places: int, size: int) -> None:
        super().__init__(address, places=places)
        self._payloads = cycle(
            frames.payload_of([frames.message_text(length, 0)])
            for length in (size, size - 1)
        )
        self._free: list[str] = []

    @override
    def connect(self) -> list[Place]:
        """Open a session for each place."""
        places = super().connect()
        for _ in places:
            opened, sid = open_polling(self.address)
            opened.close()
            self._free.append(sid)
        return places

    @override
    def visit(self, resume: Callable[[], None]) -> Visit:
        """Send a message, and get it back."""
        began_at = perf_counter()
        sid, payload = self._free.pop(), next(self._payloads)
        post = self.link(resume)
        post.send(frames.post_request(self.host, sid, payload))
        response = yield from post.response()
        post.close()
        if response.body != b"ok":
            raise LoadError(f"{response.status} {response.body!r}")
        poll = self.link(resume)
        poll.send(frames.poll_request(self.host, sid))
        response = yield from poll.response()
        poll.close()
        if response.body != payload:
            raise LoadError(f"not the echo: {response.body[:200]!r}")
        self._free.append(sid)
        self.count(began_at)
