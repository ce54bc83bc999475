"""One engine among those of a cluster: what concerns the sessions of all of them.

It is an engine's `cluster`, above any `ICluster`: what connects the nodes only carries
messages, and knows nothing of sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from txengineio.cluster.channels import Channels, Subscriber
from txengineio.cluster.interfaces import ICluster, IPeer, Load
from txengineio.cluster.messages import (
    Answer,
    Kind,
    Order,
    Outgoing,
    Publication,
    Question,
    decode,
)
from txengineio.cluster.questions import Questions
from txengineio.server import cluster
from txengineio.server.cluster import ClusterCounts, Peer
from txengineio.server.engine import Engine

__all__ = ["ANNOUNCE_INTERVAL", "ORDER_TIMEOUT", "SEND", "JoinedEngine"]

ANNOUNCE_INTERVAL: Final = 1.0
"""Seconds after which the others are told of a load that has changed."""

_REPEAT: Final = 5.0
"""Seconds after which they are told even if it has not."""

ORDER_TIMEOUT: Final = 10.0
"""Seconds until a session whose node does not answer counts as unknown."""

SEND: Final = "engineio.send"
"""The channel on which a node is asked to send something to a session."""

_CLOSE: Final = "engineio.close"
_DONE: Final = b"\1"
_NOT_DONE: Final = b"\0"
_MAX_SID: Final = 0xFFFF


class JoinedEngine:
    """The sessions of all nodes, from the view of one engine.

    Args:
        engine: The engine.
        nodes: The other nodes.
        worker: The place of this node on its machine.
        restarts: How often workers were restarted, by their places, which are numbers
            then; the supervisor keeps it up to date.

    Attributes:
        worker: As above.
    """

    _log = Logger()

    def __init__(
        self,
        engine: Engine,
        nodes: ICluster,
        worker: str,
        restarts: Sequence[int] = (),
    ) -> None:
        self.worker = worker
        self._restarts = restarts
        self._engine = engine
        self._nodes = nodes
        self._channels = Channels()
        self._questions = Questions(engine.timers)
        self._announcing: IDelayedCall | None = None
        self._announced: Load | None = None
        self._announced_at = 0.0
        self._channels.answer(SEND, self._asked_to_send)
        self._channels.answer(_CLOSE, self._asked_to_close)
        nodes.when_told(self._told)
        nodes.when_left(self._questions.gone)

    def start(self) -> None:
        """Tell the others about this node, now and whenever its load changes."""
        load = Load(self.worker, len(self._engine.sessions), not self._engine.is_open)
        now = self._engine.clock.seconds()
        if load != self._announced or not 0 <= now - self._announced_at < _REPEAT:
            self._nodes.announce(load)
            self._announced, self._announced_at = load, now
        self._announcing = self._engine.clock.callLater(ANNOUNCE_INTERVAL, self.start)

    def stop(self) -> None:
        """Stop telling, and stop waiting for answers."""
        if self._announcing is not None:
            self._announcing.cancel()
            self._announcing = None
        self._questions.stop()

    # --- what applications ask --------------------------------------------------------

    @property
    def node(self) -> str:
        """The name of this node."""
        name: str = self._nodes.node
        return name

    @property
    def state(self) -> str | None:
        """How this node stands among those of other machines."""
        state: str | None = self._nodes.state
        return state

    @property
    def sessions(self) -> int:
        """How many sessions all nodes have; the others' figures are seconds old."""
        others = sum(peer.sessions for peer in self.peers())
        return len(self._engine.sessions) + others

    @property
    def counts(self) -> ClusterCounts:
        """What this node counts of its dealings with the others."""
        counts: ClusterCounts = self._nodes.counts
        return counts

    @property
    def restarts(self) -> Mapping[str, int]:
        """How often workers were restarted, by their places."""
        return {str(place): count for place, count in enumerate(self._restarts)}

    def peers(self) -> Sequence[Peer]:
        """List the other nodes that are known to live."""
        now = self._engine.clock.seconds()
        return [
            Peer(
                name=peer.name,
                # Other machines have workers of the same numbers.
                worker=peer.load.worker if peer.is_near else peer.name,
                sessions=peer.load.sessions,
                draining=peer.load.draining,
                silence=max(0.0, now - peer.heard_at),
                is_near=peer.is_near,
            )
            for peer in self._nodes.peers()
        ]

    def publish(self, channel: str, data: bytes) -> int:
        """Send bytes to the subscribers on the other nodes."""
        payload = Publication(channel, data).encode()
        return self._nodes.tell_all(Kind.PUBLICATION.value, payload)

    def subscribe(self, channel: str, callback: Subscriber) -> Callable[[], None]:
        """Call a function with each publication of other nodes."""
        return self._channels.subscribe(channel, callback)

    def ask(
        self,
        channel: str,
        data: bytes = b"",
        timeout: float = 1.0,
        *,
        near: bool = False,
    ) -> Deferred[dict[str, bytes | None]]:
        """Ask all other nodes something."""
        asked = {
            peer.name: self._questions.ask(peer, channel, data, timeout)
            for peer in self._nodes.peers()
            if peer.is_near or not near
        }
        return Deferred.fromCoroutine(_all_of(asked))

    def answer(self, channel: str, callback: cluster.Answer) -> Callable[[], None]:
        """Answer the questions of other nodes."""
        return self._channels.answer(channel, callback)

    # --- what the engine asks ---------------------------------------------------------

    def broadcast(self, message: str | bytes, compress: bool) -> int:
        """Send a message to the sessions of all other nodes."""
        payload = Outgoing(message, compress).encode()
        return self._nodes.tell_all(Kind.BROADCAST.value, payload)

    def send(self, sid: str, message: str | bytes, compress: bool) -> Deferred[bool]:
        """Send a message to a session that is not here."""
        return self._order(SEND, sid, Outgoing(message, compress).encode())

    def close_session(self, sid: str, discard: bool) -> Deferred[bool]:
        """Close a session that is not here."""
        return self._order(_CLOSE, sid, _DONE if discard else _NOT_DONE)

    def _order(self, channel: str, sid: str, data: bytes) -> Deferred[bool]:
        peer: IPeer | None = self._nodes.owner_of(sid)
        if peer is None or not sid.isascii() or len(sid) > _MAX_SID:
            return succeed(False)
        order = Order(sid, data).encode()
        answered = self._questions.ask(peer, channel, order, ORDER_TIMEOUT)
        return answered.addCallback(lambda answer: answer == _DONE)

    # --- what other nodes tell --------------------------------------------------------

    def _told(self, node: str, kind: bytes, payload: bytes) -> None:
        try:
            message = decode(kind, payload)
        except ValueError as error:
            self.counts.told["broken"] += 1
            self._log.error(
                "node {node} has sent a message that makes no sense: {error}",
                node=node,
                error=error,
            )
            return
        match message:
            case Outgoing():
                self._engine.broadcast(
                    message.message, compress=message.compress, local=True
                )
            case Question():
                answered = self._channels.asked(node, message.channel, message.data)
                answered.addCallback(self._answer, node, message.number)
            case Answer():
                self.counts.told["late"] += not self._questions.answered(node, message)
            case Publication():
                self._channels.published(node, message.channel, message.data)
            case None:
                self.counts.told["unknown"] += 1

    def _answer(self, data: bytes | None, node: str, number: int) -> None:
        peer = self._nodes.peer(node)
        if peer is not None:
            peer.tell(Kind.ANSWER.value, Answer(number, data).encode())

    def _asked_to_send(self, _node: str, data: bytes) -> bytes:
        order = Order.decode(data)
        outgoing = Outgoing.decode(order.data)
        session = self._engine.sessions.get(order.sid)
        done = session is not None and session.send(
            outgoing.message, compress=outgoing.compress
        )
        return _DONE if done else _NOT_DONE

    def _asked_to_close(self, _node: str, data: bytes) -> bytes:
        order = Order.decode(data)
        session = self._engine.sessions.get(order.sid)
        if session is None:
            return _NOT_DONE
        session.close(discard=order.data == _DONE)
        return _DONE


async def _all_of(
    asked: Mapping[str, Deferred[bytes | None]],
) -> dict[str, bytes | None]:
    return {name: await answered for name, answered in asked.items()}
