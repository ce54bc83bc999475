"""Advisories about servers of this kind: each that could have been about this one."""

from __future__ import annotations

import re
import zlib
from importlib.metadata import requires, version
from typing import Any

import pytest

from tests.connection import make_request
from tests.doubles import ended_with
from tests.frames import BINARY, CONTINUATION, PING
from tests.wiring import Server, opening_headers
from txengineio.errors import CloseReason
from txengineio.server.engine import Engine
from txengineio.testing import RecordingApplication


@pytest.fixture(params=[False, True], ids=["plain-site", "own-site"])
def server(request: pytest.FixtureRequest) -> Server:
    return Server.new(own_site=request.param)


def test_cve_2026_59725_every_refusal_is_answered(server: Server) -> None:
    client = server.open_polling()
    headers = {"Content-Type": "application/octet-stream"}
    post = server.request("POST", sid=client.sid, body=b"\x04a", headers=headers)
    assert post.answer.status == 400
    ended_with(client.protocol)
    server.assert_nothing_left()


# CVE-2023-31125, CVE-2022-41940, CVE-2022-21676: a request that ends the process.
@pytest.mark.parametrize(
    "query",
    [
        "EIO=4&transport=polling&sid=__proto__",
        "EIO=4&transport=constructor",
        "EIO=3&transport=websocket&sid[]=x",
        "EIO=%00&transport=polling%ff",
        "EIO=4&EIO=3&transport=polling&transport=websocket",
        "%",
        "&&&===",
        "",
        "EIO=99999999999999999999&transport=polling",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PUT", "BREW"])
def test_cve_2023_31125_no_request_does_more_than_it_costs(
    server: Server, query: str, method: str
) -> None:
    exchange = server.connect().request(method, f"/engine.io/?{query}", b"")
    assert 200 <= exchange.answer.status < 500
    assert server.request().answer.status == 200


def test_cve_2022_41940_a_socket_that_breaks_is_no_fault(server: Server) -> None:
    websocket = server.open_websocket()
    assert websocket.sid
    websocket.connection.send(b"\xff" * 100)
    websocket.connection.lose()
    assert ended_with(server.application.only) is CloseReason.TRANSPORT_ERROR
    server.assert_nothing_left()


def test_cve_2020_36048_a_body_costs_its_size_at_most() -> None:
    server = Server.new(own_site=True, allow_eio3=True)
    server.request(EIO="3")
    (sid,) = server.engine.sessions
    # Announced lengths that have nothing behind them, again and again.
    body = b"9" * 300_000 + b":" + b"1:4" * 100_000
    assert server.request("POST", sid=sid, body=body, EIO="3").answer.status == 400


@pytest.mark.parametrize("payload", [b"", b"x"])
def test_cve_2026_48779_tiny_fragments_are_counted(payload: bytes) -> None:
    server = Server.new()
    websocket = server.open_websocket()
    websocket.send_frame(BINARY, b"", fin=False)
    for _ in range(17):
        websocket.connection.transport.protocol.dataReceived(
            b"".join(fragment(payload) for _ in range(1000))
        )
    assert websocket.close_code() == 1008


def fragment(payload: bytes) -> bytes:
    return bytes((CONTINUATION, 0x80 | len(payload))) + b"\0\0\0\0" + payload


def test_ws_8_23_pongs_that_nobody_reads_do_not_pile_up() -> None:
    server = Server.new()
    websocket = server.open_websocket()
    transport = websocket.connection.transport
    transport.stop_reading()
    for _ in range(2000):
        websocket.send_frame(PING, b"x" * 125)
    assert len(transport._backlog) < 70_000


def test_cve_2026_45736_only_messages_can_be_sent(server: Server) -> None:
    session = server.open_polling().session
    values: list[Any] = [5, None, ["a"], {"a": 1}, object()]
    for value in values:
        with pytest.raises(TypeError):
            session.send(value)
    assert not session.write_buffer


def test_cve_2024_37890_too_many_headers_are_refused(server: Server) -> None:
    headers = opening_headers() | {f"X-{number}": "" for number in range(1000)}
    connection = server.connect()
    connection.send(make_request("GET", server.target("websocket"), None, headers))
    assert connection.is_closed
    assert server.application.built == []


# CVE-2021-32640, and expressions like it: time that grows with the square of a header.
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Sec-WebSocket-Protocol", "a" + " " * 15_000 + "\x01"),
        ("Sec-WebSocket-Extensions", "permessage-deflate" + "; a" * 5000 + ";"),
        ("Sec-WebSocket-Extensions", "a" + " " * 15_000 + "\x01"),
        ("Accept-Encoding", "gzip" + ";q=" + "0" * 15_000),
    ],
)
def test_cve_2021_32640_headers_take_no_time(name: str, value: str) -> None:
    server = Server.new(per_message_deflate=True)
    server.open_websocket(headers={name: value})
    assert server.request(headers={name: value}).answer.status == 200


def test_cve_2026_48802_one_heartbeat_for_each_session(server: Server) -> None:
    websocket = server.open_websocket()
    assert websocket.sid
    before = len(server.clock.getDelayedCalls())
    for _ in range(1000):
        websocket.send("3")
    assert len(server.clock.getDelayedCalls()) == before
    server.advance(25)
    assert websocket.packets() == ["2"]


def test_cve_2026_48802_a_heartbeat_begins_when_somebody_is_let_in() -> None:
    server = Server.new(own_site=True, allow_request=lambda _: False)
    assert server.request().answer.status == 403
    assert dict(server.engine.sessions) == {}
    assert not server.engine.timers._loop.running


def test_cve_2026_48809_a_body_is_refused_before_it_is_there() -> None:
    server = Server.new(own_site=True, max_http_buffer_size=1000)
    client = server.open_polling()
    assert client.start_post(50_000_000).answer.status == 413


def test_cve_2019_13611_other_pages_open_no_websockets(server: Server) -> None:
    headers = {"Origin": "http://evil.example", "Cookie": "session=victim"}
    assert server.open_websocket(headers=headers).opening.answer.status == 403
    assert server.request(headers=headers).answer.status == 403


def test_cve_2026_44545_there_are_limits_without_an_option() -> None:
    engine = Engine(RecordingApplication(), reactor=Server.new().clock)
    assert engine.websockets.maxFramePayloadSize == 1_000_000
    assert engine.websockets.maxMessagePayloadSize == 1_000_000


def test_ghsa_hxp9_w8x3_p566_the_limit_holds_after_inflating() -> None:
    server = Server.new(per_message_deflate=True, max_http_buffer_size=100_000)
    websocket = server.open_websocket(
        headers={"Sec-WebSocket-Extensions": "permessage-deflate"}
    )
    compressor = zlib.compressobj(wbits=-15)
    bomb = compressor.compress(b"\0" * 50_000_000) + compressor.flush(zlib.Z_SYNC_FLUSH)
    assert len(bomb) < 100_000
    websocket.send_frame(BINARY, bomb[:-4], rsv=4)
    assert websocket.close_code() == 1009
    assert server.application.only.messages == []


def test_cve_2020_35678_nothing_of_a_query_gets_into_a_header(server: Server) -> None:
    query: dict[str, Any] = {
        "x": "a%0d%0aSet-Cookie:%20a=b",
        "transport_": "%0d%0aX:%20y",
    }
    for answer in (
        server.request(**query).answer,
        server.request(sid="%0d%0aX:y", **query).answer,
        server.open_websocket(**query).opening.answer,
    ):
        assert answer.all("Set-Cookie") == answer.all("X") == []
        assert "Cookie" not in answer.text


@pytest.mark.parametrize("index", ["alert(1)//", "<script>", "%0d%0aX:%20y", "7"])
def test_cve_2014_4671_scripts_are_called_by_a_number(index: str) -> None:
    server = Server.new(own_site=True, allow_eio3=True)
    answer = server.request(EIO="3", j=index).answer
    digits = re.sub(r"\D", "", index.replace("%0d%0aX:%20y", ""))
    assert answer.text.startswith(f"___eio[{digits}](")
    assert answer.header("X-Content-Type-Options") == "nosniff"


# CVE-2024-41671, CVE-2023-46137: pipelined requests that were answered out of order.
def test_cve_2024_41671_pipelined_requests_are_answered_in_order(
    server: Server,
) -> None:
    client = server.open_polling()
    connection = server.connect()
    poll, post = connection.expect(), connection.expect("POST")
    target = server.target(sid=client.sid)
    connection.send(
        make_request("GET", target, None) + make_request("POST", target, b"4a")
    )
    assert poll.is_pending
    client.session.send("first")
    assert poll.answer.packets == ["4first"]
    assert post.answer.text == "ok"


@pytest.mark.parametrize("name", ["sid", "transport", "x"])
def test_cve_2024_41810_no_answer_repeats_what_was_asked(
    server: Server, name: str
) -> None:
    query = {name: "%3Cscript%3Ealert(1)%3C/script%3E"}
    answer = server.connect().request("GET", f"/engine.io/?{name}={query[name]}").answer
    assert "script" not in answer.text
    assert answer.header("Content-Type") == "application/json"


# CVE-2022-24801, CVE-2020-10108, CVE-2020-10109: where one request ends and the next
# begins.
@pytest.mark.parametrize(
    "fields",
    [
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: +2\r\n",
        "Transfer-Encoding: x\r\n",
    ],
)
def test_cve_2022_24801_nobody_smuggles_requests(server: Server, fields: str) -> None:
    client = server.open_polling()
    connection = server.connect()
    head = f"POST {server.target(sid=client.sid)} HTTP/1.1\r\nHost: x\r\n{fields}\r\n"
    connection.send(head.encode() + b"4a" + make_request("GET", "/admin"))
    assert connection.peek().count(b"HTTP/1.1 ") == 1
    assert b" 400 " in connection.peek()


@pytest.mark.parametrize("value", ["a\r\nX-Evil: b", "a\nX-Evil: b", "a\0b", "a\rb"])
@pytest.mark.parametrize("how", ["polling", "websocket"])
def test_twisted_12754_headers_of_the_application_stay_headers(
    server: Server, value: str, how: str, flush_logged_errors: Any
) -> None:
    server.engine.on("headers", lambda headers, _: headers.update({"X-Own": value}))
    if how == "polling":
        answer = server.request().answer
        assert answer.status == 200
    else:
        answer = server.open_websocket().opening.answer
        assert answer.status == 101
    assert answer.all("X-Evil") == answer.all("X-Own") == []
    assert flush_logged_errors(ValueError)


@pytest.mark.parametrize("how", ["polling", "websocket"])
def test_twisted_12754_headers_of_middlewares_stay_headers(
    server: Server, how: str
) -> None:
    def add(request: Any) -> None:
        request.setHeader("X-Own", "a\r\nX-Evil: b")
        request.addCookie("name", "value\r\nX-Evil: b")

    server.engine.use(add)
    if how == "polling":
        answer = server.request().answer
    else:
        answer = server.open_websocket().opening.answer
    assert answer.status == (200 if how == "polling" else 101)
    assert answer.all("X-Evil") == []


def test_the_floors_of_the_dependencies_are_above_the_advisories() -> None:
    # twisted#12754 and #12705; GHSA-hxp9-w8x3-p566.
    floors = {"twisted": (26, 10), "autobahn": (26, 7)}
    for name, floor in floors.items():
        assert tuple(map(int, version(name).split(".")[:2])) >= floor
        wanted = [text for text in requires("txengineio") or () if name in text.lower()]
        for text in wanted[:1]:
            least = re.search(r">=\s*(\d+)\.(\d+)", text)
            assert least is not None
            assert (int(least[1]), int(least[2])) >= floor
