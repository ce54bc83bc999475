"""Lines in the log that say what to change, and fields that programs can read."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from twisted.logger import (
    ILogObserver,
    LogEvent,
    LogLevel,
    eventAsJSON,
    formatEvent,
    globalLogPublisher,
)
from zope.interface import implementer

from tests.doubles import ended_with
from tests.wiring import Server, opening_headers
from txengineio.errors import (
    CloseReason,
    ErrorCode,
    RequestRejected,
    TransportError,
    advice_in,
)


@implementer(ILogObserver)
class Log:
    def __init__(self) -> None:
        self.events: list[LogEvent] = []

    def __call__(self, event: LogEvent) -> None:
        if event.get("log_namespace", "").startswith("txengineio."):
            self.events.append(event)

    def only(self) -> LogEvent:
        (event,) = self.events
        return event


@pytest.fixture
def log() -> Iterator[Log]:
    log = Log()
    globalLogPublisher.addObserver(log)
    yield log
    globalLogPublisher.removeObserver(log)


def fields(event: LogEvent) -> dict[str, object]:
    """What a log in JSON has, without Twisted's own fields."""
    everything = json.loads(eventAsJSON(event))
    return {key: value for key, value in everything.items() if key[:4] != "log_"}


def test_a_websocket_message_that_is_too_large(log: Log) -> None:
    server = Server.new(max_http_buffer_size=100)
    websocket = server.open_websocket()
    sid = websocket.sid
    websocket.send("4" + "x" * 100)

    assert "raise max_http_buffer_size (--max-http-buffer-size)" in formatEvent(
        log.only()
    )
    told = fields(log.only())
    assert told["session"] == sid[:6]
    assert told["transport"] == "websocket"
    assert told["reason"] == "transport error"
    assert sid not in eventAsJSON(log.only())


@pytest.mark.parametrize("own_site", [True, False])
def test_a_post_that_is_too_large(log: Log, own_site: bool) -> None:
    server = Server.new(own_site=own_site, max_http_buffer_size=100)
    client = server.open_polling()
    client.post("4" + "x" * 100)

    assert formatEvent(log.only()).endswith(
        "on polling ended: transport error: payload too large (101 bytes received, "
        "at most 100 are allowed); to allow it, raise max_http_buffer_size "
        "(--max-http-buffer-size)"
    )


def test_a_post_that_is_too_large_and_for_nobody(log: Log) -> None:
    server = Server.new(own_site=True, max_http_buffer_size=100)
    server.connect().request("POST", server.target(), b"x" * 101)

    assert formatEvent(log.only()).startswith(
        "POST from 192.0.2.1 to an engine refused: payload too large (101"
    )


@pytest.mark.parametrize("problem", ["too many chunks", "http request timeout"])
def test_a_post_in_many_pieces_or_a_slow_one(log: Log, problem: str) -> None:
    server = Server.new(own_site=True, max_buffered_chunks=2)
    post = server.open_polling().start_post(None)
    post.connection.send(b"1\r\n4\r\n" * (3 if problem == "too many chunks" else 2))
    name = "max_buffered_chunks"
    if problem == "http request timeout":
        server.advance(31)
        name = "http_request_body_timeout"

    assert problem in formatEvent(log.only())
    flag = "--" + name.replace("_", "-")
    assert f"to allow more, raise {name} ({flag})" in formatEvent(log.only())


def test_a_client_that_does_not_read(log: Log) -> None:
    server = Server.new(max_buffered_bytes=1000)
    client = server.open_polling()
    client.session.send("x" * 2000)

    told = fields(log.only())
    assert told["reason"] == "buffer overflow"
    assert "max_buffered_bytes allows 1000" in formatEvent(log.only())


def test_an_upgrade_that_fails_is_told_while_there_is_a_session(log: Log) -> None:
    server = Server.new()
    stays, ends = server.open_polling(), server.open_polling()
    for client in (stays, ends):
        client.open_websocket().send("2probe")
    ends.session.close(discard=True)
    assert not log.events
    server.advance(11)
    assert formatEvent(log.only()).endswith("stays on polling: its upgrade failed")
    assert fields(log.only())["session"] == stays.sid[:6]


def test_an_old_client(log: Log) -> None:
    Server.new().request(EIO="3")

    assert formatEvent(log.only()).endswith(
        "(--allow-eio3) serves clients of revision 3"
    )
    assert fields(log.only())["code"] == 5


def test_a_page_of_another_origin(log: Log) -> None:
    Server.new().request(headers={"Origin": "https://evil.example"})

    text = formatEvent(log.only())
    assert "https://evil.example" in text
    assert "allowed_origins" in text


def test_who_refused_a_client(log: Log) -> None:
    server = Server.new()
    server.application.refuse = True
    server.request()
    Server.new(allow_request=lambda _request: False).request()
    Server.new(allow_request=lambda _request: "no entry").request()

    assert [formatEvent(event).partition("refused: ")[2] for event in log.events] == [
        "Forbidden; the application's factory returned None",
        "Forbidden; allow_request said no",
        "Forbidden (message='no entry'); allow_request said no",
    ]


def test_what_a_websocket_lacks(log: Log) -> None:
    server = Server.new()
    server.request(transport="websocket")
    server.request(transport="websocket", sid=server.open_polling().sid)
    assert len(log.events) == 2
    for event in log.events:
        assert "Upgrade, which a proxy may have left out" in formatEvent(event)


def test_headers_and_query_that_ask_for_different_things(log: Log) -> None:
    Server.new().request(headers=opening_headers())
    assert "headers ask for a WebSocket, its query for polling" in formatEvent(
        log.only()
    )


def test_a_session_that_may_not_move(log: Log) -> None:
    server = Server.new(allow_upgrades=False)
    client = server.open_polling()
    server.request(transport="websocket", sid=client.sid, headers=opening_headers())
    assert "allow_upgrades (--no-allow-upgrades)" in formatEvent(log.only())


@pytest.mark.parametrize("own_site", [True, False])
def test_a_refused_request_is_named(log: Log, own_site: bool) -> None:
    server = Server.new(own_site=own_site)
    server.request(EIO="4", sid="unknown-session-id")

    assert formatEvent(log.only()) == (
        "GET /engine.io/ from 192.0.2.1 refused: Session ID unknown (sid='unknow…)"
    )
    told = fields(log.only())
    assert told["path"] == "/engine.io/"
    assert told["address"] == "192.0.2.1"
    assert "unknown-session-id" not in eventAsJSON(log.only())


def test_a_refused_websocket_is_named(log: Log) -> None:
    Server.new().open_websocket(headers={"Sec-WebSocket-Version": "7"})

    text = formatEvent(log.only())
    assert text.startswith("GET /engine.io/ from 192.0.2.1 refused: ")


def test_the_client_behind_a_proxy_is_named(log: Log) -> None:
    server = Server.new(trusted_proxies=["192.0.2.1"])
    server.request(EIO="3", headers={"X-Forwarded-For": "192.0.2.7"})

    assert fields(log.only())["address"] == "192.0.2.7"


def test_a_path_cannot_fill_the_log(log: Log) -> None:
    path = "/engine.io/" + "x" * 1000
    Server.new().connect().request("GET", f"{path}?EIO=3&transport=polling")

    assert len(formatEvent(log.only())) < 300


@pytest.mark.parametrize("own_site", [True, False])
def test_a_tab_that_closes_while_it_polls_is_no_fault(log: Log, own_site: bool) -> None:
    client = Server.new(own_site=own_site).open_polling()
    client.poll().abort()

    assert ended_with(client.protocol) is CloseReason.TRANSPORT_ERROR
    assert log.only()["log_level"] is LogLevel.debug


@pytest.mark.parametrize(
    "problem",
    [
        ValueError("not ours"),
        TransportError("overlap from client"),
        RequestRejected(ErrorCode.UNKNOWN_SID),
        RequestRejected(ErrorCode.FORBIDDEN),
    ],
)
def test_no_advice_where_there_is_nothing_to_change(problem: Exception) -> None:
    assert advice_in(problem) == ""


def test_an_upgrade_that_comes_to_nothing(log: Log) -> None:
    server = Server.new()
    client = server.open_polling()
    client.open_websocket().send("4too early")

    assert fields(log.only())["session"] == client.sid[:6]
    assert fields(log.only())["transport"] == "polling"
