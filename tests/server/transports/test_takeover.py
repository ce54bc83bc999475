"""A request's connection becomes a WebSocket, with all that comes after the request."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.defer import Deferred

from tests.doubles import echo, ended_with
from tests.frames import BINARY, TEXT, make_frame
from tests.server.conftest import NewServer
from tests.wiring import Server, opening_headers
from txengineio.errors import CloseReason
from txengineio.server.transports.websocket import OPEN_PACKET_DELAY
from txengineio.testing import RecordingApplication


def test_in_revision_3_the_open_packet_follows_the_answer_after_a_while(
    new_server: NewServer,
) -> None:
    application = RecordingApplication(on_made=lambda each: each.session.send("hi"))
    server = new_server(application, allow_eio3=True)
    websocket = server.open_websocket(EIO="3")
    assert websocket.frames() == []
    websocket.send("4early")
    assert server.application.only.messages == ["early"]
    server.advance(OPEN_PACKET_DELAY - 0.001)
    assert websocket.frames() == []
    server.advance(0.001)
    assert websocket.sid in server.engine.sessions
    assert websocket.packets() == ["4hi"]
    server.application.only.session.send("at once")
    assert websocket.packets() == ["4at once"]


def test_in_revision_4_the_open_packet_comes_with_the_answer(
    new_server: NewServer,
) -> None:
    websocket = new_server(allow_eio3=True).open_websocket()
    assert len(websocket.frames()) == 1


def test_an_early_end_of_revision_3_comes_after_the_open_packet(
    new_server: NewServer,
) -> None:
    server = new_server(allow_eio3=True)
    websocket = server.open_websocket(EIO="3")
    server.application.only.session.close(discard=True)
    assert websocket.sid
    assert websocket.close_code() == 1005
    websocket.close()
    server.assert_nothing_left()


@pytest.mark.parametrize("code", [1000, 1011])
def test_an_early_goodbye_of_revision_3_is_answered_after_the_open_packet(
    new_server: NewServer, code: int
) -> None:
    server = new_server(allow_eio3=True)
    websocket = server.open_websocket(EIO="3")
    websocket.close(code)
    assert websocket.sid
    assert websocket.close_code() == code
    assert ended_with(server.application.only) is CloseReason.TRANSPORT_CLOSE
    server.assert_nothing_left()


def test_a_client_of_revision_3_that_leaves_early_leaves_nothing(
    new_server: NewServer,
) -> None:
    server = new_server(allow_eio3=True)
    websocket = server.open_websocket(EIO="3")
    websocket.connection.lose()
    assert ended_with(server.application.only) is CloseReason.TRANSPORT_CLOSE
    server.assert_nothing_left()


@pytest.mark.behaviour("B029", "B030", "B194")
def test_a_session_may_start_on_websocket(new_server: NewServer) -> None:
    server = new_server()
    websocket = server.open_websocket()
    assert websocket.is_accepted
    ((opcode, payload),) = websocket.frames()
    assert opcode == TEXT
    assert b'"upgrades":[]' in payload
    (session,) = server.engine.sessions.values()
    assert session.transport.name == "websocket"
    assert not session.upgraded
    answer = websocket.opening.answer
    assert answer.header("Connection") == "Upgrade"
    assert answer.header("Upgrade") == "WebSocket"


def test_the_first_offered_subprotocol_is_chosen(new_server: NewServer) -> None:
    headers = {"Sec-WebSocket-Protocol": "one, two"}
    websocket = new_server().open_websocket(headers=headers)
    assert websocket.is_accepted
    assert websocket.opening.answer.header("Sec-WebSocket-Protocol") == "one"


def test_the_older_version_of_the_protocol_is_taken(new_server: NewServer) -> None:
    headers = {"Sec-WebSocket-Version": "8"}
    assert new_server().open_websocket(headers=headers).is_accepted


@pytest.mark.behaviour("B143")
def test_handlers_may_add_headers_to_the_answer(new_server: NewServer) -> None:
    server = new_server()
    events: list[str] = []

    def add(name: str) -> Callable[[dict[str, object], object], None]:
        def handler(headers: dict[str, object], _request: object) -> None:
            events.append(name)
            headers["Set-Cookie"] = ["a=1", "b=2"]

        return handler

    server.engine.on("initial_headers", add("initial_headers"))
    server.engine.on("headers", add("headers"))
    websocket = server.open_websocket()
    assert websocket.is_accepted
    assert websocket.opening.answer.all("Set-Cookie") == ["a=1", "b=2"]
    assert events == ["initial_headers", "headers"]


def test_an_initial_packet_is_the_second_frame(new_server: NewServer) -> None:
    websocket = new_server(initial_packet=b"\x01\x02").open_websocket()
    first, second = websocket.packets()
    assert str(first).startswith("0{")
    assert second == b"\x01\x02"


@pytest.mark.behaviour("B006")
def test_bytes_that_are_no_frame_behind_the_request_harm_nobody_else(
    new_server: NewServer,
) -> None:
    server = new_server(RecordingApplication(on_message=echo))
    other = server.open_websocket()
    assert other.sid
    websocket = server.open_websocket(early=b"test")
    assert websocket.close_code() == 1002
    other.send("4still here")
    assert other.packets() == ["4still here"]
    assert len(server.engine.sessions) == 1


def test_frames_right_behind_the_request_are_not_lost(new_server: NewServer) -> None:
    server = new_server(RecordingApplication(on_message=echo))
    early = make_frame(TEXT, b"4early") + make_frame(BINARY, b"\x01") + b"\x81"
    websocket = server.open_websocket(early=early)
    assert websocket.packets()[1:] == ["4early", b"\x01"]
    websocket.connection.send(make_frame(TEXT, b"4later")[1:])
    assert websocket.packets() == ["4later"]


def test_frames_that_come_before_the_application_has_decided_are_not_lost(
    new_server: NewServer,
) -> None:
    decision: Deferred[bool] = Deferred()
    application = RecordingApplication(on_message=echo)
    server = new_server(application, allow_request=lambda _: decision)
    websocket = server.open_websocket(early=make_frame(TEXT, b"4one"))
    websocket.send("4two")
    assert websocket.opening.is_pending
    assert application.built == []
    decision.callback(True)
    assert websocket.packets()[1:] == ["4one", "4two"]


@pytest.mark.parametrize(
    ("changes", "status", "body"),
    [
        (
            {"Sec_WebSocket_Key": None},
            400,
            "Missing or invalid Sec-WebSocket-Key header",
        ),
        (
            {"Sec_WebSocket_Key": "short"},
            400,
            "Missing or invalid Sec-WebSocket-Key header",
        ),
        (
            {"Sec_WebSocket_Version": "12"},
            400,
            "Missing or invalid Sec-WebSocket-Version header",
        ),
        (
            {"Sec_WebSocket_Protocol": "a, a"},
            400,
            "Invalid Sec-WebSocket-Protocol header",
        ),
        ({"Connection": "keep-alive"}, 400, "Invalid Connection header"),
    ],
)
def test_an_opening_request_that_is_wrong_is_refused(
    changes: dict[str, str | None], status: int, body: str
) -> None:
    server = Server.new()
    headers = opening_headers(**changes)
    answer = server.request(transport="websocket", headers=headers).answer
    assert answer.status == status
    assert answer.text == body
    expected = "13, 8" if "Version" in body else None
    assert answer.header("Sec-WebSocket-Version") == expected
    server.assert_nothing_left()


@pytest.mark.behaviour("B056")
def test_an_upgrade_to_something_without_a_transport_is_refused() -> None:
    server = Server.new()
    headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
    assert server.request(transport=None, headers=headers).answer.status == 400
