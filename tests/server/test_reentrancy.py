"""What the application does in one callback, and what comes of it elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import FlushLoggedErrors
from tests.connection import make_request
from tests.server.conftest import NewServer
from tests.wiring import Server
from txengineio.errors import CloseReason
from txengineio.testing import RecordingApplication


@pytest.mark.parametrize(
    "added",
    [{b"X-A": "b"}, {"X-A": b"b"}, {"X-A": "a\r\nb"}, {"": "b"}, {"X-A": None}],
)
def test_a_header_that_cannot_be_sent_costs_only_itself(
    added: dict[Any, Any],
    new_server: NewServer,
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    server = new_server()
    server.engine.on("headers", lambda headers, request: headers.update(added))
    client = server.open_polling()
    poll = client.poll()
    assert client.session.send("a")
    assert poll.answer.packets == ["4a"]
    client.session.close(discard=True)
    assert flush_logged_errors(ValueError)
    server.assert_nothing_left()


def test_a_header_may_have_any_text(new_server: NewServer) -> None:
    server = new_server()
    server.engine.on(
        "headers", lambda headers, request: headers.update({"X-A": "\u017elu\u0165"})
    )
    answer = server.open_polling().handshake.answer
    assert answer.status == 200


def test_a_request_behind_a_poll_finds_the_session_gone(new_server: NewServer) -> None:
    server = new_server()
    client = server.open_polling()
    target = server.target(sid=client.sid)
    connection = server.connect()
    first, second = connection.expect("GET"), connection.expect("GET")
    connection.send(make_request("GET", target) * 2)
    client.session.close()
    assert first.answer.packets == ["1"]
    server.settle()
    assert second.answer.status == 400
    server.assert_nothing_left()


def test_sending_to_a_poll_serves_no_request_behind_it(short_path: bool) -> None:
    server = Server.new(RecordingApplication(), own_site=True, short_path=short_path)
    client = server.open_polling()
    target = server.target(sid=client.sid)
    connection = server.connect()
    poll, post = connection.expect("GET"), connection.expect("POST")
    connection.send(make_request("GET", target) + make_request("POST", target, b"4a"))
    client.session.send("b")
    assert client.protocol.messages == []
    assert poll.answer.packets == ["4b"]
    server.settle()
    assert client.protocol.messages == ["a"]
    assert post.answer.body == b"ok"


def test_hooks_may_ask_for_the_parameters_of_a_request(new_server: NewServer) -> None:
    tokens: list[object] = []

    def allow(request: Any) -> bool:
        tokens.append(request.args.get(b"token"))
        return True

    server = new_server(allow_request=allow)
    server.open_polling(token="secret")
    assert tokens == [[b"secret"]]


def test_a_session_that_ends_while_it_is_paused_hears_the_goodbye(
    new_server: NewServer,
) -> None:
    server = new_server(max_pending_messages=1)
    websocket = server.open_websocket()
    session = server.session(websocket.sid)
    session.reading_paused = True
    session.transport.pause_reading()
    session.close()
    assert session.when_closed().result is CloseReason.FORCED_CLOSE
    assert websocket.close_code() == 1005
    websocket.close()
    server.settle()
    server.assert_nothing_left()
