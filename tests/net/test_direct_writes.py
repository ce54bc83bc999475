"""Writing to a socket at once, and what is left for the reactor to write."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.tcp import Connection
from twisted.internet.testing import StringTransport
from typing_extensions import override

from txengineio.net.direct_writes import can_write_directly, write_directly


class Socket(Connection):
    """A TCP connection whose socket takes as much as the test says."""

    def __init__(self, takes: int | OSError) -> None:
        # Not Twisted's: that wants a real socket.
        self.dataBuffer = b""
        self._tempDataBuffer: list[bytes] = []
        self.connected = 1
        self.disconnecting = False
        vars(self)["socket"] = self
        self.takes = takes
        self.sent = b""
        self.written: list[bytes] = []

    def send(self, data: bytes) -> int:
        if isinstance(self.takes, OSError):
            raise self.takes
        self.sent += data[: self.takes]
        return min(self.takes, len(data))

    @override
    def write(self, data: bytes) -> None:
        self.written.append(data)


def test_only_a_plain_socket_can_be_written_to_directly() -> None:
    assert can_write_directly(Socket(1))
    assert not can_write_directly(StringTransport())
    encrypted: Any = Socket(1)
    encrypted.TLS = True
    assert not can_write_directly(encrypted)


def test_what_the_socket_takes_goes_out_at_once() -> None:
    socket = Socket(100)
    write_directly(socket, b"message")
    assert (socket.sent, socket.written) == (b"message", [])


def test_what_it_does_not_take_is_left_to_the_reactor() -> None:
    socket = Socket(3)
    write_directly(socket, b"message")
    assert (socket.sent, socket.written) == (b"mes", [b"sage"])


@pytest.mark.parametrize("takes", [0, BlockingIOError(), BrokenPipeError()])
def test_a_socket_that_takes_nothing_leaves_all_to_the_reactor(
    takes: int | OSError,
) -> None:
    socket = Socket(takes)
    write_directly(socket, b"message")
    assert (socket.sent, socket.written) == (b"", [b"message"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dataBuffer", b"before"),
        ("_tempDataBuffer", [b"before"]),
        ("connected", 0),
        ("disconnecting", True),
        ("TLS", True),
    ],
)
def test_nothing_overtakes_what_waits_or_goes_to_a_closed_socket_or_around_tls(
    name: str, value: object
) -> None:
    socket = Socket(100)
    setattr(socket, name, value)
    write_directly(socket, b"message")
    assert (socket.sent, socket.written) == (b"", [b"message"])
