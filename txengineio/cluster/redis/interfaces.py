"""What is needed of a connection to Redis, and how that may fail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from txengineio.cluster.broker.interfaces import BrokerAway, BrokerRefused

__all__ = ["Connect", "Connection", "ConnectionUser", "RedisAway", "RedisRefused"]

_TRANSIENT = ("BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "TRYAGAIN")


class RedisAway(BrokerAway):
    """Redis cannot be reached, or the connection was lost before it answered."""


class RedisRefused(BrokerRefused):
    """Redis has answered a command with an error.

    Args:
        text: What it said, in one line.
    """

    def __init__(self, text: str) -> None:
        super().__init__(
            text,
            is_transient=text.startswith(_TRANSIENT),
            is_elsewhere=text.startswith("READONLY"),
        )


class ConnectionUser(Protocol):
    """What a connection tells."""

    def up(self) -> None:
        """Note that commands can be sent, and that all channels are subscribed to."""

    def down(self, problem: BrokerAway | BrokerRefused) -> None:
        """Note that the connection is lost, or that an attempt to make it failed."""

    def heard(self, channel: bytes, data: bytes) -> None:
        """Take what was published on one of the channels."""


class Connection(Protocol):
    """A connection to Redis, which is made again as long as it is wanted."""

    is_up: bool

    def start(self) -> None:
        """Connect, now and whenever the connection is lost."""

    def stop(self) -> Deferred[None]:
        """Do not any more; fires when there is no connection."""

    def abort(self) -> None:
        """Drop the connection as it is; the next one is made soon."""

    def execute(self, *command: bytes | str | int) -> Deferred[Any]:
        """Send a command.

        Returns:
            Fires with the answer, whose text is bytes. Fails with `RedisRefused`, or
            with `RedisAway`. It does so at once if there is no connection, as nothing
            is kept.
        """


class Connect(Protocol):
    """Makes a connection; `Connection.start` starts it."""

    def __call__(
        self, user: ConnectionUser, channels: Sequence[bytes] = ()
    ) -> Connection:
        """Make a connection.

        Args:
            user: Is told what happens.
            channels: What to subscribe to each time; the connection takes no commands
                then.
        """
