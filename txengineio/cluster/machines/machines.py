"""The other nodes, wherever they are, and the requests for their sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any
from weakref import WeakSet

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.protocol import Protocol as StreamProtocol
from twisted.logger import Logger
from zope.interface import implementer

from txengineio.checks import is_node_name
from txengineio.cluster.forwarding.forwarder import Forwarder
from txengineio.cluster.forwarding.site import ForwardedSite
from txengineio.cluster.interfaces import ICluster, IPeer, Load
from txengineio.cluster.machines.addresses import client_endpoint, speaks_tls
from txengineio.cluster.machines.arrivals import Arrival, LinkFactory
from txengineio.cluster.machines.challenge import Credentials
from txengineio.cluster.machines.greetings import Greetings
from txengineio.cluster.machines.links import LinkEndpoint
from txengineio.cluster.machines.lookups import LookUps
from txengineio.cluster.machines.peers import (
    LivenessChecks,
    Neighbours,
    NoNeighbours,
    Peer,
)
from txengineio.cluster.machines.unproven import LinkFailed
from txengineio.cluster.membership import (
    IMembership,
    IMembershipListener,
    Member,
    MembershipState,
)
from txengineio.errors import InvalidOption
from txengineio.server.cluster import ClusterCounts
from txengineio.server.engine import Engine
from txengineio.server.registry import node_of
from txengineio.server.web.incoming_request import IncomingRequest

__all__ = ["Machines"]


@implementer(ICluster, IMembershipListener)
class Machines:
    """One node among those of several machines.

    It is the `Elsewhere` of an engine: it forwards requests to the node of their
    session, which it finds by the membership.

    Args:
        engine: The engine; it has a ``node_name``.
        credentials: What all nodes know.
        reactor: The reactor.
        counts: Where is counted what happens.
        neighbours: The nodes of this machine.
        connect_to: Returns the endpoint of an address; by default as
            `client_endpoint`.

    Attributes:
        node: The name of this node.
        counts: As given.
        links: What listens for other nodes.
        seconds: Tells the time.

    Raises:
        InvalidOption: The engine has no name.
    """

    _log = Logger()

    def __init__(
        self,
        engine: Engine,
        credentials: Credentials,
        reactor: Any,
        *,
        counts: ClusterCounts | None = None,
        neighbours: Neighbours | None = None,
        connect_to: Callable[[str], IStreamClientEndpoint] | None = None,
    ) -> None:
        name = engine.options.node_name
        if name is None:
            raise InvalidOption("node_name", "the name of this node", name)
        self.node: str = name
        self.counts = ClusterCounts() if counts is None else counts
        self.seconds: Callable[[], float] = engine.clock.seconds
        self._engine = engine
        self._credentials = credentials
        self._reactor = reactor
        self._neighbours: Neighbours = neighbours or NoNeighbours()
        self._connect_to = connect_to or partial(client_endpoint, reactor)
        self._site = ForwardedSite(engine, reactor)
        self.links = LinkFactory(
            reactor, credentials, self._is_here, self._take, self.counts.links
        )
        self._lookups = LookUps(self._look_up, engine.clock)
        self._greetings = Greetings(self._reachable, self._way_to, self._meet, reactor)
        self._site.greeted = self._greetings.heard
        self._neighbours.hear_greetings(self._greetings.heard)
        self._liveness = LivenessChecks(self._unlisted, self._is_gone, reactor)
        self._membership: IMembership | None = None
        self._checking: Deferred[Any] = succeed(None)
        # What the membership says, and those of them that can be reached.
        self._members: dict[str, Member] = {}
        self._peers: dict[str, Peer] = {}
        # Those to nodes that have left, as long as they have something to do.
        self._ended: WeakSet[Forwarder] = WeakSet()
        self._left: list[Callable[[str], object]] = []
        self._hears: list[Callable[[str, bytes, bytes], object]] = []

    # --- its life ---------------------------------------------------------------------

    def join(self, membership: IMembership, address: str, load: Load) -> Deferred[None]:
        """Become a member.

        Args:
            membership: The membership, which was not joined before.
            address: Where other nodes reach this one.
            load: What is announced.

        Returns:
            Fires when this node knows all others; it fails as `IMembership.join`.
        """
        # Its neighbours may just be finding it.
        self.links.is_settled = False
        self._membership = membership
        membership.counts = self.counts.told
        own = Member(self.node, address, load)
        joining: Deferred[None] = membership.join(own, self)
        return joining.addCallbacks(
            self._has_joined, self._not_joined, callbackArgs=(own,)
        )

    def _has_joined(self, _result: None, own: Member) -> Deferred[None]:
        self.links.is_settled = True
        return Deferred.fromCoroutine(self._greetings.greet(own))

    def _not_joined(self, failure: Any) -> Any:
        self._forget()
        return failure

    def check_way(self, address: str) -> None:
        """Connect to this node as others will, and say so if that does not work.

        They may be able to where this one is not, such as behind a NAT: so it is only
        said.

        Args:
            address: The address that they are told.
        """
        link = self._link_to(self.node, address, partial(self._no_way, address))
        self._checking = checking = link.connect(Factory.forProtocol(StreamProtocol))
        checking.addCallback(lambda made: made.transport.abortConnection())
        checking.addErrback(lambda failure: failure.trap(LinkFailed, CancelledError))

    def _no_way(self, address: str, problem: LinkFailed) -> None:
        self._log.warn(
            "the others may find no way to this node: it cannot connect to itself at "
            "{address} ({problem}), which it tells them; is --cluster-advertise right?",
            address=address,
            problem=problem,
        )

    def leave(self) -> Deferred[None]:
        """Be no member any more; then drop what is under way to and from the others."""
        membership = self._membership
        leaving: Deferred[None] = (
            succeed(None) if membership is None else membership.leave()
        )
        return leaving.addCallback(lambda _: self._forget())

    def _forget(self) -> None:
        self._checking.cancel()
        self._liveness.stop()
        self._membership = None
        self._members.clear()
        for name in list(self._peers):
            self._drop(name)
        for forwarder in list(self._ended):
            forwarder.abort()
        self.links.close()
        self._site.close()

    @property
    def state(self) -> MembershipState:
        """How this node stands among the others."""
        if self._membership is None:
            return MembershipState.JOINING
        state: MembershipState = self._membership.state
        return state

    # --- the others -------------------------------------------------------------------

    def peers(self) -> list[IPeer]:
        """List the nodes that are known to live."""
        return list(self._peers.values())

    def forwarders(self) -> list[Forwarder]:
        """List what forwards requests to them."""
        return [peer.forwarder for peer in self._peers.values()]

    def members(self) -> Iterable[str]:
        """List the names of the others that `tell_all` reaches."""
        return self._members

    def peer(self, name: str) -> IPeer | None:
        """Return the node with a name; None if it is this one, or unknown."""
        return self._peers.get(name)

    def owner_of(self, sid: str) -> IPeer | None:
        """Return the node of a session; None if it is this one, or unknown."""
        return self._peers.get(node_of(sid))

    def when_left(self, callback: Callable[[str], object]) -> None:
        """Call a function with the name of each node that is gone."""
        self._left.append(callback)

    def when_told(self, callback: Callable[[str, bytes, bytes], object]) -> None:
        """Call a function with each message: its node's name, kind, payload."""
        self._hears.append(callback)

    def tell_all(self, kind: bytes, payload: bytes) -> int:
        """Send a message to all members; return how many it goes to.

        One that no link leads to now may be there again in a moment.
        """
        membership = self._membership
        if membership is None or not self._members:
            return 0
        is_sent = membership.publish(kind, payload)
        self.counts.told["sent"] += is_sent
        return len(self._members) if is_sent else 0

    def tell(self, name: str, kind: bytes, payload: bytes) -> bool:
        """Send a message to one node; see `IPeer.tell`."""
        membership = self._membership
        is_sent: bool = membership is not None and membership.tell(name, kind, payload)
        self.counts.told["sent"] += is_sent
        return is_sent

    def announce(self, load: Load) -> None:
        """Tell all peers about this node's load, and those that join later."""
        if self._membership is not None:
            self._membership.announce(load)

    def _link_to(
        self, name: str, address: str, failed: Callable[[LinkFailed], object]
    ) -> LinkEndpoint:
        try:
            endpoint = self._connect_to(address)
        except InvalidOption as problem:
            endpoint = _Nowhere(problem)
        names = self.node, name
        return LinkEndpoint(endpoint, self._reactor, self._credentials, names, failed)

    def _forwarder_to(self, peer: Peer) -> Forwarder:
        """Return what forwards requests to a node."""
        failed = partial(self._link_failed, peer)
        link = self._link_to(peer.name, peer.address, failed)
        give_back = self._engine.serve_here
        return Forwarder(link, self._reactor, self.counts, give_back)

    def _link_failed(self, peer: Peer, problem: LinkFailed) -> None:
        self.counts.links[problem.problem] += 1
        name = peer.name
        # Another process may have the name by now, at another address.
        # And what is no member is there only as long as links lead to it.
        is_end = problem.problem.is_end or name not in self._members
        if is_end and self._peers.get(name) is peer:
            self._log.info(
                "node {name} at {address} is gone: {why}",
                name=name,
                address=peer.address,
                why=problem,
            )
            self._lose(name)

    def _reachable(self) -> list[Member]:
        """List the members to which links lead, for all that is known."""
        return [each for each in self._members.values() if each.name in self._peers]

    def _unlisted(self) -> list[Peer]:
        """List the nodes that are known, and are no members just now."""
        return [each for each in self._peers.values() if each.name not in self._members]

    def _is_gone(self, peer: Peer) -> None:
        """Note that a node which was no member takes no links."""
        # It may be a member by now, or lost already; or another process has the name.
        if peer in self._unlisted():
            self._log.info("node {name} does not answer any more", name=peer.name)
            self._lose(peer.name)

    def _way_to(self, member: Member) -> LinkEndpoint:
        """Return the way to another node, which may not be known."""
        peer = self._peers.get(member.name)
        failed = _ignore if peer is None else partial(self._link_failed, peer)
        return self._link_to(member.name, member.address, failed)

    def _lose(self, name: str) -> None:
        self._drop(name)
        self._tell_left(name)

    def _drop(self, name: str) -> None:
        peer = self._peers.pop(name)
        # What it has not answered is answered here: its sessions are unknown.
        peer.forwarder.abort()

    def _tell_left(self, name: str) -> None:
        for callback in self._left:
            try:
                callback(name)
            except Exception:
                self._log.failure("a callback for a lost node failed")

    # --- what the membership tells ----------------------------------------------------

    def joined(self, member: Member) -> None:
        """Note a node that is a member, or one that has a new address now."""
        if member.name != self.node:
            self._members[member.name] = member
            self._meet(member)

    def _meet(self, member: Member) -> None:
        """Know a node that is there, whether it is a member just now or not."""
        if member.name == self.node or self._membership is None:
            return
        if member.name not in self._members:
            self._liveness.start()
        known = self._peers.get(member.name)
        if known is not None and known.address == member.address:
            known.load = member.load
            return
        if known is not None:
            # Another process has the name.
            self._lose(member.name)
        self._peers[member.name] = Peer(
            member, self.seconds(), self._forwarder_to, self.tell
        )
        self._log.info(
            "node {name} is there, at {address}",
            name=member.name,
            address=member.address,
        )

    def left(self, name: str) -> None:
        """Note that a node is no member any more."""
        self._members.pop(name, None)
        peer = self._peers.pop(name, None)
        if peer is None:
            return
        # Its last answers may be on their way, such as goodbyes to its sessions.
        peer.forwarder.end()
        self._ended.add(peer.forwarder)
        self._tell_left(name)
        if speaks_tls(peer.address):
            # Links to others of its machine may go through it, and cannot be moved.
            for other in self._peers.values():
                if other.address == peer.address:
                    other.forwarder.renew()

    def announced(self, name: str, load: Load) -> None:
        """Note what a member has announced."""
        member = self._members.get(name)
        if member is None:
            return
        if name not in self._peers:
            # It could not be reached for a moment, but it lives.
            self.joined(member)
        self._members[name] = replace(member, load=load)
        peer = self._peers[name]
        peer.load, peer.heard_at = load, self.seconds()

    def heard(self, node: str, kind: bytes, payload: bytes) -> None:
        """Take a message of a member."""
        self.counts.told["received"] += 1
        for callback in self._hears:
            try:
                callback(node, kind, payload)
            except Exception:
                self._log.failure("a message of node {name} is dropped", name=node)

    def reaches(self, name: str) -> Deferred[bool]:
        """Find out whether a link to a member can be made now."""
        peer = self._peers.get(name)
        return succeed(False) if peer is None else peer.forwarder.reaches()

    def state_changed(self, state: MembershipState) -> None:
        """Do nothing: the membership has it, and says so in the log."""

    # --- links of other nodes ---------------------------------------------------------

    def _is_here(self, name: str) -> bool:
        return name == self.node or self._neighbours.peer(name) is not None

    def _take(self, arrival: Arrival) -> None:
        """Serve a proven link, or give it to the node of this machine it is for."""
        if arrival.wanted != self.node:
            self._neighbours.give(arrival.wanted, arrival)
            return
        protocol: Any = self._site.buildProtocol(arrival.transport.getPeer())
        arrival.become(protocol)
        if arrival.rest:
            protocol.http_channel.dataReceived(arrival.rest)

    # --- what an engine asks ----------------------------------------------------------

    def takes_connection(self, channel: Any, received: bytes) -> bool:
        """Leave all connections here; see `Elsewhere`."""
        return False

    def answers(self, request: IncomingRequest, sid: str) -> bool:
        """Forward a request that should be elsewhere; see `Elsewhere`."""
        name = node_of(sid)
        peer = self._peers.get(name)
        if peer is not None:
            peer.forward(request)
            return True
        if name == self.node or not is_node_name(name):
            return False
        return self._lookups.ask(name, partial(self._looked_up, request, name))

    def _look_up(self, name: str) -> Deferred[bool]:
        membership = self._membership
        if membership is None:
            return succeed(False)
        found: Deferred[bool] = membership.look_up(name)
        return found

    def _looked_up(self, request: IncomingRequest, name: str) -> None:
        if request.is_gone:
            return
        member = self._members.get(name)
        if member is not None and name not in self._peers:
            # The membership says nothing new of one that could not be reached for a
            # moment: this finds out whether it can be by now.
            self.joined(member)
        peer = self._peers.get(name)
        if peer is None:
            self._engine.serve_here(request)
        else:
            peer.forward(request)

    def abandons(self, request: IncomingRequest, sid: str) -> bool:
        """Tell the node of a session about a POST without an end; see `Elsewhere`."""
        peer = self.owner_of(sid)
        if peer is None:
            return False
        peer.abandon(request)
        return True


def _ignore(problem: LinkFailed) -> None:
    """Do nothing: the node is not known."""


@implementer(IStreamClientEndpoint)
class _Nowhere:
    """The endpoint of a node whose address makes no sense."""

    def __init__(self, problem: Exception) -> None:
        self._problem = problem

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        """Fail."""
        return fail(self._problem)
