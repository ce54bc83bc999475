"""The cluster from the view of an engine and its application.

A node is one process with one engine. A module above makes an engine one of several,
and sets its `cluster`; nothing here knows how nodes reach each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from twisted.internet.defer import Deferred

from txengineio.errors import InvalidOption

__all__ = [
    "Answer",
    "Cluster",
    "ClusterCounts",
    "Joins",
    "LinkBytes",
    "Peer",
    "check_joins",
]

Answer = Callable[[str, bytes], bytes | Awaitable[bytes]]
"""Called with the name of a node and its question; returns the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Another node, as it last said.

    Attributes:
        name: What the ids of its sessions begin with.
        worker: Its place on the machine, which stays the same when its process is
            restarted; the name, where it has no such place.
        sessions: How many it has.
        draining: Whether it takes no new ones.
        silence: Seconds since it said so; it does every few seconds.
        is_near: Whether it is on the same machine as this node.
    """

    name: str
    worker: str
    sessions: int
    draining: bool
    silence: float
    is_near: bool = True


@dataclass(slots=True)
class LinkBytes:
    """Bytes that have gone between nodes.

    It is no counter by names: each piece of a request comes here, and to add to one of
    those takes four times as long.

    Attributes:
        bytes_in: Those from the other nodes.
        bytes_out: Those to them.
    """

    bytes_in: int = 0
    bytes_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClusterCounts:
    """What a node counts of its dealings with the others.

    Attributes:
        moved: Connections that were given away, and taken: ``out`` and ``in``;
            ``placed``, those of them that were given away for a new session; those
            that could not be, by why: ``busy`` and ``lost``.
        forwarded: Requests that were forwarded instead, by what has become of them:
            ``answered``, ``tunnels``, ``busy``, ``lost``, ``cut``, ``left``,
            ``abandoned``.
        carried: Bytes of those requests, their answers and tunnels.
        links: Connections to and from other machines: ``accepted`` ones; those of
            nobody who knows the secret (``strangers``), of somebody who says nothing
            (``late``), for a node that is not there (``astray``), and those that are
            too many (``crowded``). Those that could not be made, by why: ``refused``,
            ``unknown``, ``timeout``, ``unproven``, ``closed``, ``failed``.
        told: Messages: ``sent`` and ``received``. What was dropped on the way out, as
            too much waits (``full``), as it is too ``large``, or as the node had
            ``gone``; and on the way in: ``torn``, as the node ended in the middle;
            ``broken``; of an ``unknown`` kind; and answers that came ``late``. Where
            Redis or a router of WAMP carries them, also: dropped as it was ``away``,
            ``unheard``; and on the way in ``lost``, ``forged``, of a ``stranger``, of
            another ``version``, or come ``again``.
    """

    moved: Counter[str] = field(default_factory=Counter)
    forwarded: Counter[str] = field(default_factory=Counter)
    carried: LinkBytes = field(default_factory=LinkBytes)
    links: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)


@runtime_checkable
class Joins(Protocol):
    """What makes an engine one of a cluster: the argument ``cluster`` of `Engine`."""

    def attach(self, engine: Any) -> None:
        """Prepare an engine for it: set its ``cluster`` and its ``joins``.

        Raises:
            InvalidOption: The engine lacks something.
        """

    def join(self) -> Deferred[None]:
        """Make the engine one of the cluster, unless it is.

        Returns:
            Fires when it is; it fails with an `EngineIOError`.
        """

    def leave(self) -> Deferred[None]:
        """Leave the cluster, if the engine is in it; fires when that is done."""


def check_joins(value: object) -> Joins:
    """Return what makes an engine one of a cluster."""
    if isinstance(value, type) or not isinstance(value, Joins):
        expected = "a cluster to join, such as a RedisCluster, or None"
        raise InvalidOption("cluster", expected, value)
    return value


class Cluster(Protocol):
    """All nodes, from the view of one of them: what `Engine.cluster` is.

    Messages between nodes go at most once: those for a node that hangs or is gone are
    dropped and counted. Those from one node come in order, its broadcasts among them.
    Channels whose names begin with ``engineio.`` are not for applications.
    """

    @property
    def node(self) -> str:
        """The name of this node."""

    @property
    def worker(self) -> str:
        """The place of this node, as `Peer.worker`."""

    @property
    def state(self) -> str | None:
        """How this node stands among those of other machines.

        It is ``joining`` (it is no member yet, or none any more), ``ok``, or
        ``degraded``: it hears nothing of the others now, and they nothing of it, but
        requests are forwarded. None if all nodes are on this machine.
        """

    @property
    def sessions(self) -> int:
        """How many sessions all nodes have; the others' figures are seconds old."""

    @property
    def counts(self) -> ClusterCounts:
        """What this node counts of its dealings with the others."""

    @property
    def restarts(self) -> Mapping[str, int]:
        """How often workers were restarted because they had ended by themselves.

        There is one entry for each `Peer.worker`, and none without a supervisor.
        """

    def peers(self) -> Sequence[Peer]:
        """List the other nodes that are known to live."""

    def publish(self, channel: str, data: bytes) -> int:
        """Send bytes to the subscribers on the other nodes; not on this one.

        Args:
            channel: The channel's name, up to 255 bytes of UTF-8.
            data: At most `txengineio.cluster.packets.MAX_MESSAGE` bytes, with the name.

        Returns:
            How many nodes they are under way to.
        """

    def subscribe(
        self, channel: str, callback: Callable[[str, bytes], object]
    ) -> Callable[[], None]:
        """Call a function with each publication of other nodes.

        Args:
            channel: As for `publish`.
            callback: Called with the name of the node, and the bytes.

        Returns:
            A function that ends it.
        """

    def ask(
        self,
        channel: str,
        data: bytes = b"",
        timeout: float = 1.0,
        *,
        near: bool = False,
    ) -> Deferred[dict[str, bytes | None]]:
        """Ask all other nodes something.

        Args:
            channel: As for `publish`.
            data: What is asked, as for `publish`.
            timeout: Seconds to wait for answers.
            near: Ask only the nodes of this machine.

        Returns:
            Fires with the answers by the names of the nodes: None for a node that is
            gone, has no function that answers, or has not answered in time.
        """

    def answer(self, channel: str, callback: Answer) -> Callable[[], None]:
        """Answer the questions of other nodes; one function for each channel.

        Args:
            channel: As for `ask`.
            callback: Called with the name of the node, and what it asks. Returns the
                answer, a Deferred of it, or is a coroutine function. If it fails, that
                is logged, and the other node gets None.

        Returns:
            A function that ends it.

        Raises:
            ValueError: The channel has such a function already.
        """

    # --- what the engine asks for -----------------------------------------------------

    def broadcast(self, message: str | bytes, compress: bool) -> int:
        """Send a message to the sessions of all other nodes; see `Engine.broadcast`."""

    def send(self, sid: str, message: str | bytes, compress: bool) -> Deferred[bool]:
        """Send a message to a session that is not here; see `Engine.send`."""

    def close_session(self, sid: str, discard: bool) -> Deferred[bool]:
        """Close a session that is not here; see `Engine.close_session`."""
