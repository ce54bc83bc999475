"""Connections between nodes, until both sides are proven, and who is turned away."""

from __future__ import annotations

import errno
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import (
    ConnectError,
    ConnectingCancelledError,
    ConnectionDone,
    ConnectionRefusedError,
    NoRouteError,
    TimeoutError,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from typing_extensions import override

from tests.cluster.clients import CLOCK, HOST
from tests.cluster.machines.wire import RIGHT, Kept, Wire, pump
from tests.interop.certificates import make_certificates
from txengineio.cluster.machines.addresses import client_endpoint
from txengineio.cluster.machines.arrivals import Arrival, LinkFactory
from txengineio.cluster.machines.challenge import Credentials
from txengineio.cluster.machines.links import PATIENCE, LinkEndpoint
from txengineio.cluster.machines.unproven import LINK_TIMEOUT, LinkFailed, LinkProblem


def test_a_proven_link_belongs_to_another_protocol() -> None:
    wire = Wire()
    near, far = wire.connected(), wire.arrives()
    pump(near, far)
    (protocol,) = wire.outcome
    assert near.protocol is protocol
    (arrival,) = wire.arrived
    assert (arrival.wanted, arrival.rest) == ("n2", b"")
    taken = Kept()
    arrival.become(taken)
    far.protocol.dataReceived(b"hello")
    assert taken.received == b"hello"
    taken.transport.write(b"hi")  # type: ignore[union-attr]
    pump(near, far)
    assert protocol.received == b"hi"
    assert wire.counts == {"accepted": 1}
    assert wire.problems == []
    assert wire.clock.getDelayedCalls() == []


def test_who_knows_another_secret_is_turned_away() -> None:
    wire = Wire(Credentials("chat", b"another" * 8))
    near, far = wire.connected(), wire.arrives()
    pump(near, far)
    assert wire.problem() is LinkProblem.UNPROVEN
    assert near.disconnecting
    far.protocol.connectionLost(Failure(ConnectionDone()))
    assert wire.arrived == []
    assert wire.clock.getDelayedCalls() == []


def test_a_node_that_is_not_there_any_more() -> None:
    wire = Wire(here="n3")
    near, far = wire.connected(), wire.arrives()
    pump(near, far)
    assert wire.problem() is LinkProblem.UNKNOWN
    assert wire.problem().is_end
    assert wire.counts == {"astray": 1}


def test_a_node_that_joins_does_not_know_who_has_ended() -> None:
    wire = Wire(here="n3")
    wire.links.is_settled = False
    near, far = wire.connected(), wire.arrives()
    pump(near, far)
    assert far.disconnecting
    near.protocol.connectionLost(Failure(ConnectionDone()))
    assert wire.outcome == []
    # The next call may come to one that knows.
    wire.clock.advance(0.1)
    assert len(wire.dialled) == 1
    wire.connecting.cancel()
    assert wire.counts == {"astray": 1}


def test_nobody_listens_there() -> None:
    wire = Wire()
    wire.dialled.pop()[1].errback(ConnectionRefusedError())
    assert wire.problem() is LinkProblem.REFUSED
    assert wire.problem().is_end


def test_a_node_that_is_being_killed_has_ended() -> None:
    """The kernel has taken the call before it closed the port."""
    wire = Wire()
    wire.connected().protocol.connectionLost(Failure(ConnectionDone()))
    assert wire.outcome == []
    wire.clock.advance(0.1)
    wire.dialled.pop()[1].errback(ConnectionRefusedError())
    assert wire.problem() is LinkProblem.REFUSED


def test_who_hangs_up_is_called_a_few_times() -> None:
    wire = Wire()
    calls = 0
    while wire.dialled:
        wire.connected().protocol.connectionLost(Failure(ConnectionDone()))
        wire.clock.advance(0.1)
        calls += 1
    assert calls == 5
    assert wire.problem() is LinkProblem.CLOSED
    assert not wire.problem().is_end
    assert wire.clock.getDelayedCalls() == []


def test_another_failure_is_no_end() -> None:
    wire = Wire()
    wire.dialled.pop()[1].errback(OSError("no way"))
    assert wire.problem() is LinkProblem.FAILED
    assert not wire.problem().is_end
    assert wire.clock.getDelayedCalls() == []


def test_a_node_that_says_nothing_is_called_until_it_must_be_gone() -> None:
    wire = Wire()
    began = wire.clock.seconds()
    calls = 0
    while wire.dialled:
        near = wire.connected()
        wire.clock.advance(LINK_TIMEOUT)
        assert near.disconnecting
        near.protocol.connectionLost(Failure(ConnectionDone()))
        until_called(wire)
        calls += 1
    assert calls == PATIENCE // LINK_TIMEOUT
    assert wire.clock.seconds() - began < PATIENCE + 1
    assert wire.problem() is LinkProblem.TIMEOUT
    assert not wire.problem().is_end
    assert wire.clock.getDelayedCalls() == []


def until_called(wire: Wire) -> None:
    """Wait until the node is called again, or given up."""
    while not wire.dialled and not wire.outcome:
        wire.clock.advance(0.1)


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError(),
        NoRouteError(errno.ENETUNREACH, "Network is unreachable"),
        ConnectError(errno.EHOSTUNREACH, "No route to host"),
    ],
)
def test_a_network_that_stalls_costs_nothing_but_time(error: Exception) -> None:
    wire = Wire()
    for _ in range(12):
        wire.dialled.pop()[1].errback(error)
        assert wire.outcome == []
        until_called(wire)
    pump(wire.connected(), wire.arrives())
    assert len(wire.arrived) == 1
    assert wire.problems == []
    assert wire.clock.getDelayedCalls() == []


def test_a_network_that_says_at_once_that_it_leads_nowhere_is_not_asked_often() -> None:
    wire = Wire()
    calls = 0
    while wire.dialled:
        wire.dialled.pop()[1].errback(NoRouteError(errno.ENETUNREACH, "no way"))
        until_called(wire)
        calls += 1
    assert PATIENCE <= calls <= PATIENCE + 5
    assert wire.problem() is LinkProblem.TIMEOUT


def test_who_does_not_wait_for_a_network_that_stalls() -> None:
    wire = Wire()
    wire.dialled.pop()[1].errback(TimeoutError())
    wire.connecting.cancel()
    (failure,) = wire.outcome
    assert failure.check(CancelledError)
    assert wire.problems == []
    assert wire.clock.getDelayedCalls() == []


@pytest.mark.parametrize(
    "error", [CancelledError(), ConnectingCancelledError(HOST)], ids=["", "Twisted's"]
)
def test_dialling_is_given_up(error: Exception) -> None:
    wire = Wire()
    connected = wire.dialled.pop()[1]
    connected._canceller = lambda each: each.errback(error)
    wire.connecting.cancel()
    (failure,) = wire.outcome
    assert failure.check(CancelledError)
    # It says nothing of the node.
    assert wire.problems == []
    assert wire.clock.getDelayedCalls() == []


def test_who_knows_of_the_problem_may_give_up_all_connections() -> None:
    wire = Wire()
    endpoint: Any = wire
    given_up: list[Any] = []
    ended: list[Any] = []
    link = LinkEndpoint(
        endpoint,
        wire.clock,
        RIGHT,
        ("n1", "n2"),
        lambda _: [each.cancel() for each in given_up],
    )
    for _ in range(2):
        connecting = link.connect(Factory.forProtocol(Kept))
        given_up.append(connecting)
        connecting.addErrback(lambda failure: ended.append(failure.type))
    wire.dialled[1][1].errback(ConnectionRefusedError())
    assert ended == [CancelledError, LinkFailed]


def test_connecting_is_given_up() -> None:
    wire = Wire()
    near = wire.connected()
    wire.connecting.cancel()
    assert near.disconnecting
    near.protocol.dataReceived(b"+")
    assert wire.clock.getDelayedCalls() == []


@pytest.mark.socket
@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("certificate", ["self_signed", "server"])
async def test_tls_with_any_certificate(tmp_path: Path, certificate: str) -> None:
    files = make_certificates(tmp_path)
    key, shown = getattr(files, f"{certificate}_key"), getattr(files, certificate)
    async with tls(f"ssl:0:privateKey={key}:certKey={shown}:interface={HOST}") as (
        arrived,
        port,
    ):
        problems: list[LinkFailed] = []
        link = LinkEndpoint(
            client_endpoint(CLOCK, f"tls:{HOST}:{port}"),
            CLOCK,
            RIGHT,
            ("n1", "n2"),
            problems.append,
        )
        protocol = await link.connect(Factory.forProtocol(Kept))
        protocol.transport.write(b"hello")
        arrival = await arrived
        taken = Received()
        arrival.become(taken)
        taken.dataReceived(arrival.rest)
        await taken.came
        assert problems == []
        protocol.transport.loseConnection()
        await taken.lost


@pytest.mark.socket
@pytest_twisted.ensureDeferred
async def test_somebody_in_between_cannot_pass_the_proofs_on(tmp_path: Path) -> None:
    files = make_certificates(tmp_path)
    theirs = f"privateKey={files.server_key}:certKey={files.server}"
    own = f"privateKey={files.self_signed_key}:certKey={files.self_signed}"
    async with tls(f"ssl:0:{theirs}:interface={HOST}") as (arrived, port):
        between = serverFromString(CLOCK, f"ssl:0:{own}:interface={HOST}")
        real = client_endpoint(CLOCK, f"tls:{HOST}:{port}")
        listening: Any = await between.listen(Factory.forProtocol(lambda: Passes(real)))
        problems: list[LinkFailed] = []
        link = LinkEndpoint(
            client_endpoint(CLOCK, f"tls:{HOST}:{listening.getHost().port}"),
            CLOCK,
            RIGHT,
            ("n1", "n2"),
            problems.append,
        )
        with pytest.raises(LinkFailed, match="does not know the secret"):
            await link.connect(Factory.forProtocol(Kept))
        assert [each.problem for each in problems] == [LinkProblem.UNPROVEN]
        assert not arrived.called
        await listening.stopListening()


class Passes(Protocol):
    """Passes all on to another endpoint, and back."""

    def __init__(self, endpoint: Any) -> None:
        self._endpoint = endpoint
        self._kept = b""
        self._other: Any = None

    @override
    def connectionMade(self) -> None:
        back = Protocol()
        back.dataReceived = self.transport.write  # type: ignore[method-assign, union-attr]

        def connected(_: object) -> None:
            self._other = back.transport
            self._other.write(self._kept)

        connecting = self._endpoint.connect(Factory.forProtocol(lambda: back))
        connecting.addCallback(connected)

    @override
    def dataReceived(self, data: bytes) -> None:
        if self._other is None:
            self._kept += data
        else:
            self._other.write(data)

    @override
    def connectionLost(self, reason: object = None) -> None:
        if self._other is not None:
            self._other.loseConnection()


class Received(Kept):
    def __init__(self) -> None:
        super().__init__()
        self.came: Deferred[None] = Deferred()
        self.lost: Deferred[None] = Deferred()

    @override
    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        if self.received == b"hello":
            self.came.callback(None)

    @override
    def connectionLost(self, reason: object = None) -> None:
        self.lost.callback(None)


class tls:  # noqa: N801 - a context
    """Listens for other nodes with TLS."""

    def __init__(self, description: str) -> None:
        self._endpoint = serverFromString(CLOCK, description)
        self.arrived: Deferred[Arrival] = Deferred()

    async def __aenter__(self) -> tuple[Deferred[Arrival], int]:
        links = LinkFactory(CLOCK, RIGHT, "n2".__eq__, self.arrived.callback, Counter())
        self._port: Any = await self._endpoint.listen(links)
        return self.arrived, self._port.getHost().port

    async def __aexit__(self, *_details: object) -> None:
        await self._port.stopListening()
