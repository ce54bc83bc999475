"""All connections to one other node, and how many requests they carry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override

from txengineio.cluster.forwarding.carrier import Carrier
from txengineio.cluster.forwarding.preface import about, preface
from txengineio.cluster.forwarding.request_writer import (
    write_request,
    write_unfinished,
)
from txengineio.observing.seldom import SeldomLog
from txengineio.reactor import MIN_DELAY
from txengineio.server.cluster import ClusterCounts
from txengineio.server.web.incoming_request import IncomingRequest

__all__ = ["LAST_ANSWERS", "MAX_UNDER_WAY", "Forwarder"]

MAX_UNDER_WAY: Final = 1000
"""Requests that one other node may have to answer at a time, beside one for each of its
sessions: polls are parked there."""

_IDLE_TIMEOUT: Final = 30.0
"""Seconds that a connection is kept for the next request."""

_REACH_TIMEOUT: Final = 4.0
"""Seconds after which a node that is asked whether it is there is not."""

LAST_ANSWERS: Final = 1.0
"""Seconds in which the last answers of a node that has left come, if they do."""

_UNAVAILABLE: Final = 503
_BUSY: Final = b"The process of the session takes no more requests now.\n"
_PLAIN: Final = {"Content-Type": "text/plain; charset=UTF-8", "Retry-After": "1"}


class Forwarder:
    """Forwards requests to one other node, and brings their answers back.

    Args:
        endpoint: Where the node is; any answer from there is believed to be the node's.
        clock: Where time comes from.
        counts: Where is counted how many bytes go there and come back, and what becomes
            of requests: ``answered``, ``tunnels``, ``busy`` (refused with 503),
            ``lost`` (the node was gone before its answer began), ``cut`` (or before its
            end), ``left`` (the client went first), ``abandoned`` (POSTs that never were
            complete).
        give_back: Called with each request that the other node will not answer, as it
            is gone.

    Attributes:
        clock: As given.
        counts: What has become of requests.
        carried: Bytes to the node, and from it.
        is_leaving: Whether clients are to go on by another way.
    """

    _log = Logger()

    def __init__(
        self,
        endpoint: IStreamClientEndpoint,
        clock: IReactorTime,
        counts: ClusterCounts,
        give_back: Callable[[IncomingRequest], object],
    ) -> None:
        self.clock = clock
        self.counts = counts.forwarded
        self.carried = counts.carried
        self.is_leaving = False
        self._give_back = give_back
        self._endpoint = endpoint
        self._factory = _CarrierFactory(self)
        # Those that became idle last come last.
        self._idle: dict[Carrier, None] = {}
        self._carrying: set[Carrier] = set()
        self._tunnels: set[Carrier] = set()
        self._connecting: set[Deferred[Any]] = set()
        self._is_closed = False
        self._is_gone = False
        self._expiry: IDelayedCall | None = None
        self._giving_up: IDelayedCall | None = None
        self._seldom = SeldomLog(self._log, clock.seconds)

    def forward(self, request: IncomingRequest, sessions: int = 0) -> None:
        """Have a request answered by the node, now or later.

        Args:
            request: The request.
            sessions: How many sessions the node has, for all that is known.
        """
        if len(self._carrying) + len(self._connecting) >= MAX_UNDER_WAY + sessions:
            self._refuse(request)
            return
        try:
            written = write_request(request)
        except ValueError:
            self.give_back(request)
            return
        data = preface(about(request), len(written)) + written
        carrier = self._take()
        if carrier is not None:
            self._carry(carrier, request, data)
            return
        connecting = self._connect()
        # It may take its time, and is in vain if the client does not wait.
        request.on_lost(lambda _: connecting.cancel())
        connecting.addCallbacks(
            self._connected,
            self._not_connected,
            callbackArgs=(request, data),
            errbackArgs=(request,),
        )
        connecting.addErrback(self._failed)

    def _take(self) -> Carrier | None:
        """Return a connection that idles, if there is one."""
        while self._idle:
            carrier, _ = self._idle.popitem()
            # The other node may be about to close it.
            if carrier.is_usable:
                return carrier
        return None

    def abandon(self, request: IncomingRequest) -> None:
        """Tell the node about a POST that has begun and will never be complete.

        It gets its head and sees it break off, as if the client had come there.
        """
        self.counts["abandoned"] += 1
        try:
            written = write_unfinished(request)
        except ValueError:
            return
        data = preface(about(request), len(written)) + written
        carrier = self._take()
        if carrier is not None:
            carrier.send_last(data)
            return
        connecting = self._connect()
        connecting.addCallbacks(Carrier.send_last, self._not_told, callbackArgs=(data,))
        connecting.addErrback(self._failed)

    def reaches(self) -> Deferred[bool]:
        """Find out whether the node takes a new connection.

        Returns:
            Fires with whether it does, after 4 seconds at the latest. It never fails.
        """
        connecting = self._connect().addTimeout(_REACH_TIMEOUT, self.clock)
        return connecting.addCallbacks(self._reached, lambda _: False)

    def _reached(self, carrier: Carrier) -> bool:
        self.is_free(carrier)
        return not self._is_gone

    def _connect(self) -> Deferred[Any]:
        connecting: Deferred[Any] = self._endpoint.connect(self._factory)
        self._connecting.add(connecting)
        return connecting.addBoth(self._settled, connecting)

    def _settled(self, result: Any, connecting: Deferred[Any]) -> Any:
        self._connecting.discard(connecting)
        return result

    def _carry(self, carrier: Carrier, request: IncomingRequest, data: bytes) -> None:
        self._carrying.add(carrier)
        carrier.carry(request, data)
        if self.is_leaving:
            carrier.hurry()

    def _connected(self, carrier: Any, request: IncomingRequest, data: bytes) -> None:
        if self._is_gone:
            carrier.transport.abortConnection()
            self._lose(request)
        elif request.is_gone:
            self.counts["left"] += 1
            self.is_free(carrier)
        else:
            self._carry(carrier, request, data)

    def _not_connected(self, failure: Failure, request: IncomingRequest) -> None:
        if self._is_gone:
            # That was how its end was found out, or it was given up.
            self._lose(request)
            return
        if request.is_gone:
            self.counts["left"] += 1
            return
        self._warn(failure)
        self._refuse(request)

    def _not_told(self, failure: Failure) -> None:
        if not self._is_gone:
            self._warn(failure)

    def _warn(self, failure: Failure) -> None:
        self._seldom.warn(
            "no connection",
            "no connection to another node: {problem}",
            problem=failure.value,
        )

    def _lose(self, request: IncomingRequest) -> None:
        if not request.is_gone:
            self.counts["lost"] += 1
            self.give_back(request)

    def _failed(self, failure: Failure) -> None:
        self._log.failure("forwarding a request failed", failure=failure)

    def _refuse(self, request: IncomingRequest) -> None:
        self.counts["busy"] += 1
        request.answer(_UNAVAILABLE, _PLAIN, _BUSY)

    # --- what its connections tell ----------------------------------------------------

    def is_free(self, carrier: Carrier) -> None:
        """Keep a connection for the next request."""
        self._carrying.discard(carrier)
        if self._is_closed:
            carrier.transport.loseConnection()
            return
        carrier.idle_since = self.clock.seconds()
        self._idle[carrier] = None
        if self._expiry is None:
            # The call is not moved with each request; it checks which connections are
            # due.
            self._expiry = self.clock.callLater(_IDLE_TIMEOUT, self._expire)

    def is_tunnel(self, carrier: Carrier) -> None:
        """Stop counting it: it has become a client's tunnel."""
        self._carrying.discard(carrier)
        self._tunnels.add(carrier)

    def give_back(self, request: IncomingRequest) -> None:
        """Let a request be answered here: the node is gone, and so is its session."""
        self._give_back(request)

    def is_lost(self, carrier: Carrier) -> None:
        """Forget it."""
        self._carrying.discard(carrier)
        self._tunnels.discard(carrier)
        self._idle.pop(carrier, None)
        if not self._carrying and not self._tunnels:
            self._stop_giving_up()

    def _expire(self) -> None:
        self._expiry = None
        now = self.clock.seconds()
        for carrier in list(self._idle):
            left = carrier.idle_since + _IDLE_TIMEOUT - now
            if left > MIN_DELAY:
                self._expiry = self.clock.callLater(left, self._expire)
                return
            del self._idle[carrier]
            carrier.transport.loseConnection()

    # --- the end ----------------------------------------------------------------------

    def release(self) -> None:
        """Let clients go on by another way: parked polls are answered with nothing."""
        self.is_leaving = True
        self.close()
        for carrier in self._carrying:
            carrier.hurry()

    def renew(self) -> None:
        """Let requests come by new connections: what these go through may be ending.

        Parked polls are answered with nothing, so that their clients poll again.
        """
        self._drop_idle()
        for carrier in self._carrying:
            carrier.is_last = True
            carrier.hurry()

    def is_busy(self) -> bool:
        """Whether there are requests that are not answered."""
        return bool(self._carrying or self._connecting)

    def close(self) -> None:
        """Keep no connection any more; what is under way goes on."""
        self._is_closed = True
        self._drop_idle()

    def _drop_idle(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        idle, self._idle = self._idle, {}
        for carrier in idle:
            carrier.transport.loseConnection()

    def end(self) -> None:
        """Let the last answers come from a node that has left.

        Word of that may overtake them: it comes by another way. They are waited for as
        long as the connections last, and no longer than `LAST_ANSWERS`.
        """
        self._go()
        if self._carrying or self._tunnels:
            self._giving_up = self.clock.callLater(LAST_ANSWERS, self.abort)

    def abort(self) -> None:
        """Drop what is under way, too: those requests are given back."""
        self._go()
        for carrier in [*self._carrying, *self._tunnels]:
            carrier.transport.abortConnection()

    def _go(self) -> None:
        """Make no connection any more, and wait for none."""
        self.close()
        self._stop_giving_up()
        self._is_gone = True
        for connecting in list(self._connecting):
            connecting.cancel()

    def _stop_giving_up(self) -> None:
        if self._giving_up is not None and self._giving_up.active():
            self._giving_up.cancel()


class _CarrierFactory(Factory):
    noisy = False

    def __init__(self, forwarder: Forwarder) -> None:
        self._forwarder = forwarder

    @override
    def buildProtocol(self, addr: IAddress | None) -> Carrier:
        return Carrier(self._forwarder)
