from __future__ import annotations

from typing import Any, cast

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IConsumer, IPushProducer, ITransport
from zope.interface.verify import verifyObject

from tests.integrations.streams.doubles import RecordingSession
from txengineio.integrations.streams.transport import (
    END_OF_STREAM,
    MAX_MESSAGE,
    StreamTransport,
    address_of,
)

HOST = IPv4Address("TCP", "192.0.2.2", 80)
PEER = IPv4Address("TCP", "192.0.2.1", 1024)


@pytest.fixture
def session() -> RecordingSession:
    return RecordingSession()


@pytest.fixture
def transport(session: RecordingSession) -> StreamTransport:
    return StreamTransport(cast(Any, session), HOST, PEER)


def test_it_is_what_protocols_expect(transport: StreamTransport) -> None:
    for interface in (ITransport, IConsumer, IPushProducer):
        verifyObject(interface, transport)
    assert (transport.getHost(), transport.getPeer()) == (HOST, PEER)


def test_bytes_go_as_binary_messages(
    transport: StreamTransport, session: RecordingSession
) -> None:
    transport.write(b"a")
    transport.writeSequence([b"b", b"c"])
    transport.write(b"")
    assert session.sent == [b"a", b"bc"]


def test_a_large_write_goes_in_pieces(
    transport: StreamTransport, session: RecordingSession
) -> None:
    transport.write(b"x" * (2 * MAX_MESSAGE + 1))
    assert [len(message) for message in session.sent] == [MAX_MESSAGE, MAX_MESSAGE, 1]


def test_nothing_is_written_after_the_end(
    transport: StreamTransport, session: RecordingSession
) -> None:
    transport.loseConnection()
    transport.loseConnection()
    transport.write(b"late")
    transport.loseWriteConnection()
    assert session.sent == []
    assert session.events == ["close"]
    assert transport.disconnecting


def test_the_end_waits_for_a_producer(
    transport: StreamTransport, session: RecordingSession
) -> None:
    producer = object()
    transport.registerProducer(cast(Any, producer), True)
    transport.loseConnection()
    assert session.events == [("register", producer, True)]
    transport.unregisterProducer()
    transport.unregisterProducer()
    assert session.events[1:] == ["unregister", "close"]


def test_what_a_producer_writes_goes_out_before_the_end(
    transport: StreamTransport, session: RecordingSession
) -> None:
    transport.registerProducer(cast(Any, object()), True)
    transport.loseConnection()
    transport.write(b"rest")
    transport.unregisterProducer()
    transport.write(b"late")
    assert session.sent == [b"rest"]
    assert session.events[1:] == ["unregister", "close"]


@pytest.mark.parametrize(
    ("end", "messages", "events"),
    [
        ("loseConnection", [], ["close"]),
        ("loseWriteConnection", [END_OF_STREAM], []),
        ("getHost", [], []),
    ],
)
def test_what_is_done_during_a_write_comes_after_it(
    transport: StreamTransport,
    session: RecordingSession,
    end: str,
    messages: list[bytes],
    events: list[str],
) -> None:
    def act() -> None:
        session.on_send = None
        transport.write(b"b")
        getattr(transport, end)()

    session.on_send = act
    part = b"a" * MAX_MESSAGE
    transport.write(part + part)
    assert session.sent == [part, part, b"b", *messages]
    assert session.events == events


def test_an_abort_during_a_write_is_the_end(
    transport: StreamTransport, session: RecordingSession
) -> None:
    session.on_send = transport.abortConnection
    transport.write(b"a")
    assert session.events == ["discard"]


def test_a_half_close_is_told_once(
    transport: StreamTransport, session: RecordingSession
) -> None:
    transport.loseWriteConnection()
    transport.registerProducer(cast(Any, object()), True)
    transport.unregisterProducer()
    assert session.sent == [END_OF_STREAM]


def test_a_half_close_waits_for_a_producer(
    transport: StreamTransport, session: RecordingSession
) -> None:
    transport.registerProducer(cast(Any, object()), True)
    transport.loseWriteConnection()
    transport.write(b"rest")
    transport.unregisterProducer()
    transport.write(b"late")
    assert session.sent == [b"rest", END_OF_STREAM]


def test_an_abort_drops_what_was_not_sent(
    transport: StreamTransport, session: RecordingSession
) -> None:
    transport.abortConnection()
    transport.write(b"late")
    assert (session.sent, session.events) == ([], ["discard"])


def test_a_half_close_is_an_empty_message(
    transport: StreamTransport, session: RecordingSession
) -> None:
    transport.loseWriteConnection()
    transport.loseWriteConnection()
    transport.write(b"late")
    assert session.sent == [END_OF_STREAM]
    assert session.events == []


def test_a_paused_reader_is_waited_for(transport: StreamTransport) -> None:
    assert transport.when_resumed() is None
    transport.pauseProducing()
    waiting = transport.when_resumed()
    assert waiting is not None
    transport.pauseProducing()
    assert transport.when_resumed() is waiting
    fired: list[object] = []
    waiting.addCallback(fired.append)
    assert fired == []
    transport.resumeProducing()
    transport.resumeProducing()
    assert fired == [None]
    assert transport.when_resumed() is None


def test_a_reader_that_stops_loses_the_connection(
    transport: StreamTransport, session: RecordingSession
) -> None:
    transport.pauseProducing()
    waiting = transport.when_resumed()
    transport.stopProducing()
    assert waiting is not None
    assert waiting.called
    assert session.events == ["close"]


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.1", IPv4Address("TCP", "192.0.2.1", 1)),
        ("2001:db8::1", IPv6Address("TCP", "2001:db8::1", 1)),
        (None, IPv4Address("TCP", "0.0.0.0", 1)),
    ],
)
def test_addresses_are_those_of_tcp(host: str | None, address: object) -> None:
    assert address_of(host, 1) == address
