"""Taking a connection over: Twisted is told what it must be told, nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site
from twisted.web.test.requesthelper import DummyChannel, DummyRequest
from typing_extensions import override

from tests.connection import Connection, make_request
from txengineio.server.web._twisted import take_over
from txengineio.server.web.foreign_request import incoming


class Taker(Protocol):
    """Writes down what comes."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.lost: list[Failure | None] = []

    @override
    def dataReceived(self, data: bytes) -> None:
        self.received.append(data)

    @override
    def connectionLost(self, reason: Failure | None = None) -> None:
        self.lost.append(reason)


class TakingResource(Resource):
    """Gives the connection of each request away, at once or when the test says so."""

    isLeaf = True

    def __init__(self, at_once: bool = True) -> None:
        super().__init__()
        self.taker = Taker()
        self.early: list[bytes] = []
        self.request: Any = None
        self._at_once = at_once

    @override
    def render(self, request: Request) -> int:
        self.request = request
        if self._at_once:
            self.take()
        return NOT_DONE_YET

    def take(self) -> None:
        assert incoming(self.request).can_take_over()
        self.early.append(take_over(self.request, self.taker))


class Wrapped(WrappingFactory):
    protocol = ProtocolWrapper


def connect(resource: Resource, wrapped: bool = False) -> tuple[Connection, Clock]:
    clock = Clock()
    factory: Any = Site(resource, reactor=clock)
    if wrapped:
        factory = Wrapped(factory)
    connection = Connection(factory, lambda: None)
    return connection, clock


REQUEST = make_request("GET", "/")

wrapping = pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "wrapped"])


@wrapping
def test_the_new_protocol_gets_everything_from_then_on(wrapped: bool) -> None:
    resource = TakingResource()
    connection, clock = connect(resource, wrapped)
    connection.send(REQUEST)
    assert resource.early == [b""]
    connection.send(b"one", b"two")
    assert resource.taker.received == [b"one", b"two"]
    assert resource.taker.transport is not None
    resource.taker.transport.write(b"answer")
    assert connection.take() == b"answer"
    connection.transport.abortConnection()
    connection.transport.settle()
    assert len(resource.taker.lost) == 1
    # The time-outs of the HTTP channel ended with it.
    assert clock.getDelayedCalls() == []


@wrapping
def test_what_came_with_the_request_goes_to_the_new_protocol(wrapped: bool) -> None:
    resource = TakingResource()
    connection, _ = connect(resource, wrapped)
    connection.send(REQUEST + b"early")
    connection.send(b"late")
    assert b"".join([*resource.early, *resource.taker.received]) == b"earlylate"


@wrapping
def test_what_came_while_nobody_had_decided_is_handed_over(wrapped: bool) -> None:
    resource = TakingResource(at_once=False)
    connection, _ = connect(resource, wrapped)
    connection.send(REQUEST + b"one", b"two")
    resource.take()
    assert resource.early == [b"onetwo"]
    connection.send(b"three")
    assert resource.taker.received == [b"three"]


def test_reading_goes_on_where_twisted_had_stopped_it() -> None:
    resource = TakingResource(at_once=False)
    connection, _ = connect(resource)
    connection.send(REQUEST)
    for _ in range(200):
        connection.transport.deliver(b"x" * 1000)
    assert not connection.transport.is_read()
    resource.take()
    assert connection.transport.is_read()
    while connection.transport.settle():
        pass
    received = b"".join([*resource.early, *resource.taker.received])
    assert received == b"x" * 200_000


def test_the_new_protocol_may_be_the_transports_producer() -> None:
    resource = TakingResource()
    connection, _ = connect(resource)
    connection.send(REQUEST)
    transport: Any = resource.taker.transport
    transport.registerProducer(object(), True)


def test_tls_that_was_started_on_a_plain_connection_stays_in_between() -> None:
    # Its protocol is between the transport and ours, and the channel does not see it.
    resource = TakingResource()
    connection, _ = connect(resource)
    transport: Any = connection.transport
    channel = transport.protocol
    wrapper = ProtocolWrapper(WrappingFactory(Site(resource, reactor=Clock())), channel)
    transport.protocol = wrapper
    connection.send(REQUEST)
    assert transport.protocol is wrapper
    assert wrapper.wrappedProtocol is resource.taker
    connection.send(b"through it")
    assert resource.taker.received == [b"through it"]


def test_a_request_that_was_taken_keeps_nothing_alive() -> None:
    resource = TakingResource()
    connection, _ = connect(resource)
    connection.send(REQUEST)
    assert resource.request.channel is None


def test_a_request_over_something_else_than_http_1_cannot_be_taken() -> None:
    request: Any = DummyRequest([b""])
    request.channel = DummyChannel()
    assert not incoming(request).can_take_over()
