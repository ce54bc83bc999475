"""What a node that has joined says to each other one, by a link: that it is there.

The membership tells them, too. But it does not tell one that is cut off from its server
and lives, nor does it tell the newcomer of that one, whose key is gone. So a newcomer
greets all that it knows, and each answers whom else it knows. Those are greeted as
well: who has been greeted knows the newcomer, and who has answered is known to it.

A greeting is JSON: ``{"here": MEMBER, "knows": [NAME, …]}``. The answer is a line of
JSON, ``[MEMBER, …]``, with the members that the newcomer does not know. A member is
``[name, address, worker, sessions, draining]``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred, TimeoutError, gatherResults
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override

from txengineio.checks import is_node_name
from txengineio.cluster.forwarding.preface import MAX_WORDS, say
from txengineio.cluster.interfaces import Load
from txengineio.cluster.machines.links import LinkEndpoint
from txengineio.cluster.machines.unproven import LinkFailed
from txengineio.cluster.membership import Member

__all__ = ["ANSWER_TIMEOUT", "Greetings"]

ANSWER_TIMEOUT: Final = 2.0
"""Seconds that a node has to answer a greeting: one that hangs keeps nobody out."""

_MAX_ANSWER: Final = 1 << 20
_END: Final = b"\n"
_NO_ANSWER: Final = (
    CancelledError,
    ConnectionDone,
    ConnectionLost,
    LinkFailed,
    TimeoutError,
    ValueError,
)


class Greetings:
    """The greetings of one node, and its answers to those of others.

    Args:
        members: Lists the members that it knows, for all that it knows.
        link_to: Returns the way to one of them.
        meet: Called with each node that is there and may not be known.
        clock: Where time comes from.
    """

    def __init__(
        self,
        members: Callable[[], Iterable[Member]],
        link_to: Callable[[Member], LinkEndpoint],
        meet: Callable[[Member], object],
        clock: IReactorTime,
    ) -> None:
        self._members = members
        self._link_to = link_to
        self._meet = meet
        self._clock = clock

    async def greet(self, own: Member) -> None:
        """Say to all others that this node is there, and meet those that are not known.

        It takes as long as the slowest answer, and never fails. If it is cancelled,
        the others are not waited for.

        Args:
            own: This node.
        """
        known = {each.name: each for each in self._members()}
        words = _encode_greeting(own, known)
        answers = await self._greet_each(known.values(), words)
        told = (member for _, answer in answers for member in answer)
        others = {each.name: each for each in told if each.name not in known}
        others.pop(own.name, None)
        for member, _ in await self._greet_each(others.values(), words):
            self._meet(member)

    async def _greet_each(
        self, members: Iterable[Member], words: bytes
    ) -> list[tuple[Member, list[Member]]]:
        """Greet some; return those that have answered, each with its answer."""
        greeted = [
            Deferred.fromCoroutine(self._greet(each, words))
            .addTimeout(ANSWER_TIMEOUT, self._clock)
            .addErrback(_nothing)
            for each in members
        ]
        answered = await gatherResults(greeted)
        return [each for each in answered if each is not None]

    async def _greet(
        self, member: Member, words: bytes
    ) -> tuple[Member, list[Member]] | None:
        greeter = _Greeter(words)
        await self._link_to(member).connect(Factory.forProtocol(lambda: greeter))
        return member, _decode_members(await greeter.answer)

    def heard(self, words: str) -> bytes:
        """Take the greeting of another node; return the answer.

        Raises:
            ValueError: It makes no sense.
        """
        newcomer, knows = _decode_greeting(words)
        unknown = [
            each
            for each in self._members()
            if each.name not in knows and each.name != newcomer.name
        ]
        self._meet(newcomer)
        return json.dumps([_told(each) for each in unknown]).encode() + _END


class _Greeter(Protocol):
    """Says a greeting, and waits for its answer."""

    # Twisted's interfaces do not say what a stream transport can do.
    transport: Any

    def __init__(self, words: bytes) -> None:
        self.answer: Deferred[bytes] = Deferred(lambda _: self._give_up())
        self._words = words
        self._received = b""

    @override
    def connectionMade(self) -> None:
        self.transport.write(self._words)

    @override
    def dataReceived(self, data: bytes) -> None:
        self._received += data
        if self._received.endswith(_END) or len(self._received) > _MAX_ANSWER:
            if not self.answer.called:
                self.answer.callback(self._received)
            self._give_up()

    def _give_up(self) -> None:
        self.transport.abortConnection()

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.answer.called:
            self.answer.errback(reason)


def _nothing(failure: Failure) -> None:
    failure.trap(*_NO_ANSWER)


def _encode_greeting(own: Member, known: Iterable[str]) -> bytes:
    greeting = json.dumps({"here": _told(own), "knows": [*known]})
    if len(greeting) > MAX_WORDS:
        # The answers are longer then.
        greeting = json.dumps({"here": _told(own), "knows": []})
    return say(greeting)


def _decode_greeting(words: str) -> tuple[Member, list[str]]:
    said = _read(words)
    if not isinstance(said, dict) or not isinstance(said.get("knows"), list):
        raise ValueError(f"a greeting that says {words[:99]!r}")
    return _member(said.get("here")), said["knows"]


def _decode_members(line: bytes) -> list[Member]:
    said = _read(line)
    if not isinstance(said, list):
        raise ValueError(f"an answer to a greeting that says {line[:99]!r}")
    return [_member(each) for each in said]


def _read(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError(f"{text[:99]!r}, which is nested too deeply") from None


def _told(member: Member) -> list[Any]:
    load = member.load
    return [member.name, member.address, load.worker, load.sessions, load.draining]


def _member(said: Any) -> Member:
    match said:
        case [str(name), str(address), str(worker), int(sessions), bool(draining)]:
            if is_node_name(name):
                return Member(name, address, Load(worker, sessions, draining))
    raise ValueError(f"a node that is told as {said!r}")
