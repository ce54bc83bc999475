"""The epoll loop of the load generator and its non-blocking connections."""

import select
import socket
from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple, Protocol

from typing_extensions import override

_RECEIVE_SIZE = 262_144
# Upper bound of one wait, so that a deadline is noticed without an event.
_LONGEST_WAIT = 0.05
# `IP_BIND_ADDRESS_NO_PORT`, which Python has no name for.
_LATE_PORT = 24


class LoadError(Exception):
    """The server did something else than the scenario expects."""


class Address(NamedTuple):
    """Where the server under test listens."""

    host: str
    port: int

    @override
    def __str__(self) -> str:
        """Return the value of the Host header."""
        return f"{self.host}:{self.port}"


class Watched(Protocol):
    """What has a descriptor that a loop watches."""

    def ready(self, events: int) -> None:
        """Do what the events allow."""

    def close(self) -> None:
        """Give the descriptor back."""


class Loop:
    """A level-triggered epoll loop that ends at a time or on a condition."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._connections: dict[int, Watched] = {}

    def add(self, descriptor: int, connection: Watched) -> None:
        """Tell `connection` when its descriptor is readable."""
        self._connections[descriptor] = connection
        self._epoll.register(descriptor, select.EPOLLIN)

    def watch_writing(self, descriptor: int, wanted: bool) -> None:
        """Say whether `descriptor` is also to be reported as writable."""
        mask = select.EPOLLIN | (select.EPOLLOUT if wanted else 0)
        self._epoll.modify(descriptor, mask)

    def remove(self, descriptor: int) -> None:
        """Forget `descriptor`, which is still open."""
        self._epoll.unregister(descriptor)
        del self._connections[descriptor]

    def run(self, seconds: float) -> None:
        """Handle events for that long."""
        end = perf_counter() + seconds
        while (left := end - perf_counter()) > 0:
            self._turn(min(left, _LONGEST_WAIT))

    def run_at_rate(self, rate: float, seconds: float, act: Callable[[], None]) -> None:
        """Act that often a second, for that long, and handle events meanwhile.

        Whoever is late for some of them does these at once.
        """
        began_at = perf_counter()
        for number in range(1, round(rate * seconds) + 1):
            due = began_at + number / rate
            while (left := due - perf_counter()) > 0:
                # By itself epoll waits for whole milliseconds.
                if select.select([self._epoll], [], [], left)[0]:
                    self._turn(0)
            act()

    def run_until(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        """Handle events until `done` returns true.

        Raises:
            LoadError: It took longer than `seconds`; `what` names the wait.
        """
        end = perf_counter() + seconds
        while not done():
            if perf_counter() > end:
                raise LoadError(f"timed out after {seconds:g} s: {what}")
            self._turn(_LONGEST_WAIT)

    def _turn(self, wait: float) -> None:
        connections = self._connections
        for descriptor, events in self._epoll.poll(wait):
            # What was done before may have closed a connection that comes later.
            connection = connections.get(descriptor)
            if connection is not None:
                connection.ready(events)

    def close(self) -> None:
        """Close all connections and the loop itself."""
        for connection in list(self._connections.values()):
            connection.close()
        self._epoll.close()


class Connection:
    """A non-blocking TCP connection that hands what it reads to a function."""

    __slots__ = ("_ended", "_loop", "_received", "_socket", "_unsent")

    def __init__(
        self,
        loop: Loop,
        opened: socket.socket,
        received: Callable[[bytes], None],
        ended: Callable[[], None],
    ) -> None:
        opened.setblocking(False)
        self._loop = loop
        self._socket = opened
        self._received = received
        self._ended = ended
        self._unsent = b""
        loop.add(opened.fileno(), self)

    def send(self, data: bytes | memoryview) -> None:
        """Send `data`, later what the socket does not take at once."""
        if self._unsent:
            self._unsent += data
            return
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._unsent = bytes(data[sent:])
            self._loop.watch_writing(self._socket.fileno(), True)

    def close(self) -> None:
        """Close the connection, without calling `ended`."""
        if self._socket.fileno() >= 0:
            self._loop.remove(self._socket.fileno())
            self._socket.close()

    def ready(self, events: int) -> None:
        """Write and read, whatever the events allow."""
        if events & select.EPOLLOUT:
            unsent, self._unsent = self._unsent, b""
            self._loop.watch_writing(self._socket.fileno(), False)
            self.send(unsent)
        if events & ~select.EPOLLOUT:
            self._read()

    def _read(self) -> None:
        try:
            data = self._socket.recv(_RECEIVE_SIZE)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if data:
            self._received(data)
        else:
            self.close()
            self._ended()


def connect(
    address: Address, seconds: float = 20.0, *, source: str | None = None
) -> socket.socket:
    """Open a blocking connection; on the loopback interface it is immediate.

    Args:
        address: Where to.
        seconds: How long it may take.
        source: The address that it comes from, if that matters.
    """
    opened = socket.socket()
    opened.settimeout(seconds)
    if source is not None:
        # The port is chosen when it is known where the connection goes: there are more.
        opened.setsockopt(socket.IPPROTO_IP, _LATE_PORT, 1)
        opened.bind((source, 0))
    opened.connect(address)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened


def unexpected_end() -> None:
    """Refuse the end of a connection that the scenario keeps open.

    Raises:
        LoadError: Always.
    """
    raise LoadError("the server closed a connection")
