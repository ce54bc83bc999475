"""The members at a router: each has registered a procedure, by which it can be asked.

For a cluster ``chat``:

===================================  ===================================================
``io.txengineio.chat.node.NAME``     procedure: where that node is, as a frame
``io.txengineio.chat.all``           topic: frames for all nodes
``io.txengineio.chat.node.NAME``     topic: frames for one node
``wamp.registration.list``, ``get``  procedures of the router: who is there
``wamp.registration.on_create``      topic of the router: who comes
``wamp.registration.on_delete``      topic of the router: who goes
===================================  ===================================================

The router tells when a node starts: when its procedure was registered. A frame that a
procedure returns holds for one question: it cannot be recorded, and be used again.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import datetime
from secrets import randbelow, token_bytes
from typing import Any, Final, Protocol

from autobahn.wamp.exception import ApplicationError
from twisted.internet.defer import Deferred, FirstError, TimeoutError, gatherResults
from twisted.internet.interfaces import IReactorTime

from txengineio.cluster.broker.frames import (
    INCARNATION,
    BadFrame,
    Frame,
    Own,
    Seal,
    encode_member,
)
from txengineio.cluster.broker.interfaces import BrokerAway, BrokerRefused, Held
from txengineio.cluster.broker.numbers import Said
from txengineio.cluster.membership import Member
from txengineio.cluster.wamp.session import WampRefused
from txengineio.observing.seldom import SeldomLog

__all__ = ["ANSWER_TIMEOUT", "WAIT_FOR_NAME", "WampRegister", "WampTopics"]

ANSWER_TIMEOUT: Final = 3.0
"""Seconds that a node has to answer where it is."""

WAIT_FOR_NAME: Final = 13
"""Seconds within which a router that pings should have found out that a node died."""

_APART: Final = 1000
"""Microseconds within which starts seem to be: the router counts milliseconds."""

_NONCE: Final = 16
_TAKEN: Final = "wamp.error.procedure_already_exists"
_BAD: Final = "wamp.error.invalid_argument"
_LIST: Final = "wamp.registration.list"
_GET: Final = "wamp.registration.get"
_CREATED: Final = "wamp.registration.on_create"
_DELETED: Final = "wamp.registration.on_delete"


class WampTopics:
    """The names of what a cluster has in a realm; see `Topics`.

    Args:
        cluster: The name of the cluster.

    Attributes:
        all: What all nodes hear.
        outside: None: programs that are no nodes are not heard.
    """

    def __init__(self, cluster: str) -> None:
        self._nodes = f"io.txengineio.{cluster}.node."
        self.all = f"io.txengineio.{cluster}.all".encode()
        self.outside = None

    def node(self, name: str) -> bytes:
        """Return what one node hears; its procedure has the same URI."""
        return self.procedure(name).encode()

    def procedure(self, name: str) -> str:
        """Return the procedure of a node."""
        return self._nodes + name

    def name_in(self, uri: object) -> str | None:
        """Return the name of the node that has a procedure; None if none has."""
        if isinstance(uri, str) and uri.startswith(self._nodes):
            return uri.removeprefix(self._nodes)
        return None


class _Wire(Protocol):
    """What is needed of a `WampWire`."""

    session: Any

    def call(self, uri: str, *arguments: Any) -> Deferred[Any]:
        """Call a procedure."""

    def provide(self, uri: str, procedure: Callable[..., Any]) -> Deferred[Any]:
        """Register one."""


class WampRegister:
    """Asks the router, and the members themselves; see `Register`.

    Args:
        wire: The way to the router.
        topics: The names of everything.
        clock: Tells when a node has not answered for too long.
        seal: Proves who has said something.
        said: Makes the frames of this node.
        seldom: Where is said what does not count.
        suspect: Is told of each node that has no procedure any more.

    Attributes:
        events: What to subscribe to, and what takes it.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - one place makes it
        self,
        wire: _Wire,
        topics: WampTopics,
        clock: IReactorTime,
        seal: Seal,
        said: Said,
        seldom: SeldomLog,
        suspect: Callable[[str], None],
    ) -> None:
        self.events: Mapping[str, Callable[..., None]] = {
            _CREATED: self._created,
            _DELETED: self._deleted,
        }
        self._wire = wire
        self._topics = topics
        self._clock = clock
        self._seal = seal
        self._said = said
        self._seldom = seldom
        self._suspect = suspect
        self._procedure = topics.procedure(said.name)
        self._member: Member | None = None
        # What this node has registered, and in which session.
        self._registration: Any = None
        self._session: Any = None
        # The names of the nodes, by the ids of their registrations.
        self._names: dict[object, str] = {}

    @property
    def lifetime(self) -> int:
        """Seconds after which the name of a node that died should be free."""
        return WAIT_FOR_NAME

    async def start(self) -> bytes | None:
        """Return an incarnation for this node; see `Register`."""
        if not await self._take():
            return None
        found = await self._wire.call(_GET, self._registration.id)
        try:
            created = datetime.fromisoformat(found["created"])
        except (KeyError, TypeError, ValueError) as error:
            problem = f"the router does not tell when {self._procedure} was registered"
            raise BrokerRefused(problem) from error
        now = int(created.timestamp() * 1e6) + randbelow(_APART)
        return now.to_bytes(INCARNATION)

    async def hold(self, member: Member, is_settled: bool) -> Held:
        """Become a member, or stay one; see `Register`.

        Nobody tells whether those have come back who are to.
        """
        self._member = member
        return Held.UNSETTLED if await self._take() else Held.TAKEN

    @property
    def _is_registered(self) -> bool:
        session = self._wire.session
        return session is not None and self._session is session

    async def _take(self) -> bool:
        """Register the procedure in this session; say whether this node has it.

        Raises:
            BrokerAway: This node had the name, and nobody can be asked who has it now.
        """
        session = self._wire.session
        if self._is_registered:
            return True
        try:
            registration = await self._wire.provide(self._procedure, self._tell)
        except WampRefused as refused:
            if refused.error != _TAKEN:
                raise
            if self._said.incarnation and await self.find(self._said.name) is None:
                # Nobody answers: it is this node's last session, most likely.
                problem = "the router keeps this node's last session for now"
                raise BrokerAway(problem) from refused
            return False
        self._registration, self._session = registration, session
        return True

    async def release(self) -> bool:
        """Be no member any more; see `Register`.

        The name is free when the session ends. Until then the others hear that this
        node has left: who has only lost its procedure would be asked for it.
        """
        self._member = None
        return self._is_registered

    def _tell(self, nonce: object = None) -> bytes:
        """Answer where this node is; other nodes call this."""
        if not isinstance(nonce, bytes) or len(nonce) != _NONCE:
            raise ApplicationError(_BAD, f"expected {_NONCE} bytes")
        if self._member is None or not self._said.incarnation:
            raise ApplicationError("wamp.error.unavailable", "it is no member yet")
        topic = _question(self._procedure, nonce)
        payload = encode_member(self._member)
        return self._said.encode(topic, Own.HERE.value, 0, payload)

    # --- the others -------------------------------------------------------------------

    async def others(self) -> list[Frame]:
        """Return what all other members say; see `Register`."""
        listed = await self._wire.call(_LIST)
        ids = listed.get("exact", []) if isinstance(listed, dict) else []
        self._names.clear()
        await _all(self._look_at(each) for each in ids)
        names = sorted(set(self._names.values()) - {self._said.name})
        found = await _all(self.find(name) for name in names)
        return [each for each in found if each is not None]

    async def _look_at(self, registration: object) -> None:
        try:
            details = await self._wire.call(_GET, registration)
        except WampRefused as refused:
            if refused.is_denied:
                raise
            return  # It has ended meanwhile.
        self._created(None, details)

    async def find(self, name: str) -> Frame | None:
        """Ask a member where it is; see `Register`."""
        procedure, nonce = self._topics.procedure(name), token_bytes(_NONCE)
        called = self._wire.call(procedure, nonce)
        try:
            answer = await called.addTimeout(ANSWER_TIMEOUT, self._clock)
        except TimeoutError:
            return None
        except WampRefused as refused:
            if refused.is_denied:
                raise
            return None
        try:
            data = answer if isinstance(answer, bytes) else b""
            frame = self._seal.decode(_question(procedure, nonce), data)
        except BadFrame as bad:
            self._seldom.warn(
                "answer",
                "the answer of node {node} does not count ({bad}): that node knows "
                "another secret, or another program has registered its procedure",
                node=name,
                bad=bad,
            )
            return None
        return frame if frame.sender == name and frame.own is Own.HERE else None

    # --- what the router tells --------------------------------------------------------

    def _created(self, _session: object, details: Any) -> None:
        if not isinstance(details, dict):
            return
        name = self._topics.name_in(details.get("uri"))
        if name is not None:
            self._names[details.get("id")] = name

    def _deleted(self, _session: object, registration: object) -> None:
        name = self._names.pop(registration, None)
        if name is not None and name != self._said.name:
            self._suspect(name)


def _question(procedure: str, nonce: bytes) -> bytes:
    """Return what the frame of an answer holds for."""
    return procedure.encode() + b"?" + nonce


async def _all(asked: Iterable[Coroutine[Any, Any, Any]]) -> list[Any]:
    """Wait for all; raise what has failed first."""
    try:
        waiting = [Deferred.fromCoroutine(each) for each in asked]
        return await gatherResults(waiting, consumeErrors=True)
    except FirstError as first:
        first.subFailure.raiseException()
