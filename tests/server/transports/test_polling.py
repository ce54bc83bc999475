"""Long-polling: parked GETs, POSTs, and what goes wrong with either."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from tests.conftest import FlushLoggedErrors
from tests.connection import Exchange, make_request
from tests.doubles import ended_with
from tests.server.conftest import NewServer
from tests.wiring import PollingClient, Server
from txengineio.errors import CloseReason, TransportError
from txengineio.testing import RecordingApplication, RecordingProtocol

NO_STORE = "no-store"


def echo(protocol: RecordingProtocol, message: str | bytes) -> None:
    protocol.session.send(message)


def why(client: PollingClient) -> str:
    """Return the text of the error that ended a session."""
    closed = client.protocol.session.closed
    assert isinstance(closed.description, TransportError)
    return closed.description.message


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
    assert answer.header("cache-control") == NO_STORE


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
    assert why(client) == "overlap from client"
    third = client.poll().answer
    assert (third.status, third.json["code"]) == (400, 1)
    server.assert_nothing_left()


@pytest.mark.behaviour("B057", "B236")
def test_an_aborted_poll_ends_the_session_at_once(new_server: NewServer) -> None:
    server = new_server()
    client = server.open_polling()
    client.poll().abort()
    assert ended_with(client.protocol) is CloseReason.TRANSPORT_ERROR
    assert why(client) == "poll connection closed prematurely"
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


# --- posts ----------------------------------------------------------------------------


@pytest.mark.behaviour("B197", "B198", "B199")
def test_a_post_delivers_its_packets_in_order_and_says_ok(
    new_server: NewServer,
) -> None:
    client = new_server(RecordingApplication(on_message=echo)).open_polling()
    answer = client.post("4hello", "bAQIDBA==", "4", "4€").answer
    assert (answer.status, answer.body) == (200, b"ok")
    assert answer.header("Content-Type") == "text/html"
    assert answer.header("Content-Length") == "2"
    assert answer.header("cache-control") == NO_STORE
    assert client.protocol.messages == ["hello", b"\x01\x02\x03\x04", "", "€"]
    assert client.poll().answer.packets == ["4hello", "bAQIDBA==", "4", "4€"]


def test_what_one_post_makes_the_application_send_is_one_answer() -> None:
    client = Server.new(RecordingApplication(on_message=echo)).open_polling()
    poll = client.poll()
    client.post("4a", "4b")
    assert poll.answer.packets == ["4a", "4b"]


def test_handlers_run_before_the_client_has_its_ok(new_server: NewServer) -> None:
    server = new_server()
    client = server.open_polling()
    pending: list[bool] = []
    connection = server.connect()
    post = connection.expect("POST")
    server.application.on_message = lambda *_: pending.append(post.is_pending)
    connection.send(make_request("POST", server.target(sid=client.sid), b"4a"))
    assert pending == [True]
    assert post.answer.body == b"ok"


@pytest.mark.behaviour("B099")
def test_a_body_may_come_in_chunks_and_be_cut_anywhere(new_server: NewServer) -> None:
    server = new_server()
    client = server.open_polling()
    connection = server.connect()
    headers = {"Transfer-Encoding": "chunked"}
    target = server.target(sid=client.sid)
    post = connection.request("POST", target, None, headers)
    for piece in (b"2\r\n41\r\n", b"1\r\n2\r\n1\r", b"\n3\r\n0\r\n\r\n"):
        assert post.is_pending
        connection.send(piece)
    assert post.answer.body == b"ok"
    whole = make_request("POST", target, "4€".encode())
    connection.expect("POST")
    connection.send(*[whole[i : i + 1] for i in range(len(whole))])
    assert connection.exchanges[-1].answer.body == b"ok"
    assert client.protocol.messages == ["123", "€"]


@pytest.mark.behaviour("B200")
@pytest.mark.parametrize("body", ["abc", "", "\x1e", "4a\x1e", "7", "b!!!", "4a\x1ex"])
def test_an_invalid_payload_ends_the_session(body: str, new_server: NewServer) -> None:
    server = new_server()
    client = server.open_polling()
    poll = client.poll()
    answer = client.post(body).answer
    assert (answer.status, answer.body) == (400, b"")
    assert poll.answer.packets == ["1"]
    assert ended_with(client.protocol) is CloseReason.PARSE_ERROR
    assert client.protocol.messages == (["a"] if body.startswith("4a") else [])
    server.assert_nothing_left()


def test_a_body_that_is_not_utf_8_ends_the_session(new_server: NewServer) -> None:
    server = new_server()
    client = server.open_polling()
    answer = server.request("POST", sid=client.sid, body=b"4\xff").answer
    assert (answer.status, answer.body) == (400, b"")
    assert ended_with(client.protocol) is CloseReason.PARSE_ERROR
    assert client.protocol.messages == []
    server.assert_nothing_left()


@pytest.mark.behaviour("B065")
def test_octet_stream_is_refused_and_ends_the_session(new_server: NewServer) -> None:
    server = new_server()
    client = server.open_polling()
    answer = client.post("4a", headers={"Content-Type": "application/octet-stream"})
    assert (answer.answer.status, answer.answer.body) == (400, b"")
    assert ended_with(client.protocol) is CloseReason.TRANSPORT_ERROR
    assert why(client) == "invalid content"
    server.assert_nothing_left()


@pytest.mark.parametrize(
    "content_type",
    [
        "application/octet-stream; charset=x",
        "Application/Octet-Stream",
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "application/json",
    ],
)
def test_any_other_content_type_is_text(
    content_type: str, new_server: NewServer
) -> None:
    client = new_server().open_polling()
    answer = client.post("4a=b&c", headers={"Content-Type": content_type}).answer
    assert answer.body == b"ok"
    assert client.protocol.messages == ["a=b&c"]


@pytest.mark.behaviour("B086", "B088", "B234")
def test_a_body_over_the_limit_is_refused_and_ends_the_session(
    new_server: NewServer,
) -> None:
    client = new_server(max_http_buffer_size=6).open_polling()
    poll = client.poll()
    # 6 bytes are as many as may be; 7 bytes in 3 characters are too many.
    assert client.post("4€ab").answer.body == b"ok"
    assert poll.is_pending
    post = client.post("4€€")
    assert (post.answer.status, post.answer.body) == (413, b"")
    assert poll.answer.packets == ["1"]
    assert client.protocol.messages == ["€ab"]
    assert ended_with(client.protocol) is CloseReason.TRANSPORT_ERROR
    (failure,) = client.protocol.lost
    problem = failure.value.description  # type: ignore[union-attr]
    assert problem.message == "payload too large"


def test_a_chunked_body_over_the_limit_is_refused(new_server: NewServer) -> None:
    server = new_server(max_http_buffer_size=6)
    client = server.open_polling()
    connection = server.connect()
    headers = {"Transfer-Encoding": "chunked"}
    post = connection.request("POST", server.target(sid=client.sid), None, headers)
    connection.send(b"4\r\n4abc\r\n", b"3\r\ndef\r\n", b"0\r\n\r\n")
    assert post.answer.status == 413
    assert client.protocol.messages == []
    assert ended_with(client.protocol) is CloseReason.TRANSPORT_ERROR


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused_and_the_session_lives(
    method: str, new_server: NewServer
) -> None:
    server = new_server()
    client = server.open_polling()
    body = b"4a" if method in ("PUT", "PATCH") else None
    answer = server.request(method, sid=client.sid, body=body).answer
    assert (answer.status, answer.body) == (405, b"")
    assert answer.header("Allow") == "GET, POST"
    assert client.post("4still").answer.body == b"ok"
    assert client.protocol.messages == ["still"]


def test_an_exception_in_a_handler_does_not_stop_the_payload(
    new_server: NewServer, flush_logged_errors: FlushLoggedErrors
) -> None:
    def fail(_protocol: RecordingProtocol, message: str | bytes) -> None:
        if message == "bad":
            raise ZeroDivisionError

    client = new_server(RecordingApplication(on_message=fail)).open_polling()
    assert client.post("4bad", "4good").answer.body == b"ok"
    assert client.protocol.messages == ["bad", "good"]
    assert len(flush_logged_errors(ZeroDivisionError)) == 1


# --- posts that overlap or break off --------------------------------------------------


@pytest.mark.behaviour("B235")
@pytest.mark.parametrize("headers", [{}, {"Connection": "close"}])
def test_a_post_that_overlaps_another_ends_the_session(
    headers: dict[str, str], short_path: bool
) -> None:
    server = Server.new(own_site=True, short_path=short_path)
    client = server.open_polling()
    poll = client.poll()
    first = client.start_post(10)
    first.connection.send(b"4a")
    second = client.post("4b", headers=headers)
    assert (second.answer.status, second.answer.body) == (400, b"")
    assert first.connection.was_reset
    assert poll.answer.packets == ["1"]
    assert ended_with(client.protocol) is CloseReason.TRANSPORT_ERROR
    assert why(client) == "data request overlap from client"
    assert client.protocol.messages == []
    server.assert_nothing_left()


@pytest.mark.behaviour("B236")
def test_a_post_that_breaks_off_ends_the_session(short_path: bool) -> None:
    server = Server.new(own_site=True, short_path=short_path)
    client = server.open_polling()
    poll = client.poll()
    post = client.start_post(10)
    post.connection.send(b"4a")
    post.abort()
    assert poll.answer.packets == ["1"]
    assert ended_with(client.protocol) is CloseReason.TRANSPORT_ERROR
    assert why(client) == "data request connection closed prematurely"
    server.assert_nothing_left()


@pytest.mark.behaviour("B064")
def test_closing_a_session_drops_the_post_that_is_still_arriving(
    short_path: bool,
) -> None:
    server = Server.new(own_site=True, short_path=short_path)
    client = server.open_polling()
    post = client.start_post(10)
    client.session.close(discard=True)
    server.settle()
    assert post.connection.was_reset
    server.assert_nothing_left()


# --- an application that takes its time -----------------------------------------------


def busy_server(new_server: NewServer) -> tuple[Server, Deferred[None]]:
    """Return a server whose application is done with no message before the Deferred."""
    done: Deferred[None] = Deferred()

    async def wait(_protocol: RecordingProtocol, _message: str | bytes) -> None:
        if not done.called:
            await done

    return new_server(RecordingApplication(on_message=wait)), done


def flood(client: PollingClient) -> Exchange:
    """Post more than an application may leave waiting."""
    return client.post(*(f"4{number}" for number in range(40)))


def test_reading_pauses_by_keeping_the_ok_back(new_server: NewServer) -> None:
    server, done = busy_server(new_server)
    client = server.open_polling()
    assert client.post("4first").answer.body == b"ok"
    post = flood(client)
    assert post.is_pending
    assert client.protocol.messages == ["first"]
    done.callback(None)
    assert post.answer.body == b"ok"
    assert client.protocol.messages == ["first", *(str(n) for n in range(40))]
    assert client.post("4last").answer.body == b"ok"


def test_a_post_behind_one_that_is_kept_back_overlaps(new_server: NewServer) -> None:
    server, done = busy_server(new_server)
    client = server.open_polling()
    client.post("4first")
    post = flood(client)
    second = client.post("4more")
    assert second.answer.status == 400
    assert post.answer.body == b"ok"
    done.callback(None)
    assert ended_with(client.protocol) is CloseReason.TRANSPORT_ERROR
    assert len(client.protocol.messages) == 41
    server.assert_nothing_left()


def test_a_client_that_gives_up_waiting_for_its_ok_ends_the_session(
    new_server: NewServer,
) -> None:
    server, done = busy_server(new_server)
    client = server.open_polling()
    client.post("4first")
    flood(client).abort()
    done.callback(None)
    assert ended_with(client.protocol) is CloseReason.TRANSPORT_ERROR
    assert why(client) == "data request connection closed prematurely"
    server.assert_nothing_left()


def test_an_answered_ok_that_breaks_off_later_harms_nothing(
    new_server: NewServer,
) -> None:
    server, done = busy_server(new_server)
    client = server.open_polling()
    client.post("4first")
    post = flood(client)
    done.callback(None)
    post.abort()
    assert client.post("4last").answer.body == b"ok"


def test_a_goodbye_behind_too_many_messages_is_acknowledged(
    new_server: NewServer,
) -> None:
    server, done = busy_server(new_server)
    client = server.open_polling()
    client.post("4first")
    post = client.post(*(f"4{number}" for number in range(40)), "1")
    assert post.answer.body == b"ok"
    done.callback(None)
    assert ended_with(client.protocol) is CloseReason.TRANSPORT_CLOSE
    assert len(client.protocol.messages) == 41
    server.assert_nothing_left()


def test_an_upgrade_releases_the_ok_that_is_kept_back(new_server: NewServer) -> None:
    server, done = busy_server(new_server)
    client = server.open_polling()
    client.post("4first")
    post = flood(client)
    websocket = client.upgrade()
    assert post.answer.body == b"ok"
    websocket.send("4by websocket")
    assert client.protocol.messages == ["first"]
    done.callback(None)
    server.settle()
    assert client.protocol.messages[-1] == "by websocket"
    assert len(client.protocol.messages) == 42


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
