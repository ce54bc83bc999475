"""POSTs: one at a time, what is in them, and when they are acknowledged."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from tests.conftest import FlushLoggedErrors
from tests.connection import Exchange, make_request
from tests.doubles import echo, ended_by, ended_with
from tests.server.conftest import NewServer
from tests.wiring import PollingClient, Server
from txengineio.errors import CloseReason
from txengineio.testing import RecordingApplication, RecordingProtocol


@pytest.mark.behaviour("B197", "B198", "B199")
def test_a_post_delivers_its_packets_in_order_and_says_ok(
    new_server: NewServer,
) -> None:
    client = new_server(RecordingApplication(on_message=echo)).open_polling()
    answer = client.post("4hello", "bAQIDBA==", "4", "4€").answer
    assert (answer.status, answer.body) == (200, b"ok")
    assert answer.header("Content-Type") == "text/html"
    assert answer.header("Content-Length") == "2"
    assert answer.header("cache-control") == "no-store"
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
    assert ended_by(client.protocol) == "invalid content"
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
    assert ended_by(client.protocol) == "data request overlap from client"
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
    assert ended_by(client.protocol) == "data request connection closed prematurely"
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
    assert ended_by(client.protocol) == "data request connection closed prematurely"
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
