"""Connections that come, until both sides are proven, and who is turned away."""

from __future__ import annotations

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from tests.cluster.clients import HOST
from tests.cluster.machines.wire import Wire, pump
from txengineio.cluster.machines.arrivals import MAX_UNPROVEN
from txengineio.cluster.machines.challenge import Credentials
from txengineio.cluster.machines.unproven import LINK_TIMEOUT


def test_a_caller_that_says_nothing() -> None:
    wire = Wire()
    far = wire.arrives()
    wire.clock.advance(LINK_TIMEOUT)
    assert far.disconnecting
    assert wire.counts == {"late": 1}
    far.protocol.dataReceived(b"too late")
    assert far.value() == b""


def test_a_caller_that_is_no_node() -> None:
    wire = Wire()
    far = wire.arrives()
    far.protocol.dataReceived(b"GET / HTTP/1.1\r\n\r\n")
    assert far.disconnecting
    assert far.value() == b""
    assert wire.counts == {"strangers": 1}
    assert wire.clock.getDelayedCalls() == []


def test_without_a_secret_other_machines_are_strangers() -> None:
    wire = Wire(Credentials("chat", b""))
    assert wire.links.buildProtocol(IPv4Address("TCP", "10.0.0.9", 1)) is None
    assert wire.counts == {"strangers": 1}
    assert wire.arrives(HOST).value() == b""


def test_strangers_do_not_fill_the_log() -> None:
    wire = Wire()
    with capturedLogs() as logs:
        for _ in range(9):
            wire.arrives().protocol.dataReceived(b"GET / HTTP/1.1\r\n\r\n")
    assert wire.counts == {"strangers": 9}
    assert len(logs) == 1


def test_who_is_refused_and_stays_is_dropped() -> None:
    """With TLS the connection does not end before its other side agrees."""
    wire = Wire(here="n3")
    near, far = wire.connected(), wire.arrives()
    pump(near, far)
    far.disconnecting = False
    assert len(wire.links.unproven) == 1
    far.protocol.dataReceived(b"more")
    wire.clock.advance(LINK_TIMEOUT)
    assert far.disconnecting
    far.protocol.connectionLost(Failure(ConnectionDone()))
    assert wire.links.unproven == {}
    assert wire.counts == {"astray": 1}
    assert wire.clock.getDelayedCalls() == []


def test_only_so_many_prove_something_at_a_time() -> None:
    wire = Wire()
    arrivals = [wire.arrives() for _ in range(MAX_UNPROVEN)]
    near, far = wire.connected(), wire.arrives()
    assert far.disconnecting
    pump(near, far)
    assert wire.arrived == []
    assert wire.counts == {"crowded": 1}
    for each in (far, arrivals.pop()):
        assert each.disconnecting == (each is far)
        each.protocol.connectionLost(Failure(ConnectionDone()))
    near.protocol.connectionLost(Failure(ConnectionDone()))
    # It tries again.
    wire.clock.advance(0.1)
    pump(wire.connected(), wire.arrives())
    assert len(wire.arrived) == 1
    wire.links.close()


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("10.0.0.{}", "10.0.1.1"), ("2001:db8::{}", "2001:db8:0:1::1")],
)
def test_strangers_of_one_address_keep_nobody_else_out(theirs: str, ours: str) -> None:
    wire = Wire()
    # Of IPv6, one host has many addresses.
    strangers = [
        wire.arrives(theirs.format(1 if "." in theirs else number + 1))
        for number in range(MAX_UNPROVEN)
    ]
    near, far = wire.connected(), wire.arrives(ours)
    assert not far.disconnecting
    assert [each.disconnecting for each in strangers[:2]] == [True, False]
    assert wire.counts == {"crowded": 1}
    assert len(wire.links.unproven) == MAX_UNPROVEN
    pump(near, far)
    assert len(wire.arrived) == 1
    # What comes of the one that had to go is not read any more.
    strangers[0].protocol.dataReceived(b"nonsense")
    strangers[0].protocol.connectionLost(Failure(ConnectionDone()))
    assert wire.counts == {"crowded": 1, "accepted": 1}
    wire.links.close()


def test_an_address_that_says_a_little_at_a_time_has_no_more_time() -> None:
    wire = Wire()
    far = wire.arrives()
    far.protocol.dataReceived(b"EIO")
    wire.clock.advance(LINK_TIMEOUT - 0.1)
    far.protocol.dataReceived(b"link1")
    wire.clock.advance(0.1)
    assert far.disconnecting
    assert wire.counts == {"late": 1}
    assert wire.links.unproven == {}


def test_unproven_connections_end_with_the_node() -> None:
    wire = Wire()
    far = wire.arrives()
    wire.links.close()
    assert far.disconnecting
    assert wire.clock.getDelayedCalls() == []
