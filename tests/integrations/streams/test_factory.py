from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.address import HostnameAddress, IPv4Address, IPv6Address
from twisted.internet.error import ConnectionDone, ConnectionLost, NoProtocol
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from typing_extensions import override

from tests.conftest import FlushLoggedErrors
from tests.integrations.streams.doubles import (
    HalfCloseable,
    RecordingSession,
    RecordingStream,
)
from txengineio.errors import CloseReason, InvalidOption, SessionClosed
from txengineio.integrations.streams.factory import (
    StreamFactory,
    StreamSession,
    _called,
)


def opened(protocol: type[Protocol]) -> tuple[StreamSession, RecordingSession, Any]:
    carrier = StreamFactory(Factory.forProtocol(protocol)).buildProtocol(None)
    session = RecordingSession()
    carrier.makeConnection(session)
    return carrier, session, carrier.stream()


def test_messages_are_bytes_of_the_stream() -> None:
    carrier, session, stream = opened(RecordingStream)
    carrier.messageReceived(b"ab")
    carrier.messageReceived("ä")
    assert stream.received == b"ab\xc3\xa4"
    stream.transport.write(b"answer")
    assert session.sent == [b"answer"]


@pytest.mark.parametrize(
    ("host", "peer"),
    [
        ("example.com", HostnameAddress(b"example.com", 8080)),
        ("192.0.2.1", IPv4Address("TCP", "192.0.2.1", 8080)),
        ("2001:db8::1", IPv6Address("TCP", "2001:db8::1", 8080)),
    ],
)
def test_a_client_knows_where_its_server_is(host: str, peer: IAddress) -> None:
    factory = StreamFactory(Factory.forProtocol(RecordingStream))
    carrier = factory.buildProtocol(HostnameAddress(host.encode(), 8080))
    session = RecordingSession()
    session.remote_address = host
    carrier.makeConnection(session)
    stream: Any = carrier.stream()
    assert stream.transport.getPeer() == peer


@pytest.mark.parametrize("name", ["x" * 64, "a..b"])
def test_a_name_that_can_be_none_in_dns_is_left_out(name: str) -> None:
    carrier = StreamFactory(Factory.forProtocol(RecordingStream)).buildProtocol(None)
    session = RecordingSession()
    session.remote_address = name
    carrier.makeConnection(session)
    stream: Any = carrier.stream()
    assert stream.transport.getPeer().hostname == b""


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("example.com:8080", HostnameAddress(b"example.com", 8080)),
        ("[::1]:80", IPv6Address("TCP", "::1", 80)),
        ("192.0.2.1", IPv4Address("TCP", "192.0.2.1", 0)),
        ("", HostnameAddress(b"", 0)),
        ("example.com:x", HostnameAddress(b"", 0)),
        ("example.com:99999", HostnameAddress(b"", 0)),
        ("[::1", HostnameAddress(b"", 0)),
        ("x" * 64, HostnameAddress(b"", 0)),
    ],
)
def test_a_client_may_write_anything_as_the_name_of_the_server(
    host: str, address: IAddress
) -> None:
    assert _called(host) == address


def test_a_paused_reader_that_aborts_gets_nothing_more() -> None:
    carrier, session, stream = opened(RecordingStream)
    stream.transport.pauseProducing()
    waiting = carrier.messageReceived(b"a")
    assert waiting is not None
    stream.transport.abortConnection()
    # The session tells that it has ended as soon as this has fired.
    assert waiting.called
    stream.transport.pauseProducing()
    assert carrier.messageReceived(b"b") is None
    assert (stream.received, session.events) == (b"", ["discard"])


def test_what_is_sent_to_a_paused_reader_waits() -> None:
    carrier, _, stream = opened(RecordingStream)
    stream.transport.pauseProducing()
    waiting = carrier.messageReceived(b"a")
    assert waiting is not None
    assert stream.received == b""
    stream.transport.resumeProducing()
    assert stream.received == b"a"


def test_a_reader_may_pause_with_each_piece() -> None:
    class Slow(RecordingStream):
        @override
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            transport: Any = self.transport
            transport.pauseProducing()

    carrier, _, stream = opened(Slow)
    done: list[str] = []

    def receive(message: str) -> None:
        waiting = carrier.messageReceived(message)
        assert waiting is not None
        waiting.addCallback(lambda _: done.append(message))

    receive("a")
    assert (stream.received, done) == (b"a", [])
    stream.transport.resumeProducing()
    assert done == ["a"]
    stream.transport.pauseProducing()
    receive("b")
    stream.transport.resumeProducing()
    # It has paused again with this one: nothing comes before it goes on.
    assert (stream.received, done) == (b"ab", ["a"])
    stream.transport.resumeProducing()
    assert done == ["a", "b"]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (CloseReason.FORCED_CLOSE, ConnectionDone),
        (CloseReason.TRANSPORT_CLOSE, ConnectionDone),
        (CloseReason.PING_TIMEOUT, ConnectionLost),
        (CloseReason.TRANSPORT_ERROR, ConnectionLost),
    ],
)
def test_it_ends_as_a_tcp_connection_does(
    reason: CloseReason, expected: type[Exception]
) -> None:
    carrier, _, stream = opened(RecordingStream)
    carrier.connectionLost(Failure(SessionClosed(reason)))
    assert stream.lost.check(expected)
    # Nothing comes afterwards.
    carrier.messageReceived(b"late")
    assert stream.received == b""
    with pytest.raises(NoProtocol):
        carrier.stream()


def test_an_empty_message_closes_for_those_who_know_no_half() -> None:
    carrier, session, _ = opened(RecordingStream)
    carrier.messageReceived(b"")
    assert session.events == ["close"]


def test_an_empty_message_half_closes_for_the_others() -> None:
    carrier, session, stream = opened(HalfCloseable)
    carrier.messageReceived(b"")
    assert stream.ended
    stream.transport.write(b"still here")
    assert (session.sent, session.events) == ([b"still here"], [])


def test_a_protocol_that_fails_loses_its_connection(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    class Failing(RecordingStream):
        @override
        def dataReceived(self, data: bytes) -> None:
            raise ZeroDivisionError

    carrier, session, _ = opened(Failing)
    carrier.messageReceived(b"a")
    assert session.events == ["discard"]
    assert flush_logged_errors(ZeroDivisionError)


def test_a_factory_may_refuse() -> None:
    class Refusing(Factory):
        @override
        def buildProtocol(self, addr: object) -> None:
            return None

    carrier = StreamFactory(Refusing()).buildProtocol(None)
    session = RecordingSession()
    carrier.makeConnection(session)
    assert session.events == ["discard"]
    carrier.messageReceived(b"a")
    carrier.connectionLost(Failure(SessionClosed(CloseReason.FORCED_CLOSE)))
    with pytest.raises(NoProtocol):
        carrier.stream()


def test_the_wrapped_factory_is_started_and_stopped() -> None:
    class Counting(Factory):
        noisy = False
        events: list[str] = []  # noqa: RUF012

        @override
        def startFactory(self) -> None:
            self.events.append("start")

        @override
        def stopFactory(self) -> None:
            self.events.append("stop")

    wrapped = Counting()
    factory = StreamFactory(wrapped)
    factory.doStart()
    factory.doStop()
    assert wrapped.events == ["start", "stop"]


@pytest.mark.parametrize("wrong", [Protocol, Factory, object(), None])
def test_what_is_no_factory_is_refused_at_once(wrong: Any) -> None:
    with pytest.raises(InvalidOption, match="factory must be a factory, as Factory"):
        StreamFactory(wrong)
