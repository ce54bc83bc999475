"""What both clients do: send messages to an echo server, so many at a time."""

import sys
import time
from argparse import ArgumentParser
from typing import Self

MESSAGE = "m" * 20


class Exchange:
    """Messages out, and back; a process makes one exchange.

    `window` messages are under way at a time. The process's CPU time counts from the
    moment at which `warm_up` of them have come back.
    """

    def __init__(
        self, url: str, transport: str, window: int, count: int, warm_up: int
    ) -> None:
        self.url = url
        self.transport = transport
        self._window = window
        self._count = count
        self._warm_up = warm_up
        self._received = 0
        self._began = 0.0

    @classmethod
    def from_command_line(cls) -> Self:
        """Return the exchange that this process was started for."""
        parser = ArgumentParser()
        parser.add_argument("url")
        parser.add_argument("transport", choices=("polling", "websocket"))
        for name in ("window", "count", "warm_up"):
            parser.add_argument(name, type=int)
        return cls(**vars(parser.parse_args()))

    def begin(self) -> list[str]:
        """Return what to send first."""
        return [MESSAGE] * self._window

    def received(self) -> bool:
        """Count a message; say whether to send another one."""
        self._received += 1
        if self._received == self._warm_up:
            self._began = time.process_time()
        elif self.is_over:
            used = time.process_time() - self._began
            sys.stdout.write(f"{used / self._count * 1e6}\n")
        return self._received + self._window <= self._warm_up + self._count

    @property
    def is_over(self) -> bool:
        """Tell whether everything has come back."""
        return self._received == self._warm_up + self._count
