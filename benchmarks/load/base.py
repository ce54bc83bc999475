"""What every load is to the one who measures: prepare, run, finish."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import cycle, islice
from typing import Protocol

from typing_extensions import override

from benchmarks.figures import Latency
from benchmarks.load.loop import Address, LoadError, Loop

# Longest wait for what is under way to come to its end.
SETTLE_SECONDS = 60.0


class Load(ABC):
    """Clients that keep one server busy, and count what it did."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.loop = Loop()
        self.operations = 0
        self.latencies: list[Latency] = []

    @abstractmethod
    def prepare(self) -> None:
        """Connect the clients and send what begins the exchange."""

    def warm_up(self, seconds: float) -> None:
        """Have the server do for that long what will be measured."""
        self.run(seconds)

    def run(self, seconds: float) -> None:
        """Keep the exchange going for that long."""
        self.loop.run(seconds)

    def finish(self) -> None:
        """Wait for what is under way, and check that nothing got lost."""
        return

    def close(self) -> None:
        """Give all sockets back."""
        self.loop.close()


class Client(Protocol):
    """One that sends something, and gets something back."""

    @property
    def busy(self) -> bool:
        """Whether something has not come back yet."""

    def begin(self) -> None:
        """Send what begins an exchange."""


class ExchangeLoad(Load):
    """Clients that begin the next exchange when the last one has ended.

    With a `rate`, they begin that many in a second instead, one client after the
    other, however long the server takes.
    """

    def __init__(self, address: Address, *, rate: float | None = None) -> None:
        super().__init__(address)
        self.running = True
        self._rate = rate
        self._clients: Sequence[Client] = ()

    @abstractmethod
    def connect(self) -> Sequence[Client]:
        """Open the sessions of the clients."""

    @override
    def prepare(self) -> None:
        """Connect the clients, and begin an exchange with each of them."""
        self._clients = self.connect()
        for client in self._clients:
            client.begin()

    @override
    def warm_up(self, seconds: float) -> None:
        """Go as fast as the server does: at a low rate it would stay cold for long."""
        self.loop.run(seconds)
        if self._rate is not None:
            self.finish()

    @override
    def run(self, seconds: float) -> None:
        """Keep the exchanges going for that long."""
        if self._rate is None:
            self.loop.run(seconds)
        else:
            turns = cycle(self._clients)
            self.loop.run_at_rate(
                self._rate, seconds, lambda: self._next(turns).begin()
            )

    def _next(self, turns: "cycle[Client]") -> Client:
        for client in islice(turns, len(self._clients)):
            if not client.busy:
                return client
        raise LoadError(f"it does not keep up with {self._rate:g} a second")

    @override
    def finish(self) -> None:
        """Wait until each client has got what it waits for."""
        self.running = False
        self.loop.run_until(
            lambda: not any(client.busy for client in self._clients),
            SETTLE_SECONDS,
            "the last answers",
        )
