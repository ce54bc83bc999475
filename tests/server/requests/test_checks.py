"""Which requests get in: each check, its answer and its event, and their order."""

from __future__ import annotations

from typing import Any

import pytest

from tests.connection import make_request
from tests.server.conftest import NewServer
from tests.wiring import Server, opening_headers
from txengineio.errors import ErrorCode


def listen_for_errors(server: Server) -> list[Any]:
    events: list[Any] = []
    server.engine.on("connection_error", events.append)
    return events


@pytest.mark.parametrize(
    "upgrade",
    [False, pytest.param(True, marks=pytest.mark.behaviour("B010"))],
    ids=["plain", "upgrade"],
)
@pytest.mark.parametrize("transport", ["tobi", "__proto__", "constructor", "POLLING"])
@pytest.mark.behaviour("B001", "B002", "B009", "B192", "B196")
def test_an_unknown_transport_is_refused(
    transport: str, upgrade: bool, new_server: NewServer
) -> None:
    server = new_server()
    events = listen_for_errors(server)
    headers = opening_headers() if upgrade else {"Origin": "http://test.example"}
    answer = server.request(transport=transport, headers=headers).answer
    assert answer.status == 400
    assert answer.header("Content-Type") == "application/json"
    assert answer.body == b'{"code":0,"message":"Transport unknown"}'
    (event,) = events
    assert event.code is ErrorCode.UNKNOWN_TRANSPORT
    assert event.message == "Transport unknown"
    assert event.context == {"transport": transport}
    assert event.request.method == b"GET"


@pytest.mark.behaviour("B192")
def test_a_request_without_a_transport_is_refused(new_server: NewServer) -> None:
    server = new_server()
    events = listen_for_errors(server)
    assert server.request(transport=None).answer.json["code"] == 0
    assert events[0].context == {}


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_transport_that_is_switched_off_is_unknown(transport: str) -> None:
    others = [name for name in ("polling", "websocket") if name != transport]
    server = Server.new(transports=others)
    assert server.request(transport=transport).answer.json["code"] == 0


@pytest.mark.behaviour("B003")
@pytest.mark.parametrize("sid", ["test", "__proto__", "%20"])
def test_an_unknown_session_is_refused(sid: str, new_server: NewServer) -> None:
    server = new_server()
    events = listen_for_errors(server)
    answer = server.request(sid=sid).answer
    assert answer.body == b'{"code":1,"message":"Session ID unknown"}'
    assert events[0].context == {"sid": sid.replace("%20", " ")}
    post = server.request("POST", sid=sid, body=b"4a").answer
    assert (post.status, post.json["code"]) == (400, 1)


@pytest.mark.behaviour("B039", "B193")
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_only_a_get_opens_a_session(method: str, new_server: NewServer) -> None:
    server = new_server()
    events = listen_for_errors(server)
    answer = server.request(method, body=b"4a").answer
    assert answer.body == b'{"code":2,"message":"Bad handshake method"}'
    assert events[0].context == {"method": method}


def test_a_refusal_of_a_head_request_has_no_body(new_server: NewServer) -> None:
    answer = new_server().request("HEAD").answer
    assert (answer.status, answer.body) == (400, b"")
    assert answer.header("Content-Length") == "43"


@pytest.mark.behaviour("B034")
def test_another_transport_than_the_sessions_is_a_mismatch(
    new_server: NewServer,
) -> None:
    server = new_server()
    client = server.open_polling()
    events = listen_for_errors(server)
    answer = server.request(transport="websocket", sid=client.sid).answer
    assert answer.body == b'{"code":3,"message":"Bad request"}'
    assert events[0].context == {
        "name": "TRANSPORT_MISMATCH",
        "transport": "websocket",
        "previousTransport": "polling",
    }
    assert client.post("4fine").answer.body == b"ok"
    assert client.protocol.messages == ["fine"]


def test_a_plain_request_for_a_websocket_session_is_answered(
    new_server: NewServer,
) -> None:
    server = new_server()
    websocket = server.open_websocket()
    events = listen_for_errors(server)
    answer = server.request(transport="websocket", sid=websocket.sid).answer
    assert (answer.status, answer.json["code"]) == (400, 3)
    assert events[0].context == {"name": "TRANSPORT_HANDSHAKE_ERROR"}


@pytest.mark.behaviour("B228")
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("revision", ["3", "5", ""])
def test_another_revision_than_the_sessions_is_a_mismatch(
    revision: str, method: str, new_server: NewServer
) -> None:
    server = new_server(allow_eio3=True)
    client = server.open_polling()
    events = listen_for_errors(server)
    body = b"4a" if method == "POST" else None
    answer = server.request(method, sid=client.sid, body=body, EIO=revision).answer
    assert (answer.status, answer.json["code"]) == (400, 3)
    assert events[0].context == {
        "name": "PROTOCOL_MISMATCH",
        "protocol": 3,
        "previousProtocol": 4,
    }
    client.session.send("still here")
    assert client.poll().answer.packets == ["4still here"]


@pytest.mark.behaviour("B037")
def test_a_websocket_session_needs_an_upgrade(new_server: NewServer) -> None:
    server = new_server()
    events = listen_for_errors(server)
    answer = server.request(transport="websocket").answer
    assert (answer.status, answer.json["code"]) == (400, 3)
    assert events[0].context == {"name": "TRANSPORT_HANDSHAKE_ERROR"}


def test_an_upgrade_to_polling_is_refused(new_server: NewServer) -> None:
    answer = new_server().request(headers=opening_headers()).answer
    assert (answer.status, answer.json["code"]) == (400, 3)


def test_a_request_that_offers_another_protocol_is_plain_http(
    new_server: NewServer,
) -> None:
    headers = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c"}
    assert new_server().request(headers=headers).answer.status == 200


@pytest.mark.behaviour("B038")
@pytest.mark.parametrize("origin", ["http://a\x00", "http://a\x1b", "http://a\x7f"])
def test_an_origin_with_control_characters_is_refused(
    origin: str, new_server: NewServer
) -> None:
    server = new_server()
    events = listen_for_errors(server)
    connection = server.connect()
    exchange = connection.expect("GET")
    connection.send(make_request("GET", server.target(), None, {"Origin": origin}))
    if not events:
        # Twisted refuses some of them before anybody sees the request.
        assert connection.is_closed
        return
    assert (exchange.answer.status, exchange.answer.json["code"]) == (400, 3)
    assert events[0].context == {"name": "INVALID_ORIGIN", "origin": origin}


@pytest.mark.parametrize("origin", ["http://a\tb", "http://\xff", "null", ""])
def test_any_other_origin_can_be_let_in(origin: str, new_server: NewServer) -> None:
    server = new_server(allowed_origins="*")
    assert server.request(headers={"Origin": origin}).answer.status == 200


@pytest.mark.behaviour("B040", "B191", "B195")
@pytest.mark.parametrize("revision", ["3", "abc", "", "44"])
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_revision_three_is_refused_unless_it_is_allowed(
    transport: str, revision: str, new_server: NewServer
) -> None:
    server = new_server()
    events = listen_for_errors(server)
    headers = opening_headers() if transport == "websocket" else None
    answer = server.request(transport=transport, headers=headers, EIO=revision).answer
    assert answer.status == 400
    assert answer.body == b'{"code":5,"message":"Unsupported protocol version"}'
    assert events[0].context == {"protocol": 3}
    server.assert_nothing_left()


def test_the_checks_come_in_the_references_order(new_server: NewServer) -> None:
    asked: list[object] = []

    def allow(request: object) -> bool:
        asked.append(request)
        return False

    server = new_server(allow_request=allow)

    def code(**request: Any) -> int:
        status = server.request(**request).answer.json["code"]
        assert isinstance(status, int)
        return status

    # Each of these is wrong in everything that comes later, too.
    assert code(method="POST", transport="tobi", sid="unknown", body=b"") == 0
    assert code(method="POST", sid="unknown", EIO="3", body=b"") == 1
    assert code(method="PUT", transport="websocket", EIO="3", body=b"") == 2
    assert code(transport="websocket", EIO="3") == 3
    assert asked == []
    assert code(EIO="3") == 4
    assert len(asked) == 1


def test_the_last_of_a_repeated_parameter_counts(new_server: NewServer) -> None:
    server = new_server()
    connection = server.connect()
    target = "/engine.io/?transport=tobi&EIO=3&transport=polling&EIO=4&sid="
    assert connection.request("GET", target).answer.status == 200


def test_nothing_of_a_request_is_repeated_in_the_answer(new_server: NewServer) -> None:
    answer = new_server().request(transport="<script>", a="<script>").answer
    assert b"script" not in answer.body
    assert "script" not in str(answer.headers)
