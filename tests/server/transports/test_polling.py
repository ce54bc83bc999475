"""Long-polling: parked GETs, and how a session ends by them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.connection import Exchange, make_request
from tests.doubles import echo, ended_by, ended_with
from tests.server.conftest import NewServer
from tests.wiring import Server
from txengineio.errors import CloseReason
from txengineio.testing import RecordingApplication

# --- polls ----------------------------------------------------------------------------


@pytest.mark.behaviour("B084", "B140")
def test_a_poll_is_parked_until_there_is_something_to_say(
    new_server: NewServer,
) -> None:
    client = new_server().open_polling()
    poll = client.poll()
    assert poll.is_pending
    client.session.send("a")
    answer = poll.answer
    assert (answer.status, answer.body) == (200, b"4a")
    assert answer.header("Content-Type") == "text/plain; charset=UTF-8"
    assert answer.header("Content-Length") == "2"
    assert answer.header("cache-control") == "no-store"


def test_a_poll_takes_everything_that_waits_in_one_answer() -> None:
    client = Server.new().open_polling()
    client.session.send("a€")
    client.session.send(b"\x01\x02\x03\x04")
    client.session.send("")
    answer = client.poll().answer
    assert answer.packets == ["4a€", "bAQIDBA==", "4"]
    assert answer.header("Content-Length") == str(len(answer.body))


def test_the_second_send_waits_for_the_next_poll() -> None:
    client = Server.new().open_polling()
    poll = client.poll()
    for text in "abc":
        client.session.send(text)
    assert poll.answer.packets == ["4a"]
    assert client.poll().answer.packets == ["4b", "4c"]


@pytest.mark.behaviour("B115", "B120")
def test_on_flushed_is_called_when_the_answer_has_been_written() -> None:
    client = Server.new().open_polling()
    flushed: list[object] = []
    client.session.send("a", on_flushed=flushed.append)
    client.session.send("b", on_flushed=flushed.append)
    assert flushed == []
    client.poll()
    assert flushed == [client.session.transport] * 2
    client.poll()
    client.session.send("c", on_flushed=flushed.append)
    assert len(flushed) == 3


def test_what_a_connection_handler_sends_comes_with_the_second_poll() -> None:
    application = RecordingApplication(
        on_made=lambda protocol: protocol.session.send("welcome")
    )
    client = Server.new(application).open_polling()
    assert len(client.handshake.answer.packets) == 1
    assert client.poll().answer.packets == ["4welcome"]


@pytest.mark.behaviour("B201")
def test_a_second_poll_ends_the_session(new_server: NewServer) -> None:
    server = new_server()
    client = server.open_polling()
    first = client.poll()
    second = client.poll()
    assert (first.answer.status, first.answer.packets) == (200, ["1"])
    assert (second.answer.status, second.answer.body) == (400, b"")
    assert ended_with(client.protocol) is CloseReason.TRANSPORT_ERROR
    assert ended_by(client.protocol) == "overlap from client"
    third = client.poll().answer
    assert (third.status, third.json["code"]) == (400, 1)
    server.assert_nothing_left()


@pytest.mark.behaviour("B057", "B236")
def test_an_aborted_poll_ends_the_session_at_once(new_server: NewServer) -> None:
    server = new_server()
    client = server.open_polling()
    client.poll().abort()
    assert ended_with(client.protocol) is CloseReason.TRANSPORT_ERROR
    assert ended_by(client.protocol) == "poll connection closed prematurely"
    server.assert_nothing_left()


def test_to_drop_the_connection_of_an_answered_poll_harms_nothing(
    new_server: NewServer,
) -> None:
    client = new_server().open_polling()
    poll = client.poll()
    client.session.send("a")
    poll.abort()
    client.handshake.abort()
    client.session.send("b")
    assert client.poll().answer.packets == ["4b"]


@pytest.mark.behaviour("B058")
def test_connection_close_and_http_1_0_are_served(new_server: NewServer) -> None:
    server = new_server(RecordingApplication(on_message=echo))
    client = server.open_polling()
    headers = {"Connection": "close"}
    posted = client.post("4hello", headers=headers)
    assert posted.answer.body == b"ok"
    assert posted.connection.is_closed
    polled = server.request(sid=client.sid, headers=headers)
    assert polled.answer.packets == ["4hello"]
    assert polled.connection.is_closed
    connection = server.connect()
    old = connection.request("GET", server.target(sid=client.sid), version="HTTP/1.0")
    assert old.is_pending
    client.session.send("old")
    assert old.answer.packets == ["4old"]
    assert connection.is_closed


def test_a_post_and_a_poll_may_be_pipelined(new_server: NewServer) -> None:
    server = new_server(RecordingApplication(on_message=echo))
    client = server.open_polling()
    target = server.target(sid=client.sid)
    connection = server.connect()
    post, poll = connection.expect("POST"), connection.expect("GET")
    connection.send(make_request("POST", target, b"4a") + make_request("GET", target))
    assert post.answer.body == b"ok"
    assert poll.answer.packets == ["4a"]
    # The other way round the POST is read only when the poll is answered.
    poll, post = connection.expect("GET"), connection.expect("POST")
    connection.send(make_request("GET", target) + make_request("POST", target, b"4b"))
    assert poll.is_pending
    client.session.send("now")
    assert poll.answer.packets == ["4now"]
    server.settle()
    assert post.answer.body == b"ok"
    assert client.protocol.messages == ["a", "b"]


# --- the end --------------------------------------------------------------------------


@pytest.mark.behaviour("B052", "B209")
def test_a_clients_goodbye_ends_its_poll_with_a_noop(new_server: NewServer) -> None:
    server = new_server()
    client = server.open_polling()
    poll = client.poll()
    assert client.post("1").answer.body == b"ok"
    assert poll.answer.packets == ["6"]
    assert ended_with(client.protocol) is CloseReason.TRANSPORT_CLOSE
    server.assert_nothing_left()


def test_a_goodbye_without_a_poll_ends_the_session_too(new_server: NewServer) -> None:
    server = new_server()
    client = server.open_polling()
    assert client.post("4last", "1", "4too late").answer.body == b"ok"
    assert client.protocol.messages == ["last"]
    assert ended_with(client.protocol) is CloseReason.TRANSPORT_CLOSE
    server.assert_nothing_left()


@pytest.mark.behaviour("B049")
def test_close_answers_the_parked_poll(new_server: NewServer) -> None:
    server = new_server()
    client = server.open_polling()
    poll = client.poll()
    closed = client.session.close()
    assert poll.answer.packets == ["1"]
    assert closed.result is CloseReason.FORCED_CLOSE
    server.assert_nothing_left()


@pytest.mark.behaviour("B237")
def test_close_without_a_poll_waits_for_the_next(new_server: NewServer) -> None:
    server = new_server()
    client = server.open_polling()
    closed = client.session.close()
    assert not closed.called
    assert client.post("4ignored").answer.body == b"ok"
    assert client.protocol.messages == []
    assert client.poll().answer.packets == ["6", "1"]
    assert ended_with(client.protocol) is CloseReason.FORCED_CLOSE
    assert client.poll().answer.json["code"] == 1
    server.assert_nothing_left()


@pytest.mark.behaviour("B080", "B237")
def test_close_with_packets_in_the_buffer_takes_two_polls(
    new_server: NewServer,
) -> None:
    server = new_server()
    client = server.open_polling()
    client.session.send("hi")
    client.session.close()
    assert client.poll().answer.packets == ["4hi"]
    assert client.poll().answer.packets == ["6", "1"]
    server.assert_nothing_left()


def test_send_and_close_with_a_parked_poll_takes_another_poll() -> None:
    server = Server.new()
    client = server.open_polling()
    poll = client.poll()
    client.session.send("a")
    client.session.close()
    assert poll.answer.packets == ["4a"]
    assert client.poll().answer.packets == ["6", "1"]
    server.assert_nothing_left()


@pytest.mark.behaviour("B085")
def test_messages_that_were_sent_before_a_close_arrive() -> None:
    server = Server.new()
    client = server.open_polling()
    client.session.send("a")
    assert client.poll().answer.packets == ["4a"]
    poll = client.poll()
    client.session.send("b")
    assert poll.answer.packets == ["4b"]
    client.session.send("c")
    client.session.close()
    assert client.poll().answer.packets == ["4c"]
    assert client.poll().answer.packets == ["6", "1"]
    server.assert_nothing_left()


def test_a_closing_session_that_nobody_polls_ends_after_thirty_seconds() -> None:
    server = Server.new(ping_interval=100.0)
    client = server.open_polling()
    client.session.close()
    server.advance(29.9)
    assert client.sid in server.engine.sessions
    server.advance(0.2)
    assert ended_with(client.protocol) is CloseReason.FORCED_CLOSE
    server.assert_nothing_left()


def test_a_goodbye_ends_a_closing_session() -> None:
    server = Server.new()
    client = server.open_polling()
    client.session.close()
    assert client.post("1").answer.body == b"ok"
    assert ended_with(client.protocol) is CloseReason.TRANSPORT_CLOSE
    server.assert_nothing_left()


@pytest.mark.parametrize("polled", [False, True])
def test_discard_ends_it_at_once(polled: bool, new_server: NewServer) -> None:
    server = new_server()
    client = server.open_polling()
    poll = client.poll() if polled else None
    if poll is None:
        client.session.send("dropped")
    client.session.close(discard=True)
    if poll is not None:
        assert poll.answer.packets == ["1"]
    assert client.poll().answer.json["code"] == 1
    assert ended_with(client.protocol) is CloseReason.FORCED_CLOSE
    server.assert_nothing_left()


def test_close_in_a_message_handler_ignores_the_rest_of_the_payload(
    new_server: NewServer,
) -> None:
    application = RecordingApplication(
        on_message=lambda protocol, _: protocol.session.close() and None
    )
    server = new_server(application)
    client = server.open_polling()
    poll = client.poll()
    assert client.post("4a", "4b").answer.body == b"ok"
    assert poll.answer.packets == ["1"]
    assert client.protocol.messages == ["a"]
    server.assert_nothing_left()


@pytest.mark.behaviour("B206")
def test_a_silent_client_is_told_so_by_its_parked_poll() -> None:
    server = Server.new(ping_interval=0.3, ping_timeout=0.2)
    client = server.open_polling()
    server.advance(0.31)
    assert client.poll().answer.packets == ["2"]
    poll = client.poll()
    server.advance(0.25)
    assert poll.answer.packets == ["1"]
    assert ended_with(client.protocol) is CloseReason.PING_TIMEOUT
    assert client.poll().answer.status == 400
    server.assert_nothing_left()


@pytest.mark.behaviour("B205")
def test_a_client_that_answers_stays() -> None:
    server = Server.new(ping_interval=0.3, ping_timeout=0.2)
    client = server.open_polling()
    for _ in range(3):
        poll = client.poll()
        server.advance(0.31)
        assert poll.answer.packets == ["2"]
        assert client.post("3").answer.body == b"ok"


# --- headers --------------------------------------------------------------------------


def add_headers(server: Server, event: str) -> list[str]:
    calls: list[str] = []

    def add(headers: dict[str, Any], request: Any) -> None:
        calls.append(request.method.decode())
        headers["test"] = "123"
        headers["set-cookie"] = ["a=1", "b=2"]

    server.engine.on(event, add)
    return calls


@pytest.mark.parametrize(
    ("event", "calls"), [("initial_headers", ["GET"]), ("headers", ["GET", "POST"])]
)
def test_handlers_may_add_headers(
    event: str, calls: list[str], new_server: NewServer
) -> None:
    server = new_server()
    called = add_headers(server, event)
    client = server.open_polling()
    first, second = client.handshake.answer, client.post("4a").answer
    assert first.header("test") == "123"
    assert first.all("set-cookie") == ["a=1", "b=2"]
    assert second.header("test") == ("123" if event == "headers" else None)
    assert called == calls


def test_headers_are_not_for_answers_that_refuse(new_server: NewServer) -> None:
    server = new_server()
    client = server.open_polling()
    add_headers(server, "headers")
    refusals: list[Callable[[], Exchange]] = [
        lambda: server.request(sid="unknown"),
        lambda: server.request("PUT", sid=client.sid),
        lambda: client.post("invalid"),
    ]
    for refused in refusals:
        answer = refused().answer
        assert answer.status >= 400
        assert answer.header("test") is None
