"""What a membership needs of the server that its nodes share, and how that may fail.

Such a server, a broker, passes on what nodes publish, and knows which of them has which
name: Redis, or a router of WAMP.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, unique
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from txengineio.cluster.broker.frames import Frame, Seal
from txengineio.cluster.broker.numbers import Said
from txengineio.cluster.membership import Member
from txengineio.errors import EngineIOError
from txengineio.observing.seldom import SeldomLog

__all__ = [
    "BrokerAway",
    "BrokerRefused",
    "Held",
    "MakeWire",
    "Register",
    "Topics",
    "Wire",
    "WireUser",
]


class BrokerAway(EngineIOError):
    """The broker cannot be reached, or the connection was lost before it answered."""


class BrokerRefused(EngineIOError):
    """The broker has answered with an error.

    Args:
        text: What it said, in one line.
        is_transient: Whether the same may work in a moment.
        is_elsewhere: Whether another server has to be asked now.

    Attributes:
        is_transient: As given.
        is_elsewhere: As given.
    """

    def __init__(
        self, text: str, *, is_transient: bool = False, is_elsewhere: bool = False
    ) -> None:
        super().__init__(text)
        self.is_transient = is_transient
        self.is_elsewhere = is_elsewhere


class Topics(Protocol):
    """What nodes publish on; the `Seal` of a frame holds for one topic."""

    @property
    def all(self) -> bytes:
        """What all nodes hear."""

    @property
    def outside(self) -> bytes | None:
        """What other programs publish on; None if they cannot."""

    def node(self, name: str) -> bytes:
        """Return what one node hears."""


class WireUser(Protocol):
    """What a way to the broker tells."""

    def up(self) -> None:
        """Note that frames can be sent, and that all topics are subscribed to."""

    def down(self, problem: BrokerAway | BrokerRefused) -> None:
        """Note that the broker is away, or that an attempt to connect has failed."""

    def heard(self, topic: bytes, data: bytes) -> None:
        """Take what was published on one of the topics."""

    def suspect(self, name: str) -> None:
        """Note that the broker has lost a node, which may have ended."""


class Wire(Protocol):
    """The way to the broker, which is made again as long as it is wanted."""

    @property
    def is_up(self) -> bool:
        """Whether frames can be sent and are heard, as far as it is known."""

    def start(self) -> None:
        """Connect, now and whenever a connection is lost."""

    def stop(self) -> Deferred[Any]:
        """Do not any more; fires when there is no connection."""

    def abort(self) -> None:
        """Drop what connections there are; the next ones are made soon."""

    def publish(self, topic: bytes, data: bytes) -> Deferred[int | None]:
        """Publish something.

        Returns:
            Fires when the broker has it, with how many have heard it; None if it does
            not tell. Fails with `BrokerAway` or `BrokerRefused`; at once if there is
            no connection, as nothing is kept.
        """

    def register(self, seal: Seal, said: Said, seldom: SeldomLog) -> Register:
        """Return what the broker knows of the members.

        Args:
            seal: Proves who has said something.
            said: Makes the frames of this node.
            seldom: Where is said what does not count.
        """


MakeWire = Callable[[WireUser, Sequence[bytes]], Wire]
"""Makes the way to a broker for its user, and for the topics to subscribe to."""


@unique
class Held(Enum):
    """What has come of an attempt to hold a name."""

    TAKEN = 0
    """Another node has it, or had it after this one."""
    UNSETTLED = 1
    """This node has it; others may be about to come back, as the broker was away."""
    SETTLED = 2
    """This node has it, and those who are members have their names, too."""


class Register(Protocol):
    """What the broker knows of the members.

    All methods fail with `BrokerAway` or `BrokerRefused`.
    """

    @property
    def lifetime(self) -> int:
        """Seconds after which the name of a node that died should be free."""

    async def start(self) -> bytes | None:
        """Return an incarnation for this node: greater than those of its name before.

        None if another node has the name.
        """

    async def hold(self, member: Member, is_settled: bool) -> Held:
        """Become a member, or stay one.

        Args:
            member: This node.
            is_settled: Whether it is one for long enough to know that the others, too,
                have had the time to become members again.
        """

    async def release(self) -> bool:
        """Be no member any more; return False if another node has the name."""

    async def others(self) -> list[Frame]:
        """Return what all other members say about themselves."""

    async def find(self, name: str) -> Frame | None:
        """Return what a member says about itself; None if there is none."""
