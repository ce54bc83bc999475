"""The nodes of one machine: they find each other in a directory, by their names."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger
from zope.interface import implementer

from txengineio.checks import is_node_name
from txengineio.cluster.forwarding.forwarder import Forwarder
from txengineio.cluster.forwarding.pairs import PairEndpoint, give_link
from txengineio.cluster.forwarding.tunnel import ILink
from txengineio.cluster.interfaces import ICluster, IPeer, Load
from txengineio.cluster.joined_engine import JoinedEngine
from txengineio.cluster.links import Door, Receiver, Sender, open_link
from txengineio.cluster.moves import Moves
from txengineio.cluster.outbox import Outbox
from txengineio.cluster.packets import (
    Connection,
    Hello,
    LostConnection,
    Packet,
    hello_packet,
)
from txengineio.cluster.pieces import Message
from txengineio.cluster.placement import better_place, has_come
from txengineio.cluster.targets import begins_request, handshake_target, target_of
from txengineio.errors import InvalidOption
from txengineio.server.cluster import ClusterCounts
from txengineio.server.engine import Engine
from txengineio.server.registry import mark_of, node_of
from txengineio.server.web.incoming_request import IncomingRequest
from txengineio.server.web.site import EngineIOSite

__all__ = ["Workers"]

_LOAD: Final = b"l"
"""The kind of message that has the load of a node."""

_MOVE_IDLE: Final = 0.1
"""Seconds between two looks at connections that may be idle by now."""

_LAST_LOOKS: Final = 50
"""How often it is looked at the end whether the others have taken everything."""

_LOOK_AGAIN: Final = 0.02
"""Seconds between two of these looks."""

_FIRST_LINE: Final = 256
"""Bytes of a request within which its session is named, usually."""

_OTHERS: Final = 0o077
"""The permissions of others than the owner."""


@implementer(IPeer)
class _Peer:
    """Another node of the machine."""

    is_near = True

    def __init__(
        self,
        moves: Moves,
        name: str,
        heard_at: float,
        sender: Sender,
        outbox: Outbox,
        forwarder: Forwarder,
    ) -> None:
        self._moves = moves
        self.name = name
        self.load = Load(name)
        self.heard_at = heard_at
        self.sender = sender
        self.outbox = outbox
        self.forwarder = forwarder

    def hand_over(self, channel: Any, received: bytes) -> bool:
        return self._moves.move(self.sender, channel, received)

    def forward(self, request: IncomingRequest) -> None:
        self.forwarder.forward(request, self.load.sessions)

    def abandon(self, request: IncomingRequest) -> None:
        self.forwarder.abandon(request)

    def tell(self, kind: bytes, payload: bytes) -> bool:
        return self.outbox.tell(kind, payload)

    @property
    def waits(self) -> bool:
        """Whether something waits for it: messages, or connections."""
        return bool(self.outbox.waiting) or not self.sender.is_empty

    def close(self) -> None:
        self.sender.close()
        self.outbox.close()
        self.forwarder.close()


@implementer(ICluster)
class Workers:
    """One node among the nodes of a machine.

    It is the `Elsewhere` of an engine and its sites: it gives connections whose next
    request is for another node to that node, socket and all, and forwards requests on
    connections that cannot be moved (TLS in the process, a site of another kind, a
    first line in pieces).

    Args:
        engine: The engine; it has a ``node_name``.
        directory: Where the nodes find each other; it is made if it is not there, and
            no other user may have access to it.
        reactor: The reactor.
        worker: The place of this node on the machine, as `Load` has it; by default the
            name.
        restarts: How often workers were restarted, see `JoinedEngine`.
        machine: What the names of the nodes here begin with, if there are nodes on
            other machines: the engine's cluster is a larger one then. None if these
            are all.

    Attributes:
        node: The name of this node.
        counts: What has happened.
        seconds: Tells the time.
        worker: As given, or the name.
        restarts: As given.

    Raises:
        InvalidOption: The engine has no name.
    """

    _log = Logger()

    def __init__(
        self,
        engine: Engine,
        directory: Path,
        reactor: Any,
        worker: str | None = None,
        restarts: Sequence[int] = (),
        machine: str | None = None,
    ) -> None:
        name = engine.options.node_name
        if name is None:
            raise InvalidOption("node_name", "the name of this node", name)
        self.node: str = name
        # What requests for sessions of this node have in their first line.
        self._own = mark_of(name)
        self.counts = ClusterCounts()
        self.seconds: Callable[[], float] = engine.clock.seconds
        self._engine = engine
        self._directory = directory
        self._reactor = reactor
        self._moves = Moves(engine, reactor, self.counts.moved)
        self._peers: dict[str, _Peer] = {}
        self._receivers: dict[Receiver, str | None] = {}
        self._door: Door | None = None
        self._left: list[Callable[[str], object]] = []
        self._hears: list[Callable[[str, bytes, bytes], object]] = []
        self.worker = worker or name
        self.restarts = restarts
        self._machine = machine or ""
        self._load = Load(self.worker)
        self._joined: JoinedEngine | None = None
        if machine is None:
            self._joined = JoinedEngine(engine, self, self.worker, restarts)
            engine.cluster = self._joined
        self._successor: str | None = None
        self._moves_idle = LoopingCall(self._move_idle)

    def serve(self, site: EngineIOSite) -> None:
        """Allow connections of a site to be moved.

        All nodes name the same sites in the same order.
        """
        self._moves.sites.append(site)
        self._peers_changed()

    def start(self, *, is_open: bool = True) -> None:
        """Join the others; call this before clients can come.

        Args:
            is_open: Whether they may send new sessions here at once; otherwise they may
                when `announce` says so.

        Raises:
            InvalidOption: Others have access to the directory.
            OSError: There is such a node already, or no such directory can be made.
        """
        self._load = Load(self.worker, draining=not is_open)
        self._directory.mkdir(mode=0o700, exist_ok=True)
        status = self._directory.stat()
        if status.st_uid != os.geteuid() or status.st_mode & _OTHERS:
            expected = "a directory that nobody else has access to"
            raise InvalidOption("directory", expected, str(self._directory))
        path = self._directory / self.node
        self._door = Door(self._reactor, path, self._opened)
        for each in self._directory.iterdir():
            self.peer(each.name)
        if self._joined is not None:
            self._engine.elsewhere = self
            self._joined.start()

    def retire(self, successor: str) -> None:
        """From now on, give away everything that is not for a session of this node.

        Connections that are idle go, too: a client that sends its next request just
        when this node ends finds nobody otherwise.

        Args:
            successor: The name of the node that it goes to.
        """
        self._successor = successor
        self._moves_idle.clock = self._reactor
        self._moves_idle.start(_MOVE_IDLE)

    def _move_idle(self) -> None:
        """Move the connections that are idle now, as many as the successor takes."""
        peer = self.peer(self._successor or self.node)
        if peer is None:
            return
        for channel in self._moves.idle_connections():
            if peer.sender.is_full:
                return
            peer.hand_over(channel, b"")

    def forwarders(self) -> list[Forwarder]:
        """List what forwards requests to the other nodes."""
        return [peer.forwarder for peer in self._peers.values()]

    async def flush(self) -> None:
        """Wait until the others have taken what waits for them, but not for long.

        And until no link of another machine goes through this node any more.
        """
        for _ in range(_LAST_LOOKS):
            waits = any(each.waits for each in self._peers.values())
            if not waits and not self._moves.pipes:
                return
            await deferLater(self._reactor, _LOOK_AGAIN)

    def stop(self) -> None:
        """Leave; connections that come from others meanwhile are lost."""
        if self._joined is not None:
            self._joined.stop()
        if self._moves_idle.running:
            self._moves_idle.stop()
            self._move_idle()
        if self._door is not None:
            self._door.close()
            self._door = None
        if self._joined is not None:
            self._engine.elsewhere = None
        receivers, self._receivers = self._receivers, {}
        for receiver in receivers:
            receiver.close()
        peers, self._peers = self._peers, {}
        self._peers_changed()
        for peer in peers.values():
            peer.close()
            peer.forwarder.abort()
        self._moves.stop()

    # --- the others -------------------------------------------------------------------

    def peers(self) -> list[IPeer]:
        """List the nodes that are known to live."""
        return list(self._peers.values())

    def owner_of(self, sid: str) -> IPeer | None:
        """Return the node of a session; None if it is this one, or unknown."""
        return self.peer(node_of(sid))

    def when_left(self, callback: Callable[[str], object]) -> None:
        """Call a function with the name of each node that is gone."""
        self._left.append(callback)

    def when_told(self, callback: Callable[[str, bytes, bytes], object]) -> None:
        """Call a function with each message: its node's name, kind, payload."""
        self._hears.append(callback)

    def tell_all(self, kind: bytes, payload: bytes) -> int:
        """Send a message to all peers; return how many it goes to."""
        return sum(each.tell(kind, payload) for each in list(self._peers.values()))

    def announce(self, load: Load) -> None:
        """Tell all peers about this node's load, and those that join later."""
        self._load = load
        for name in list(self._receivers.values()):
            if name is not None:
                # It may not have been reachable when it joined.
                self.peer(name)
        self.tell_all(_LOAD, load.encode())

    @property
    def state(self) -> None:
        """None: a machine is not cut off from itself."""
        return None

    def has(self, name: str) -> bool:
        """Whether a node is known to live."""
        return name in self._peers

    def _is_name(self, name: str) -> bool:
        return name.startswith(self._machine) and is_node_name(name)

    def peer(self, name: str) -> _Peer | None:
        """Return the node with a name; connect to it if that was not done before."""
        peer = self._peers.get(name)
        if peer is not None or name == self.node or not self._is_name(name):
            return peer
        links = [open_link(self._directory / name) for _ in range(2)]
        if links[0] is None or links[1] is None:
            # It has just come to its end.
            for link in filter(None, links):
                link.close()
            return None
        peer = self._peers[name] = self._connected(name, links[0], links[1])
        self._peers_changed()
        peer.sender.send(hello_packet(self.node))
        peer.tell(_LOAD, self._load.encode())
        # Unless it has ended just now.
        return self._peers.get(name)

    def _peers_changed(self) -> None:
        """Have the sites ask for each request only if there is somebody else."""
        for site in self._moves.sites:
            site.elsewhere = self if self._peers else None

    def _connected(
        self, name: str, connections: socket.socket, messages: socket.socket
    ) -> _Peer:
        def ended() -> None:
            self._is_gone(name)

        names = self.node, name
        sender = Sender(self._reactor, connections, ended)
        outbox = Outbox(self._reactor, messages, names, self.counts.told, ended)
        forwarder = Forwarder(
            PairEndpoint(self._reactor, sender),
            self._reactor,
            self.counts,
            self._engine.serve_here,
        )
        return _Peer(self._moves, name, self.seconds(), sender, outbox, forwarder)

    def _opened(self, link: socket.socket) -> None:
        receiver = Receiver(self._reactor, link, self._received, self._ended)
        self._receivers[receiver] = None

    def _received(self, receiver: Receiver, packet: Packet | Message) -> None:
        if isinstance(packet, Message):
            self._hear(self._receivers[receiver], packet)
        elif isinstance(packet, Hello):
            self._receivers[receiver] = packet.node
            self.peer(packet.node)
        elif isinstance(packet, LostConnection):
            self.counts.moved["lost"] += 1
            self._log.error("a connection was lost: no descriptor is left for it")
        elif isinstance(packet, Connection):
            self._moves.take(packet)

    def _hear(self, name: str | None, message: Message) -> None:
        if name is None:
            self.counts.told["torn"] += 1
            return
        self.counts.told["received"] += 1
        # Its end may be known before its last words are read.
        peer = self.peer(name)
        try:
            if message.kind == _LOAD:
                load = Load.decode(message.payload)
                if peer is not None:
                    peer.load, peer.heard_at = load, self.seconds()
                return
            for callback in self._hears:
                callback(name, message.kind, message.payload)
        except Exception:
            self._log.failure("a message of node {name} is dropped", name=name)

    def _ended(self, receiver: Receiver) -> None:
        # Whether its node lives is told by the links to it: this one may have ended
        # alone, and long before them.
        self.counts.told["torn"] += receiver.is_within_message
        self._receivers.pop(receiver, None)

    def _is_gone(self, name: str) -> None:
        peer = self._peers.pop(name, None)
        if peer is None:
            return
        self._peers_changed()
        peer.close()
        self._log.info("node {name} is gone", name=name)
        for callback in self._left:
            try:
                callback(name)
            except Exception:
                self._log.failure("a callback for a lost node failed")

    # --- connections ------------------------------------------------------------------

    def give(self, name: str, link: ILink) -> None:
        """Give a link of another machine to the node that it is for.

        The node then serves the requests on it, as those of `ForwardedSite`.

        Args:
            name: The node.
            link: The link, on which all is said that has to be.
        """
        peer = self._peers.get(name)
        if peer is None:
            link.transport.abortConnection()
        else:
            give_link(self._reactor, link, peer.sender, self._moves.pipes)

    def hear_greetings(self, hear: Callable[[str], bytes]) -> None:
        """Have greetings heard that come by links which were given to this node."""
        self._moves.forwarded.greeted = hear

    # --- what an engine and its sites ask ---------------------------------------------

    def takes_connection(self, channel: Any, received: bytes) -> bool:
        """Give a connection to the node of its next request; see `Elsewhere`."""
        if received.find(self._own, 0, _FIRST_LINE) >= 0 and self._successor is None:
            # Nearly all; if it is wrong, the look-up of the session finds out.
            return False
        target = target_of(received)
        if target is None or channel.site.engine_at(target[0]) is None:
            if self._successor is not None:
                return self._passes_on(channel, received, self._successor)
            return target is None and self._places(channel, received)
        peer = self.owner_of(target[1])
        return peer is not None and peer.hand_over(channel, received)

    def takes_accepted(
        self, site: EngineIOSite, accepted: socket.socket, received: bytes
    ) -> bool:
        """Give a new connection to the node of its request; see `SiteElsewhere`."""
        if received.find(self._own, 0, _FIRST_LINE) >= 0:
            return False
        target = target_of(received)
        if target is None or site.engine_at(target[0]) is None:
            return False
        peer = self.peer(node_of(target[1]))
        return peer is not None and self._moves.pass_on(
            peer.sender, site, accepted, received
        )

    def _places(self, channel: Any, received: bytes) -> bool:
        """Give away a connection that asks for a new session, if there are too many.

        Connections that another node has given to this one stay.
        """
        target = None if self._moves.is_taking else handshake_target(received)
        if target is None or channel.site.engine_at(target) is None:
            return False
        engine = self._engine
        limit = engine.options.max_sessions
        peers = self._peers.values()
        peer = better_place(len(engine.sessions), engine.is_open, limit, peers)
        if peer is None or not peer.hand_over(channel, received):
            return False
        has_come(peer)
        self.counts.moved["placed"] += 1
        return True

    def _passes_on(self, channel: Any, received: bytes, successor: str) -> bool:
        """Give a connection to the successor, whatever it asks for."""
        peer = self.peer(successor) if begins_request(received) else None
        return peer is not None and peer.hand_over(channel, received)

    def answers(self, request: IncomingRequest, sid: str) -> bool:
        """Forward a request that should be elsewhere; see `Elsewhere`."""
        peer = self.owner_of(sid)
        if peer is None:
            return False
        peer.forward(request)
        return True

    def abandons(self, request: IncomingRequest, sid: str) -> bool:
        """Tell the node of a session about a POST without an end; see `Elsewhere`."""
        peer = self.owner_of(sid)
        if peer is None:
            return False
        peer.abandon(request)
        return True
