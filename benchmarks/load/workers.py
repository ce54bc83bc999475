"""Sessions of several workers: requests that come to another one than the session's."""

import socket
from collections.abc import Callable
from itertools import cycle
from time import perf_counter, sleep

from typing_extensions import override

from benchmarks import frames
from benchmarks.apps.steering import address_for
from benchmarks.load.echo import EchoLoad, EchoMessages
from benchmarks.load.loop import Address, LoadError
from benchmarks.load.polling import PollingLoad
from benchmarks.load.sessions import move_to_websocket, open_polling
from benchmarks.load.visits import Place, Visit, VisitLoad

Opened = tuple[socket.socket, str]

# Connections are spread by chance.
_ATTEMPTS = 200
# Connections that show where those from an address come to.
_LOOKS = 5
_PAUSE = 0.02
# How long the second worker may take when the first one serves.
_START_SECONDS = 10.0
# After so long there is only one.
_ALONE_SECONDS = 2.0


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
    """A POST and a GET of its echo, each on a connection of its own.

    They come from two addresses, and with two workers each address is for one of these
    (`benchmarks.apps.steering`). So there are as many sessions on each worker, whether
    connections come to the session's worker or to the other one.

    Args:
        address: Where to.
        places: How many go on at a time.
        size: Bytes of a message.
        crossed: Whether each connection comes to another worker than the session's.
    """

    def __init__(
        self, address: Address, *, places: int, size: int, crossed: bool
    ) -> None:
        super().__init__(address, places=places)
        self._payloads = cycle(
            frames.payload_of([frames.message_text(length, 0)])
            for length in (size, size - 1)
        )
        self._crossed = crossed
        # Sessions that nobody uses just now, and the addresses to come from.
        self._free: list[tuple[str, str]] = []

    @override
    def connect(self) -> list[Place]:
        """Open a session for each place."""
        places = super().connect()
        sources = [address_for(0), address_for(1)]
        self._wait_until_apart(*sources)
        for _, source, other in zip(places, cycle(sources), cycle(sources[::-1])):
            opened, sid = open_polling(self.address, source)
            opened.close()
            self._free.append((sid, other if self._crossed else source))
        return places

    def _wait_until_apart(self, one: str, another: str) -> None:
        """Wait until each address has its worker: they stand in for each other before.

        Raises:
            LoadError: That does not happen, and it would have to.
        """
        nodes: list[set[str]] = []
        end = perf_counter() + (_START_SECONDS if self._crossed else _ALONE_SECONDS)
        while perf_counter() < end:
            nodes = [self._nodes_of(one), self._nodes_of(another)]
            if nodes[0].isdisjoint(nodes[1]):
                return
            sleep(_PAUSE)
        if self._crossed:
            raise LoadError(f"connections come to workers by chance: {nodes}")

    def _nodes_of(self, source: str) -> set[str]:
        nodes = set()
        for _ in range(_LOOKS):
            opened, sid = open_polling(self.address, source)
            opened.close()
            nodes.add(_node_of(sid))
        return nodes

    @override
    def visit(self, resume: Callable[[], None]) -> Visit:
        """Send a message, and get it back."""
        began_at = perf_counter()
        (sid, source), payload = self._free.pop(), next(self._payloads)
        post = self.link(resume, source)
        post.send(frames.post_request(self.host, sid, payload))
        response = yield from post.response()
        post.close()
        if response.body != b"ok":
            raise LoadError(f"{response.status} {response.body!r}")
        poll = self.link(resume, source)
        poll.send(frames.poll_request(self.host, sid))
        response = yield from poll.response()
        poll.close()
        if response.body != payload:
            raise LoadError(f"not the echo: {response.body[:200]!r}")
        self._free.append((sid, source))
        self.count(began_at)
