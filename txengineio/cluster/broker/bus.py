"""What a node says by the broker and hears there: frames, at most once, bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container
from secrets import token_bytes
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from txengineio.cluster.broker.frames import BadFrame, Frame, Own, Seal
from txengineio.cluster.broker.interfaces import (
    BrokerAway,
    BrokerRefused,
    MakeWire,
    Topics,
)
from txengineio.cluster.broker.numbers import Heard, Said
from txengineio.cluster.packets import MAX_MESSAGE
from txengineio.observing.seldom import SeldomLog

__all__ = ["MAX_WAITING", "Bus", "BusUser"]

MAX_WAITING: Final = 8 << 20
"""Bytes that may be under way to the broker: sent or to be sent, not answered yet."""

_OVERHEAD: Final = 256
"""Bytes that a message costs beside its own, at most."""

_ECHO: Final = 16
"""Random bytes by which a node knows what it has said to itself."""


class BusUser(Protocol):
    """What a bus tells."""

    def up(self) -> None:
        """Note that frames can be sent and are heard."""

    def down(self, problem: BrokerAway | BrokerRefused) -> None:
        """Note that they cannot, or are not; or that one more attempt has failed."""

    def echo(self) -> None:
        """Note that this node has heard itself."""

    def is_member(self, name: str, incarnation: bytes) -> bool:
        """Say whether a node is a member, from this start of it."""

    def namesake(self) -> None:
        """Note that another node has the name of this one."""

    def frame(self, frame: Frame) -> None:
        """Take a new frame of a member, or one that says that a node is there."""

    def outside(self, data: bytes) -> None:
        """Take what another program says."""

    def suspect(self, name: str) -> None:
        """Note that the broker has lost a node, which may have ended."""


class Bus:
    """What goes by the way to the broker, and comes.

    Args:
        make_wire: Makes the way.
        topics: What nodes publish on.
        seal: Proves who made a frame.
        said: Makes the frames of this node.
        counts: What is counted: messages that were dropped on the way out, as the
            broker was ``away``, as too much waits for it (``full``), as it is too
            ``large``, or as there is no such node (``gone``); those that are perhaps
            lost with a connection (``gone``, too); ``unheard`` ones, as nobody was
            there. And frames that were ``lost`` on their way to this node, ``forged``,
            of another ``version``, of a ``stranger``, or came ``again``.
        seconds: Tells the time, for lines in the log.
        hears_outside: Whether other programs may say something.
        user: Is told what happens.

    Attributes:
        wire: The way to the broker.
        waiting: Bytes under way to the broker.
    """

    _log = Logger()

    def __init__(  # noqa: PLR0913 - all of it is named
        self,
        *,
        make_wire: MakeWire,
        topics: Topics,
        seal: Seal,
        said: Said,
        counts: Counter[str],
        seconds: Callable[[], float],
        hears_outside: bool,
        user: BusUser,
    ) -> None:
        self.waiting = 0
        self._topics = topics
        self._seal = seal
        self._said = said
        self._heard = Heard()
        # What this node says to itself, which may have no incarnation yet.
        self._echo = token_bytes(_ECHO)
        self._echoed = 0
        self._counts = counts
        self._user = user
        self._seldom = SeldomLog(self._log, seconds)
        # Which start of each node was told something, since they were marked.
        self._told: dict[str, bytes] = {}
        hears = [topics.all, topics.node(said.name)]
        self._outside = topics.outside if hears_outside else None
        if self._outside is not None:
            hears.append(self._outside)
        self.wire = make_wire(self, hears)

    # --- what the wire tells ----------------------------------------------------------

    def up(self) -> None:
        """Note that frames can be sent and are heard; see `WireUser`."""
        self._user.up()

    def down(self, problem: BrokerAway | BrokerRefused) -> None:
        """Note that they cannot, or are not; see `WireUser`."""
        self._user.down(problem)

    def suspect(self, name: str) -> None:
        """Note that the broker has lost a node; see `WireUser`."""
        self._user.suspect(name)

    def heard(self, channel: bytes, data: bytes) -> None:
        """Take what was published; see `WireUser`."""
        if channel == self._outside:
            self._user.outside(data)
            return
        try:
            frame = self._seal.decode(channel, data)
        except BadFrame as bad:
            self._counts[bad.reason] += 1
            self._seldom.warn(
                bad.reason,
                "what was published on {channel} is dropped: {reason}",
                channel=channel.decode(errors="replace"),
                reason=bad,
            )
            return
        if frame.sender == self._said.name:
            self._hear_own(frame)
        elif frame.own is not Own.HERE and not self._user.is_member(
            frame.sender, frame.incarnation
        ):
            self._counts["stranger"] += 1
        elif self._is_new(frame, channel == self._topics.all):
            self._user.frame(frame)

    def _hear_own(self, frame: Frame) -> None:
        if frame.own is Own.PROBE and frame.payload == self._echo:
            # One that is published again does not say that this node is heard.
            if frame.serial > self._echoed:
                self._echoed = frame.serial
                self._user.echo()
        elif frame.incarnation != self._said.incarnation:
            self._user.namesake()

    def is_new(self, frame: Frame) -> bool:
        """Note what the key of a node says; say whether it is newer than what is known.

        If not, its node has not written it: that says more by now.
        """
        return self._heard.is_new(frame)

    def forget(self, members: Container[str], seconds: int) -> None:
        """Forget nodes that have been no members for long; see `Heard.forget`."""
        for name in self._heard.forget(members, seconds):
            self._said.forget(name)

    def _is_new(self, frame: Frame, is_for_all: bool) -> bool:
        lost = self._heard.lost_before(frame, is_for_all)
        if lost is None:
            self._counts["again"] += 1
            self._seldom.warn(
                "again",
                "a frame of node {node}, or of an earlier start of it, came again, and "
                "is dropped",
                node=frame.sender,
            )
            return False
        if lost:
            self._counts["lost"] += lost
            self._seldom.warn(
                "lost",
                "{lost} messages of node {node} to {whom} are lost",
                lost=lost,
                node=frame.sender,
                whom="all" if is_for_all else "this node",
            )
        return True

    # --- what this node says ----------------------------------------------------------

    def publish(self, kind: bytes, payload: bytes) -> bool:
        """Send a message to all; say whether it is under way."""
        number = self._said.next_to_all()
        return self._send(self._topics.all, number, kind, payload)

    def tell(
        self, node: str, incarnation: bytes | None, kind: bytes, payload: bytes
    ) -> bool:
        """Send a message to a node, to that start of it; say whether it is under way.

        None stands for a node that is not there.
        """
        if incarnation is None:
            return self._drop("gone", len(payload))
        self._told[node] = incarnation
        number = self._said.next_to_one(node, incarnation)
        return self._send(self._topics.node(node), number, kind, payload)

    def say(self, own: Own, payload: bytes = b"") -> Deferred[Any]:
        """Tell all nodes something of the membership; see `Wire.publish`."""
        return self._publish(self._topics.all, self._said.to_all, own.value, payload)

    def probe(self) -> None:
        """Say something that only this node hears."""
        channel = self._topics.node(self._said.name)
        said = self._publish(channel, 0, Own.PROBE.value, self._echo)
        said.addErrback(self._not_probed)

    def mark(self) -> None:
        """Let each node that was told something find out whether it has heard all."""
        told, self._told = self._told, {}
        for node, incarnation in told.items():
            channel = self._topics.node(node)
            number = self._said.to_one(node, incarnation)
            said = self._publish(channel, number, Own.MARK.value, b"")
            said.addErrback(_ignore)

    def _send(self, channel: bytes, number: int, kind: bytes, payload: bytes) -> bool:
        """Send a message; if it is dropped, the gap in the numbers tells the others."""
        size = len(payload)
        if size > MAX_MESSAGE:
            return self._drop("large", size)
        size += _OVERHEAD
        if not self.wire.is_up:
            return self._drop("away", size)
        if self.waiting and self.waiting + size > MAX_WAITING:
            return self._drop("full", size)
        self.waiting += size
        published = self._publish(channel, number, kind, payload)
        published.addCallbacks(
            self._published,
            self._not_published,
            callbackArgs=(size,),
            errbackArgs=(size,),
        )
        return True

    def _publish(
        self, channel: bytes, number: int, kind: bytes, payload: bytes
    ) -> Deferred[Any]:
        frame = self._said.encode(channel, kind, number, payload)
        return self.wire.publish(channel, frame)

    def _published(self, hearers: int | None, size: int) -> None:
        self.waiting -= size
        if hearers == 0:
            self._counts["unheard"] += 1

    def _not_probed(self, failure: Failure) -> None:
        problem = failure.value
        failure.trap(BrokerAway, BrokerRefused)
        if isinstance(problem, BrokerRefused):
            self._user.down(problem)

    def _not_published(self, failure: Failure, size: int) -> None:
        self.waiting -= size
        failure.trap(BrokerAway, BrokerRefused)
        self._drop("gone", size)

    def _drop(self, reason: str, size: int) -> bool:
        self._counts[reason] += 1
        self._seldom.warn(
            "dropped",
            "a message of {size} bytes for others is dropped ({reason}): {waiting} "
            "bytes wait for the broker",
            size=size,
            reason=reason,
            waiting=self.waiting,
        )
        return False


def _ignore(failure: Failure) -> None:
    failure.trap(BrokerAway, BrokerRefused)
