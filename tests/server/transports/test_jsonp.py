from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from tests.connection import Exchange, Response
from tests.server.conftest import NewServer
from tests.wiring import Server
from txengineio.errors import CloseReason
from txengineio.server.session import Session

each_revision = pytest.mark.parametrize("revision", ["4", "3"])


def open_jsonp(
    server: Server, revision: str, index: str = "0"
) -> tuple[Session, Response]:
    answer = server.request(EIO=revision, j=index).answer
    (session,) = server.engine.sessions.values()
    return session, answer


def poll(server: Server, session: Session, **query: Any) -> Exchange:
    return server.request(sid=session.id, EIO=str(session.protocol_revision), **query)


def post(server: Server, session: Session, body: bytes) -> Response:
    return server.request(
        "POST",
        sid=session.id,
        EIO=str(session.protocol_revision),
        body=body,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    ).answer


def payload(answer: Response, index: str = "0") -> str:
    head, tail = f"___eio[{index}](", ");"
    assert answer.status == 200
    assert answer.header("Content-Type") == "text/javascript; charset=UTF-8"
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("Cache-Control") == "no-store"
    assert answer.text.startswith(head)
    assert answer.text.endswith(tail)
    text = json.loads(answer.text[len(head) : -len(tail)])
    assert isinstance(text, str)
    return text


@pytest.mark.behaviour("B239")
@each_revision
def test_the_first_answer_is_a_script(new_server: NewServer, revision: str) -> None:
    server = new_server(allow_eio3=True)
    session, answer = open_jsonp(server, revision)
    text = payload(answer)
    if revision == "3":
        length, _, text = text.partition(":")
        assert int(length) == len(text)
    assert json.loads(text[1:])["sid"] == session.id
    assert session.transport.name == "polling"


@pytest.mark.behaviour("B239")
@pytest.mark.parametrize(
    ("index", "digits"),
    [("0", "0"), ("12", "12"), ("1a2", "12"), ("-3", "3"), ("<script>", ""), ("", "")],
)
def test_the_index_is_that_of_the_first_request(
    new_server: NewServer, index: str, digits: str
) -> None:
    server = new_server()
    session, answer = open_jsonp(server, "4", quote(index))
    payload(answer, digits)
    session.send("a")
    assert payload(poll(server, session, j="7").answer, digits) == "4a"


@pytest.mark.behaviour("B239")
@each_revision
def test_polls_are_answered_with_scripts(new_server: NewServer, revision: str) -> None:
    server = new_server(allow_eio3=True)
    session, _ = open_jsonp(server, revision)
    session.send("\u2028</script>\u2029é")
    answer = poll(server, session).answer
    assert "\u2028" not in answer.text
    assert "</" not in answer.text
    expected = "4\u2028</script>\u2029é"
    assert payload(answer) == (expected if revision == "4" else f"13:{expected}")


@pytest.mark.behaviour("B239")
@each_revision
def test_binary_is_always_base64(new_server: NewServer, revision: str) -> None:
    server = new_server(allow_eio3=True)
    session, _ = open_jsonp(server, revision)
    session.send(b"\x01\x02\x03\x04")
    text = payload(poll(server, session).answer)
    assert text == ("bAQIDBA==" if revision == "4" else "10:b4AQIDBA==")


@pytest.mark.behaviour("B239")
@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("hello world", "hello world"),
        ("a+b", "a+b"),
        ("é€😀", "é€😀"),
        # What clients do to line feeds, and to what looks like one.
        (r"a\nb", "a\nb"),
        (r"a\\nb", r"a\nb"),
    ],
)
def test_messages_are_posted_in_forms(
    new_server: NewServer, written: str, message: str
) -> None:
    server = new_server()
    session, _ = open_jsonp(server, "4")
    answer = post(server, session, b"d=" + quote_plus("4" + written).encode())
    assert (answer.status, answer.body) == (200, b"ok")
    assert answer.header("Content-Type") == "text/html"
    assert server.application.only.messages == [message]


def test_messages_of_revision_3_are_posted_in_forms(new_server: NewServer) -> None:
    server = new_server(allow_eio3=True)
    session, _ = open_jsonp(server, "3")
    post(server, session, b"d=" + quote_plus("3:4😀3:4\\nb6:b4AQI=").encode())
    assert server.application.only.messages == ["😀", "\nb", b"\x01\x02"]


@pytest.mark.behaviour("B239")
@pytest.mark.parametrize("body", [b"", b"4a", b"x=4a", b"d=4a&d=4b"])
def test_a_form_without_one_payload_is_ignored(
    new_server: NewServer, body: bytes
) -> None:
    server = new_server()
    session, _ = open_jsonp(server, "4")
    assert post(server, session, body).body == b"ok"
    assert server.application.only.messages == []
    assert session.closed is None


@pytest.mark.parametrize("body", [b"d=", b"d=x", b"d=4%ff"])
def test_a_payload_that_is_none_ends_the_session(
    new_server: NewServer, body: bytes
) -> None:
    server = new_server()
    session, _ = open_jsonp(server, "4")
    assert post(server, session, body).status == 400
    assert session.closed is not None
    assert session.closed.reason is CloseReason.PARSE_ERROR


@pytest.mark.behaviour("B239")
@each_revision
def test_the_end_is_a_script_too(new_server: NewServer, revision: str) -> None:
    server = new_server(allow_eio3=True)
    session, _ = open_jsonp(server, revision)
    exchange = poll(server, session)
    session.close()
    assert payload(exchange.answer) == ("1" if revision == "4" else "1:1")


def test_the_limit_is_that_of_the_raw_body(new_server: NewServer) -> None:
    server = new_server(max_http_buffer_size=8)
    session, _ = open_jsonp(server, "4")
    assert post(server, session, b"d=4%61bc").body == b"ok"
    assert post(server, session, b"d=4%61%62").status == 413


def test_it_can_be_upgraded(new_server: NewServer) -> None:
    server = new_server()
    session, _ = open_jsonp(server, "4")
    websocket = server.open_websocket(session.id)
    websocket.send("2probe", "5")
    session.send("a")
    session.send(b"b")
    assert websocket.packets() == ["3probe", "4a", b"b"]
