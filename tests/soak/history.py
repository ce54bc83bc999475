"""What must hold of all that happened to sessions, whatever happened to processes.

Each message carries the name of its session's client and a number, from 0 on. A
session's client and the application on the server each write down what they have got,
and how often they were told that the session is over; here both are compared.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

__all__ = [
    "AFTER",
    "Event",
    "Failure",
    "Fate",
    "Ledger",
    "Received",
    "Session",
    "bystanders",
    "check",
    "check_failures",
    "returns",
]

LAST_POST = 5
"""Messages that a closing session may acknowledge and drop, as engine.io does: those of
the POST that was under way when the goodbye was."""

NEAR = 2.0
"""Seconds after a kill in which others notice what was in the process that died."""


AFTER = "after "
"""What the name of a node begins with that tells when others may notice its end."""


class Event(Enum):
    """What ends sessions of a node, or does not."""

    NOTHING = auto()
    """It has served to the end."""

    RETIRED = auto()
    """Another process has taken its place; it has told its sessions goodbye."""

    KILLED = auto()
    """It ended at once, and told nobody."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What has become of a node.

    Attributes:
        event: What has happened.
        since: When that began, in the time of `Session`: none ends before.
        dead: When the process was gone, if it was killed.
        has_left: Whether it may have told its sessions goodbye before that.
    """

    event: Event = Event.NOTHING
    since: float = 0.0
    dead: float = 0.0
    has_left: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """A message, as it was received.

    Attributes:
        client: Whose it is.
        number: Which one it is.
    """

    client: str
    number: int


@dataclass(slots=True, kw_only=True)
class Session:
    """A session, as its client has seen it; times are seconds of one clock.

    Attributes:
        client: The name that the messages of this session carry.
        place: Which client it is, whose sessions follow each other.
        sid: Its id, which begins with the name of its node.
        opened: When it was open.
        sent: How many messages the client has sent.
        acknowledged: Of how many the server has said that it has them.
        received: What has come back.
        damaged: What came back, and was no message of this test.
        ends: When the client was told that it is over, each time.
        is_complete: Whether the client has left by itself, when all was there.
        has_moved: Whether it was a WebSocket at last.
        cut_off_by: What may have cut off its way to its node when it ended, for people.
        broke_off_at: The nodes whose end may have ended it, as its WebSocket went
            through them; None if that is not known.
        patience: Seconds in which the client may not notice that a request has failed.
        detail: How it ended, for people.
    """

    client: str
    place: int = 0
    sid: str = ""
    opened: float = 0.0
    sent: int = 0
    acknowledged: int = 0
    received: list[Received] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    is_complete: bool = False
    has_moved: bool = False
    cut_off_by: str = ""
    broke_off_at: Container[str] | None = None
    patience: float = NEAR
    detail: str = ""

    @property
    def node(self) -> str:
        """The node that it is on."""
        return self.sid.partition("-")[0]


@dataclass(slots=True)
class Ledger:
    """A session, as the application on the server has seen it.

    Attributes:
        received: The messages that it has got.
        ends: Why it is over, each time that it was told.
    """

    received: list[Received] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt to open a session that came to nothing.

    Attributes:
        at: When.
        detail: What has happened, for people.
    """

    at: float
    detail: str


def check(
    sessions: Iterable[Session],
    ledgers: Mapping[str, Ledger],
    fates: Mapping[str, Fate],
) -> list[str]:
    """List everything that must not be.

    Args:
        sessions: All sessions that a client has opened.
        ledgers: What the application has seen, by ids.
        fates: What has become of each node, by names.
    """
    problems: list[str] = []
    for session in sessions:
        ledger = ledgers.get(session.sid)
        found = [*_of_client(session), *_of_end(session, fates)]
        if ledger is None:
            found.append("the application has never heard of it")
        else:
            found += _of_both(session, ledger, fates.get(session.node, Fate()))
        problems += [f"{session.client} ({session.sid[:8]}): {each}" for each in found]
    for sid, ledger in ledgers.items():
        fate = fates.get(sid.partition("-")[0], Fate())
        problems += [f"{sid[:8]}: {each}" for each in _of_application(ledger, fate)]
    return problems


def check_failures(failures: Iterable[Failure], fates: Mapping[str, Fate]) -> list[str]:
    """List the attempts that should not have failed.

    A process that is killed takes those with it whose request it was reading.
    """
    return [
        f"no session could be opened: {each.detail}"
        for each in failures
        if not _is_near_a_kill(each.at, fates)
    ]


def returns(
    sessions: Iterable[Session],
    fates: Mapping[str, Fate],
    outages: Sequence[tuple[float, float]],
) -> Iterator[tuple[Session, float]]:
    """Tell after how many seconds each client of a killed node had a session again.

    While nobody serves, nobody can be back: these seconds do not count.

    Args:
        sessions: All sessions that a client has opened.
        fates: What has become of each node, by names.
        outages: From when to when no node served.
    """
    places: dict[int, list[Session]] = {}
    for session in sessions:
        places.setdefault(session.place, []).append(session)
    for mine in places.values():
        for lost, after in itertools.pairwise(mine):
            fate = fates.get(lost.node, Fate())
            if fate.event is Event.KILLED and lost.ends and not lost.is_complete:
                begin, end = fate.dead, after.opened
                nobody = sum(
                    max(0.0, min(end, until) - max(begin, since))
                    for since, until in outages
                )
                yield lost, end - begin - nobody


def bystanders(
    sessions: Iterable[Session], fates: Mapping[str, Fate]
) -> Iterator[Session]:
    """List the sessions that lost a request in a process that was not theirs.

    It was killed while it read the request, or had it on the way to the session's own.
    What goes over a connection that is with its own process cannot be lost so.
    """
    for session in sessions:
        if (
            _has_ended_early(session, fates)
            and not session.has_moved
            and _is_near_a_kill(
                session.ends[0], _fates_of(session, fates), session.patience
            )
        ):
            yield session


def _has_ended_early(session: Session, fates: Mapping[str, Fate]) -> bool:
    """Tell whether a session ended although nothing had happened to its node."""
    fate = fates.get(session.node, Fate())
    is_excused = fate.event is not Event.NOTHING and session.ends[:1] >= [fate.since]
    is_excused = is_excused or bool(session.cut_off_by)
    return bool(session.ends) and not session.is_complete and not is_excused


def _fates_of(session: Session, fates: Mapping[str, Fate]) -> Mapping[str, Fate]:
    """Return the fates of the nodes that a session may have gone through."""
    if session.broke_off_at is None:
        return fates
    return {
        name: fate
        for name, fate in fates.items()
        if name.removeprefix(AFTER) in session.broke_off_at
    }


def _is_near_a_kill(
    moment: float, fates: Mapping[str, Fate], within: float = NEAR
) -> bool:
    return any(
        0 <= moment - fate.dead <= within
        for fate in fates.values()
        if fate.event is Event.KILLED
    )


def _in_order(received: Sequence[Received], client: str, who: str) -> Iterator[str]:
    """Say what is wrong with messages that have to be 0, 1, 2 and so on."""
    foreign = [each for each in received if each.client != client]
    if foreign:
        yield f"{who} got a message of another client: {foreign[0]}"
    numbers = [each.number for each in received if each.client == client]
    doubled = [number for number, times in Counter(numbers).items() if times > 1]
    if doubled:
        yield f"{who} got messages more than once: {doubled[:9]}"
    lost = sorted(set(range(max(numbers, default=-1))) - set(numbers))
    if lost:
        yield f"{who} did not get messages between others: {lost[:9]}"
    ascending = sorted(set(numbers))
    if list(dict.fromkeys(numbers)) != ascending:
        yield f"{who} got messages in another order: {_first_step_back(numbers)}"


def _first_step_back(numbers: Sequence[int]) -> str:
    for before, after in itertools.pairwise(numbers):
        if after < before:
            return f"{after} after {before}"
    raise AssertionError(numbers)


def _of_client(session: Session) -> Iterator[str]:
    yield from _in_order(session.received, session.client, "the client")
    if session.damaged:
        yield f"the client got what nobody has sent: {session.damaged[0]}"
    if len(session.ends) != 1:
        yield f"the client was told {len(session.ends)} times that it is over"
    if len(session.received) > session.sent:
        yield f"{len(session.received)} came back, {session.sent} were sent"
    if session.is_complete and len(session.received) < session.sent:
        yield f"{len(session.received)} of {session.sent} came back"


def _of_end(session: Session, fates: Mapping[str, Fate]) -> Iterator[str]:
    if _has_ended_early(session, fates) and not [*bystanders([session], fates)]:
        yield f"it ended, and nothing had happened to its node: {session.detail}"


def _of_both(session: Session, ledger: Ledger, fate: Fate) -> Iterator[str]:
    yield from _in_order(ledger.received, session.client, "the application")
    count = len(ledger.received)
    dropped = LAST_POST if fate.has_left and not session.is_complete else 0
    if count + dropped < session.acknowledged:
        yield f"{session.acknowledged} were acknowledged, {count} arrived"
    if count > session.sent:
        yield f"{count} arrived, {session.sent} were sent"
    if count < len(session.received):
        yield f"{len(session.received)} came back, {count} arrived"


def _of_application(ledger: Ledger, fate: Fate) -> Iterator[str]:
    times = len(ledger.ends)
    if times > 1:
        yield f"the application was told {times} times that it is over: {ledger.ends}"
    if not times and fate.event is not Event.KILLED:
        yield "the application was never told that it is over"
