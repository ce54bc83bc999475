"""Membership in a cluster whose nodes share a broker, such as Redis.

A node is a member as long as the broker keeps its name, which it sees to every few
beats; a beat is a second. It also says so to all, and hears itself. A node that another
one has not heard for some time is looked up, and only if the broker has not got it
either, and the node itself does not answer, it is no member any more. While the broker
is away nobody dies: the state is ``DEGRADED``, members stay members, messages are
dropped and counted, until this node hears itself again.

A node may be stopped for so long that another one gets its name. It is ``JOINING`` then
and says nothing, until it has a name again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred, TimeoutError, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from txengineio.cluster.broker.bus import Bus
from txengineio.cluster.broker.frames import (
    Frame,
    Own,
    Seal,
    decode_member,
    encode_member,
)
from txengineio.cluster.broker.interfaces import (
    BrokerAway,
    BrokerRefused,
    Held,
    MakeWire,
    Topics,
)
from txengineio.cluster.broker.members import Members
from txengineio.cluster.broker.name import Name
from txengineio.cluster.broker.numbers import Said
from txengineio.cluster.broker.tasks import Tasks
from txengineio.cluster.interfaces import Load
from txengineio.cluster.membership import (
    IMembership,
    IMembershipListener,
    Member,
    MembershipState,
)
from txengineio.errors import JoinFailed
from txengineio.observing.seldom import SeldomLog

__all__ = ["DEAF_BEATS", "JOIN_TIMEOUT", "RENEW_BEATS", "BrokerMembership"]

BEAT: Final = 1.0
"""Seconds between two looks at everything."""

PROBE_BEATS: Final = 2
"""Beats after which a node says something to itself."""

RENEW_BEATS: Final = 5
"""Beats after which a node sees to its name, and tells all that it is there."""

FRESH_BEATS: Final = 3
"""Beats for which a node that has heard itself takes it that it hears others, too."""

DEAF_BEATS: Final = 10
"""Beats after which a node that does not hear itself connects anew."""

SETTLE_BEATS: Final = 2
"""Beats after which all nodes are members again, once Redis is back.

It is more than the pause between two attempts to connect. A node that joins meanwhile
waits for them: it is to know all others.
"""

JOIN_TIMEOUT: Final = 10.0
"""Seconds for which a node that is to join waits for the broker."""

LOOK_UP_TIMEOUT: Final = 1.0
"""Seconds until a node that is looked up counts as unknown."""

LEAVE_TIMEOUT: Final = 1.0
"""Seconds for which a node that leaves waits for the broker."""

_PROBLEMS: Final = (BrokerAway, BrokerRefused)


@implementer(IMembership)
class BrokerMembership:
    """One node's membership; see `IMembership`.

    Args:
        make_wire: Makes the way to the broker.
        topics: What nodes publish on.
        seal: Proves that a node of the cluster has said something.
        clock: Counts the beats.
        where: What the broker is called in errors and in the log.
        outside: Takes what other programs say, with the name of this node; returns the
            kind and the payload of a message for this node, or None; a ``ValueError``
            says that it makes no sense. None: they may say nothing.

    Attributes:
        state: How this node stands among the others.
        counts: What `Bus` counts; and ``broken`` messages.
            It may be replaced before `join`.
    """

    _log = Logger()

    def __init__(
        self,
        make_wire: MakeWire,
        topics: Topics,
        seal: Seal,
        clock: IReactorTime,
        *,
        where: str,
        outside: Callable[[str, bytes], tuple[bytes, bytes] | None] | None = None,
    ) -> None:
        self.state = MembershipState.JOINING
        self.counts: Counter[str] = Counter()
        self._make_wire = make_wire
        self._topics = topics
        self._seal = seal
        self._clock = clock
        self._where = where
        self._outside = outside
        self._seldom = SeldomLog(self._log, clock.seconds)
        self._member = Member("", "", Load(""))
        self._beats = 0
        self._beats_deaf = 0
        self._beats_ok = 0
        self._beating: IDelayedCall | None = None
        self._tasks = Tasks(self._failed)
        self._heard_itself: Deferred[None] | None = None
        self._problem: BrokerAway | BrokerRefused | None = None
        self._has_joined = False
        self._leaving: list[Deferred[None]] | None = None

    def join(self, member: Member, listener: IMembershipListener) -> Deferred[None]:
        """Become a member; see `IMembership`."""
        self._member = member
        self._listener = listener
        self._members = Members(listener)
        self._said = Said(self._seal, member.name)
        self._bus = Bus(
            make_wire=self._make_wire,
            topics=self._topics,
            seal=self._seal,
            said=self._said,
            counts=self.counts,
            seconds=self._clock.seconds,
            hears_outside=self._outside is not None,
            user=self,
        )
        self._wire = self._bus.wire
        self._register = self._wire.register(self._seal, self._said, self._seldom)
        self._name = Name(self._register, self._said, self._clock)
        return self._tasks.run("join", self._join)

    def leave(self) -> Deferred[None]:
        """Be no member any more; see `IMembership`."""
        left: Deferred[None] = Deferred()
        if self._leaving is not None:
            if not self._leaving:
                return succeed(None)
            self._leaving.append(left)
            return left
        self._leaving = [left]
        if self._beating is None:
            self._has_left(None)
        else:
            self._tasks.cancel()
            Deferred.fromCoroutine(self._leave()).addBoth(self._has_left)
        return left

    def announce(self, load: Load) -> None:
        """Tell the others what this node's load is; see `IMembership`."""
        is_urgent = load.draining != self._member.load.draining
        self._member = replace(self._member, load=load)
        if is_urgent and self.state is not MembershipState.JOINING:
            self._tasks.start("announce", self._announce)

    def publish(self, kind: bytes, payload: bytes) -> bool:
        """Send a message to all other members; see `IMembership`."""
        is_member = self.state is not MembershipState.JOINING
        return is_member and self._bus.publish(kind, payload)

    def tell(self, node: str, kind: bytes, payload: bytes) -> bool:
        """Send a message to one member; see `IMembership`."""
        is_member = self.state is not MembershipState.JOINING
        if not is_member:
            return False
        incarnation = self._members.incarnation_of(node)
        return self._bus.tell(node, incarnation, kind, payload)

    def look_up(self, name: str) -> Deferred[bool]:
        """Ask whether a node is a member by now; see `IMembership`."""
        if self.state is MembershipState.JOINING or not self._wire.is_up:
            return succeed(False)
        asked = Deferred.fromCoroutine(self._look_up(name))
        return asked.addTimeout(LOOK_UP_TIMEOUT, self._clock).addErrback(_nobody)

    async def _look_up(self, name: str) -> bool:
        found = await self._register.find(name)
        if found is not None:
            self._read(found)
        return name in self._members

    # --- joining and leaving ----------------------------------------------------------

    async def _join(self) -> None:
        self._wire.start()
        self._beat()
        try:
            while not await self._has_become_member():
                pass  # The broker went away meanwhile: try again when it is back.
        except CancelledError:
            if self._leaving is None:
                await self._leave()
            raise JoinFailed("this node leaves before it has joined") from None
        except (JoinFailed, TimeoutError, *_PROBLEMS) as error:
            self._heard_itself = None
            await self._leave()
            if isinstance(error, JoinFailed):
                raise
            problem: object = error
            if isinstance(error, TimeoutError):
                problem = self._problem or f"no answer within {JOIN_TIMEOUT:g} s"
            raise JoinFailed(f"{self._where} cannot be used: {problem}") from error

    async def _has_become_member(self) -> bool:
        heard_itself: Deferred[None] = Deferred()
        heard_itself.addTimeout(JOIN_TIMEOUT, self._clock)
        self._heard_itself = heard_itself
        if self._wire.is_up:
            self._bus.probe()
        await heard_itself
        try:
            if await self._name.take(self._member) is Held.UNSETTLED:
                await deferLater(self._clock, SETTLE_BEATS * BEAT)
            await self._catch_up()
        except BrokerAway:
            return False
        return True

    async def _leave(self) -> None:
        if self._beating is not None:
            self._beating.cancel()
            self._beating = None
        if self._name.is_held and self._wire.is_up:
            released = Deferred.fromCoroutine(self._release())
            released.addTimeout(LEAVE_TIMEOUT, self._clock)
            released.addErrback(lambda failure: failure.trap(TimeoutError, *_PROBLEMS))
            await released
        await self._disconnect()

    async def _release(self) -> None:
        if await self._register.release():
            await self._bus.say(Own.LEFT)

    async def _disconnect(self) -> None:
        stopped = self._wire.stop()
        # A connection on which nothing can be sent does not end by itself.
        aborting = self._clock.callLater(LEAVE_TIMEOUT, self._wire.abort)
        await stopped
        if aborting.active():
            aborting.cancel()

    def _has_left(self, result: object) -> None:
        if isinstance(result, Failure):
            self._log.failure("this node has not left as it should", failure=result)
        self.state = MembershipState.JOINING
        waiting, self._leaving = self._leaving or [], []
        for each in waiting:
            each.callback(None)

    # --- what the bus tells -----------------------------------------------------------

    def up(self) -> None:
        """Find out whether this node hears itself; see `BusUser`."""
        self._beats_deaf = 0
        self._bus.probe()

    def down(self, problem: BrokerAway | BrokerRefused) -> None:
        """Note that the broker is away; see `BusUser`."""
        self._problem = problem
        waiting = self._heard_itself
        if waiting is not None and isinstance(problem, BrokerRefused):
            if not problem.is_transient:
                self._heard_itself = None
                waiting.errback(problem)
        elif self.state is MembershipState.OK:
            self._degrade(problem)

    def echo(self) -> None:
        """Note that this node has heard itself; see `BusUser`."""
        self._beats_deaf = 0
        waiting, self._heard_itself = self._heard_itself, None
        if waiting is not None:
            waiting.callback(None)
        elif self._is_away and self._wire.is_up:
            self._tasks.start("catch up", self._catch_up)

    @property
    def _is_away(self) -> bool:
        """Whether it was a member, and is to be one again."""
        return self._has_joined and self.state is not MembershipState.OK

    def frame(self, frame: Frame) -> None:
        """Take what another node has said; see `BusUser`."""
        own = frame.own
        if own is Own.HERE:
            self._here(frame)
            return
        self._members.heard(frame.sender)
        if own is Own.LEFT:
            self._remove(frame.sender, "has left")
        elif own is None:
            self._listener.heard(frame.sender, frame.kind, frame.payload)

    def is_member(self, name: str, incarnation: bytes) -> bool:
        """Say whether a node is known, from this start of it; see `BusUser`."""
        return self._members.is_member(name, incarnation)

    def namesake(self) -> None:
        """Note that another node has this one's name; see `BusUser`."""
        self._name.has_namesake = True

    def suspect(self, name: str) -> None:
        """Find out whether a node has ended, as the broker has lost it."""
        if name in self._members and self.state is MembershipState.OK:
            self._members.suspect(name)
            self._tasks.start(f"check {name}", partial(self._check, name))

    def outside(self, data: bytes) -> None:
        """Take what another program has said; see `BusUser`."""
        if self._outside is None or self.state is MembershipState.JOINING:
            return
        name = self._member.name
        try:
            message = self._outside(name, data)
        except ValueError as error:
            self.counts["broken"] += 1
            self._seldom.warn(
                "outside",
                "what another program has published is dropped: {error}",
                error=error,
            )
            return
        if message is not None:
            self._listener.heard(name, *message)

    def _here(self, frame: Frame) -> None:
        try:
            member = decode_member(frame.sender, frame.payload)
        except ValueError as error:
            self.counts["broken"] += 1
            self._log.error(
                "node {node} says what makes no sense: {error}",
                node=frame.sender,
                error=error,
            )
            return
        self._members.here(member, frame.incarnation)

    def _read(self, frame: Frame) -> None:
        """Take what a node says when it is asked, unless that is a member already."""
        is_known = self.is_member(frame.sender, frame.incarnation)
        if not is_known and self._bus.is_new(frame):
            self._here(frame)

    def _remove(self, name: str, why: str) -> None:
        self._log.info("node {name} {why}", name=name, why=why)
        self._members.remove(name)

    # --- beats ------------------------------------------------------------------------

    def _beat(self) -> None:
        self._beating = self._clock.callLater(BEAT, self._beat)
        self._beats += 1
        self._beats_deaf += 1
        if not self._wire.is_up:
            return
        if self._beats_deaf > DEAF_BEATS:
            self._degrade(BrokerAway(f"nothing comes back for {DEAF_BEATS} s"))
            self._beats_deaf = 0
            self._wire.abort()
            return
        if self._beats % PROBE_BEATS == 0:
            self._bus.probe()
        if self.state is MembershipState.OK:
            self._beats_ok += 1
            if self._beats % RENEW_BEATS == 0:
                self._tasks.start("renew", self._renew)
            if self._beats_deaf <= FRESH_BEATS:
                for name in self._members.beat():
                    self._tasks.start(f"check {name}", partial(self._check, name))

    async def _renew(self) -> None:
        await self._announce()
        self._bus.mark()
        self._bus.forget(self._members, RENEW_BEATS)

    async def _announce(self) -> None:
        await self._hold_name()
        await self._say_here()

    async def _check(self, name: str) -> None:
        found = await self._register.find(name)
        if found is not None and self._bus.is_new(found):
            self._here(found)
        elif await self._members.is_gone(name):
            self._remove(name, "is gone")

    async def _catch_up(self) -> None:
        """Become a member, or be one again, and learn who the others are."""
        await self._hold_name()
        for found in await self._register.others():
            self._read(found)
        if not self._name.is_held:
            return  # It was found out meanwhile that another node has it.
        await self._say_here()
        self._members.listen_again()
        self._beats_ok = 0
        if self._has_joined:
            self._log.info("{where} is back", where=self._where)
        self._has_joined = True
        self._set_state(MembershipState.OK)

    def _say_here(self) -> Deferred[Any]:
        return self._bus.say(Own.HERE, encode_member(self._member))

    async def _hold_name(self) -> None:
        is_settled = self._beats_ok > SETTLE_BEATS
        if await self._name.hold(self._member, is_settled) is Held.TAKEN:
            # It was stopped for so long that its name was free.
            self._set_state(MembershipState.JOINING)
            name = self._member.name
            raise BrokerRefused(f"another node has the name {name} by now")

    def _degrade(self, problem: BrokerAway | BrokerRefused) -> None:
        if self.state is MembershipState.OK:
            self._log.warn(
                "{where} is away: {problem}; the other nodes stay members, messages to "
                "them are dropped",
                where=self._where,
                problem=problem,
            )
            self._set_state(MembershipState.DEGRADED)

    def _set_state(self, state: MembershipState) -> None:
        if state is not self.state:
            self.state = state
            self._listener.state_changed(state)

    def _failed(self, failure: Failure) -> None:
        problem = failure.value
        if isinstance(problem, BrokerRefused):
            kind, _, _ = str(problem).partition(" ")  # such as OOM
            text = "{where}: {problem}"
            self._seldom.warn(kind, text, where=self._where, problem=problem)
            self._degrade(problem)
            if problem.is_elsewhere:
                # With the next beat.
                self._beats_deaf = DEAF_BEATS
        elif not failure.check(BrokerAway, CancelledError):
            self._log.failure("a task of the membership failed", failure=failure)


def _nobody(failure: Failure) -> bool:
    failure.trap(TimeoutError, *_PROBLEMS)
    return False
