"""Sending: what goes out when, in which batch, and who is told when it has gone."""

from __future__ import annotations

import array
from typing import Any

import pytest
from twisted.internet.defer import Deferred, FirstError, gatherResults
from typing_extensions import Buffer

from tests.conftest import FlushLoggedErrors
from tests.doubles import has_fired
from tests.session.sessions import Opened, open_session
from txengineio.errors import CloseReason, SessionClosed
from txengineio.protocol.packets import PacketType
from txengineio.session.interfaces import IPacketTransport
from txengineio.testing import RecordingTransport

MESSAGE = PacketType.MESSAGE


def messages(*texts: str) -> list[tuple[PacketType, str]]:
    return [(MESSAGE, text) for text in texts]


def test_outside_of_a_dispatch_each_message_goes_out_at_once() -> None:
    opened = open_session()
    assert opened.session.send("a")
    assert opened.session.send("b")
    assert opened.transport.batches == [messages("a"), messages("b")]


def test_what_is_sent_while_corked_goes_out_together() -> None:
    opened = open_session()
    opened.session.cork()
    opened.session.send("a")
    opened.session.send_control(PacketType.NOOP)
    opened.session.send("b")
    assert opened.transport.batches == []
    opened.session.uncork()
    assert opened.transport.batches == [
        [(MESSAGE, "a"), (PacketType.NOOP, None), (MESSAGE, "b")]
    ]


def test_uncorking_without_anything_sent_touches_nothing() -> None:
    opened = open_session()
    opened.session.cork()
    opened.session.uncork()
    assert opened.transport.batches == []


def test_what_the_transport_cannot_take_is_kept_in_order() -> None:
    opened = open_session(transport=RecordingTransport(writable=False))
    for text in "abc":
        assert opened.session.send(text)
    assert opened.session.write_buffer == messages("a", "b", "c")
    opened.session.flush()
    assert opened.transport.batches == []
    opened.transport.writable = True
    opened.session.flush()
    assert opened.transport.batches == [messages("a", "b", "c")]
    assert opened.session.write_buffer == []


@pytest.mark.parametrize(
    ("message", "data"),
    [
        ("text", "text"),
        ("", ""),
        (b"bytes", b"bytes"),
        (bytearray(b"abc"), b"abc"),
        (memoryview(b"abcd")[1:3], b"bc"),
        (array.array("i", [1]), array.array("i", [1]).tobytes()),
    ],
)
def test_text_is_text_and_everything_bytes_like_is_bytes(
    message: str | Buffer, data: str | bytes
) -> None:
    opened = open_session()
    opened.session.send(message)
    assert opened.transport.sent == [(MESSAGE, data)]
    assert type(opened.transport.sent[0][1]) is type(data)


@pytest.mark.parametrize("message", [None, 1, 1.5, ["a"], {"a": "b"}, object()])
def test_nothing_else_can_be_sent(message: Any) -> None:
    opened = open_session()
    with pytest.raises(TypeError):
        opened.session.send(message)
    assert opened.transport.sent == []


# --- events ---------------------------------------------------------------------------


@pytest.mark.behaviour("B101", "B127")
def test_the_events_of_sending_come_in_the_references_order() -> None:
    opened = open_session()
    session, engine = opened.session, opened.engine
    events: list[object] = []
    session.on("packet_create", lambda *packet: events.append(("create", *packet)))
    session.on("flush", lambda packets: events.append(("flush", list(packets))))
    session.on("drain", lambda: events.append(("drain", list(session.write_buffer))))
    engine.on("flush", lambda of, packets: events.append(("engine flush", of, packets)))
    engine.on("drain", lambda of: events.append(("engine drain", of)))
    session.send("a")
    assert events == [
        ("create", MESSAGE, "a"),
        ("flush", messages("a")),
        ("engine flush", session, messages("a")),
        ("drain", []),
        ("engine drain", session),
    ]


def test_the_engines_events_happen_without_handlers_of_the_session() -> None:
    opened = open_session()
    events: list[object] = []
    opened.engine.on("drain", events.append)
    opened.session.send("a")
    opened.session.send_control(PacketType.PING)
    assert events == [opened.session, opened.session]


def test_a_control_packet_is_created_with_an_event_too() -> None:
    opened = open_session()
    events: list[object] = []
    opened.session.on("packet_create", lambda *packet: events.append(packet))
    opened.session.send_control(PacketType.PING)
    assert events == [(PacketType.PING, None)]


def test_a_message_that_a_flush_handler_sends_comes_behind_what_is_flushed() -> None:
    opened = open_session()
    session = opened.session
    sent: list[object] = []

    def send_once(_packets: object) -> None:
        if not sent:
            sent.append("second")
            session.send("second")

    session.on("flush", send_once)
    session.send("first")
    assert opened.transport.sent == messages("first", "second")


@pytest.mark.parametrize("event", ["packet_create", "flush", "drain"])
def test_a_handler_may_close_the_session(event: str) -> None:
    opened = open_session()
    flushed: list[object] = []
    opened.session.on(event, lambda *_: opened.session.close(discard=True))
    opened.session.send("a", on_flushed=flushed.append)
    assert opened.is_over()
    assert opened.transport.sent == (messages("a") if event == "drain" else [])
    assert flushed == ([opened.transport] if event == "drain" else [])
    opened.assert_over()


def test_a_handler_may_close_the_session_before_a_control_packet() -> None:
    opened = open_session()
    opened.session.on("packet_create", lambda *_: opened.session.close())
    opened.session.send_control(PacketType.PING)
    assert opened.transport.sent == []
    opened.assert_over()


# --- who is told ----------------------------------------------------------------------


def flushed_by(opened: Opened, text: str) -> list[object]:
    calls: list[object] = []
    opened.session.send(text, on_flushed=calls.append)
    return calls


@pytest.mark.behaviour("B115", "B117")
def test_on_flushed_is_called_at_once_with_the_transport_that_took_the_message() -> (
    None
):
    opened = open_session()
    assert flushed_by(opened, "a") == [opened.transport]
    opened.session.send("b")


def test_on_flushed_comes_before_drain() -> None:
    opened = open_session()
    order: list[str] = []
    opened.session.on("drain", lambda: order.append("drain"))
    opened.session.send("a", on_flushed=lambda _: order.append("flushed"))
    assert order == ["flushed", "drain"]


def test_on_flushed_waits_for_the_message_to_be_taken() -> None:
    opened = open_session(transport=RecordingTransport(writable=False))
    first, second = flushed_by(opened, "a"), flushed_by(opened, "b")
    assert first == second == []
    opened.transport.writable = True
    opened.session.flush()
    assert first == second == [opened.transport]


def test_on_flushed_waits_for_a_busy_transport() -> None:
    opened = open_session(transport=RecordingTransport(flushes_at_once=False))
    first = flushed_by(opened, "a")
    opened.transport.writable = False
    second = flushed_by(opened, "b")
    assert first == []
    opened.session.batch_flushed()
    assert first == [opened.transport]
    assert second == []
    opened.transport.writable = True
    opened.session.flush()
    assert second == []
    opened.session.batch_flushed()
    opened.session.batch_flushed()
    assert second == [opened.transport]


@pytest.mark.behaviour("B116")
def test_on_flushed_gets_the_transport_that_the_session_moved_to() -> None:
    opened = open_session(transport=RecordingTransport("polling", writable=False))
    calls = flushed_by(opened, "a")
    websocket = RecordingTransport()
    opened.session.move_to(websocket)
    assert calls == [websocket]


@pytest.mark.behaviour("B121", "B122")
@pytest.mark.parametrize("taken", [False, True])
def test_on_flushed_is_never_called_once_the_session_is_over(taken: bool) -> None:
    transport = RecordingTransport(writable=taken, flushes_at_once=False)
    opened = open_session(transport=transport)
    calls = flushed_by(opened, "a")
    opened.session.transport_closed()
    opened.session.batch_flushed()
    assert calls == []
    assert not opened.session.send("b", on_flushed=calls.append)
    assert calls == []


def test_an_exception_in_on_flushed_is_logged_and_the_next_is_called(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    opened = open_session()
    opened.session.cork()

    def fail(_transport: IPacketTransport) -> None:
        raise ZeroDivisionError

    opened.session.send("a", on_flushed=fail)
    calls = flushed_by(opened, "b")
    opened.session.uncork()
    assert calls == [opened.transport]
    assert len(flush_logged_errors(ZeroDivisionError)) == 1


def test_on_flushed_may_send_the_next_message() -> None:
    opened = open_session()
    session = opened.session
    session.send("a", on_flushed=lambda _: session.send("b"))
    assert opened.transport.sent == messages("a", "b")


def test_when_flushed_fires_at_once_with_nothing_on_its_way() -> None:
    opened = open_session()
    assert has_fired(opened.session.when_flushed())
    opened.session.send("a")
    assert has_fired(opened.session.when_flushed())


def test_when_flushed_waits_for_the_write_buffer() -> None:
    opened = open_session(transport=RecordingTransport(writable=False))
    opened.session.send("a")
    waiting = opened.session.when_flushed()
    assert not has_fired(waiting)
    opened.transport.writable = True
    opened.session.flush()
    assert has_fired(waiting)


def test_when_flushed_waits_for_what_a_busy_transport_was_given() -> None:
    opened = open_session(transport=RecordingTransport(flushes_at_once=False))
    opened.session.send("a")
    waiting = opened.session.when_flushed()
    opened.transport.writable = False
    opened.session.send("b")
    later = opened.session.when_flushed()
    assert not has_fired(waiting)
    opened.session.batch_flushed()
    assert has_fired(waiting)
    assert not has_fired(later)
    opened.transport.writable = True
    opened.session.flush()
    opened.session.batch_flushed()
    assert has_fired(later)


def test_when_flushed_gives_each_caller_a_deferred_of_its_own() -> None:
    opened = open_session(transport=RecordingTransport(writable=False))
    opened.session.send("a")
    both = [opened.session.when_flushed(), opened.session.when_flushed()]
    assert both[0] is not both[1]
    results = gatherResults(both)
    opened.transport.writable = True
    opened.session.flush()
    assert results.result == [None, None]


@pytest.mark.parametrize("taken", [False, True])
def test_when_flushed_fails_when_the_session_ends_before(taken: bool) -> None:
    transport = RecordingTransport(writable=taken, flushes_at_once=False)
    opened = open_session(transport=transport)
    opened.session.send("a")
    waiting: Deferred[None] = opened.session.when_flushed()
    failures: list[object] = []
    waiting.addErrback(lambda failure: failures.append(failure.value))
    opened.session.transport_closed()
    opened.session.when_flushed().addErrback(
        lambda failure: failures.append(failure.value)
    )
    assert failures == [opened.session.closed] * 2
    assert isinstance(failures[0], SessionClosed)
    assert failures[0].reason is CloseReason.TRANSPORT_CLOSE
    assert not isinstance(failures[0], FirstError)


def test_what_fails_when_flushed_is_not_told_to_the_callbacks_between() -> None:
    transport = RecordingTransport(writable=False)
    opened = open_session(transport=transport)
    calls = flushed_by(opened, "a")
    failures: list[object] = []
    opened.session.when_flushed().addErrback(failures.append)
    opened.session.transport_closed()
    assert calls == []
    assert len(failures) == 1
