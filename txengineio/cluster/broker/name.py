"""A node's name in the cluster, which it alone has as long as the broker keeps it."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from txengineio.cluster.broker.interfaces import Held, Register
from txengineio.cluster.broker.numbers import Said
from txengineio.cluster.membership import Member
from txengineio.errors import JoinFailed

__all__ = ["Name"]


class Name:
    """The name of one node.

    Args:
        register: What the broker knows.
        said: Makes the frames of this node, which tell its start.
        clock: Where time comes from.

    Attributes:
        is_held: Whether this node has its name, for all that it knows.
        has_namesake: Whether another node was heard that has it.
    """

    _log = Logger()

    def __init__(self, register: Register, said: Said, clock: IReactorTime) -> None:
        self.is_held = False
        self.has_namesake = False
        self._register = register
        self._said = said
        self._clock = clock

    async def take(self, member: Member) -> Held:
        """Get the name; wait until whoever had it last is gone.

        Raises:
            JoinFailed: Another node has it.
            BrokerAway: The broker cannot be reached.
            BrokerRefused: The broker does not do it.
        """
        lifetime = self._register.lifetime
        for second in range(lifetime + 2):
            held = await self.hold(member, is_settled=False)
            if held is not Held.TAKEN:
                return held
            if self.has_namesake:
                break
            if not second:
                self._log.info(
                    "a node {name} is a member, or was one until a moment ago: this "
                    "one waits for at most {seconds} s",
                    name=member.name,
                    seconds=lifetime,
                )
            await deferLater(self._clock, 1.0)
        raise JoinFailed(f"another node of the cluster has the name {member.name}")

    async def hold(self, member: Member, is_settled: bool) -> Held:
        """Get the name, or keep it; see `Register.hold`, also for errors."""
        if not self._said.incarnation:
            started = await self._register.start()
            if started is None:
                self.is_held = False
                return Held.TAKEN
            self._said.begin(started)
        incarnation = self._said.incarnation
        held = await self._register.hold(member, is_settled)
        if self._said.incarnation == incarnation:
            self.is_held = held is not Held.TAKEN
            if not self.is_held:
                # If it gets the name again, it has to be later than that other one.
                self._said.end()
        return held
