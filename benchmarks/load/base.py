"""What every load is to the one who measures: prepare, run, finish."""

from abc import ABC, abstractmethod

from benchmarks.figures import Latency
from benchmarks.load.loop import Address, Loop

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

    def run(self, seconds: float) -> None:
        """Keep the exchange going for that long."""
        self.loop.run(seconds)

    def finish(self) -> None:
        """Wait for what is under way, and check that nothing got lost."""
        return

    def close(self) -> None:
        """Give all sockets back."""
        self.loop.close()
