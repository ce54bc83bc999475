from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.testing import StringTransport
from twisted.web.http import HTTPChannel

from tests.conftest import FlushLoggedErrors
from tests.server.conftest import NewServer
from txengineio.server.transports.answers import Congestion
from txengineio.server.web._twisted import TwistedChannel, is_congested

IE_8 = "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0)"
IE_6 = "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)"
IE_11 = "Mozilla/5.0 (Windows NT 6.3; Trident/7.0; rv:11.0) like Gecko"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.mark.behaviour("B138", "B139")
@pytest.mark.parametrize(
    ("agent", "expected"), [(IE_6, "0"), (IE_8, "0"), (IE_11, "0"), (FIREFOX, None)]
)
def test_internet_explorer_is_told_not_to_filter(
    new_server: NewServer, agent: str, expected: str | None
) -> None:
    server = new_server()
    headers = {"User-Agent": agent}
    handshake = server.request(headers=headers).answer
    (session,) = server.engine.sessions.values()
    session.send("a")
    poll = server.request(sid=session.id, headers=headers).answer
    post = server.request("POST", sid=session.id, body=b"4a", headers=headers).answer
    for answer in (handshake, poll, post):
        assert answer.status == 200
        assert answer.header("X-XSS-Protection") == expected


def test_the_headers_of_a_poll_can_be_read_and_changed(new_server: NewServer) -> None:
    server = new_server(cookie=True)
    seen: list[dict[str, Any]] = []

    def change(headers: dict[str, Any], request: Any) -> None:
        seen.append(dict(headers))
        headers["Content-Length"] = "5"
        headers["Content-Type"] = "text/plain"
        headers["test"] = ["1", 2]

    server.engine.on("headers", change)
    client = server.open_polling()
    answer = client.handshake.answer
    assert seen == [
        {
            "Content-Type": "text/plain; charset=UTF-8",
            "Content-Length": str(len(answer.body)),
            "cache-control": "no-store",
            "Set-Cookie": [f"io={client.sid}; Path=/; HttpOnly; SameSite=Lax"],
        }
    ]
    # A wrong length would break the connection.
    assert answer.header("Content-Length") == str(len(answer.body))
    assert answer.header("Content-Type") == "text/plain"
    assert answer.all("test") == ["1", "2"]


@pytest.mark.parametrize("event", ["initial_headers", "headers"])
@pytest.mark.parametrize(
    ("name", "value"),
    [("x-a", "1\r\nx-b: 2"), ("x-a", ["1", "2\n"]), ("x a", "1"), ("x-a:", "1")],
)
def test_headers_that_would_be_more_than_one_are_not_sent(
    new_server: NewServer,
    event: str,
    name: str,
    value: Any,
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    server = new_server()
    server.engine.on(event, lambda headers, request: headers.update({name: value}))
    for answer in (
        server.open_polling().handshake.answer,
        server.open_websocket().opening.answer,
    ):
        assert answer.status in (200, 101)
        assert not any(key.lower().startswith("x") for key, _ in answer.headers)
    assert len(flush_logged_errors(ValueError)) == 2


@pytest.mark.behaviour("B141", "B142", "B143")
@pytest.mark.parametrize("event", ["initial_headers", "headers"])
def test_cookies_are_added_to_the_engines_own(
    new_server: NewServer, event: str
) -> None:
    server = new_server(cookie=True)
    server.engine.on(
        event,
        lambda headers, request: headers.update({"set-cookie": "mycookie=456"}),
    )
    client = server.open_polling()
    assert client.handshake.answer.all("Set-Cookie") == [
        f"io={client.sid}; Path=/; HttpOnly; SameSite=Lax",
        "mycookie=456",
    ]
    again = ["mycookie=456"] if event == "headers" else []
    assert client.post("4a").answer.all("Set-Cookie") == again
    websocket = server.open_websocket()
    assert websocket.opening.answer.all("Set-Cookie") == ["mycookie=456"]


def test_several_cookies_of_a_101_have_lines_of_their_own(
    new_server: NewServer,
) -> None:
    server = new_server()
    server.engine.on(
        "headers",
        lambda headers, request: headers.update({"Set-Cookie": ["a=1", "b=2"]}),
    )
    answer = server.open_websocket().opening.answer
    assert answer.all("Set-Cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize("kind", [TwistedChannel, HTTPChannel])
def test_a_congestion_is_over_once_the_connection_takes_more(
    kind: type[HTTPChannel],
) -> None:
    channel: Any = kind()
    channel.makeConnection(StringTransport())
    channel.pauseProducing()
    assert is_congested(channel)
    first = Congestion(channel)
    states = [first.is_over]
    channel.resumeProducing()
    states.append(first.is_over)
    channel.pauseProducing()
    assert not Congestion(channel).is_over
    assert states == [False, True]
    # A stranger's connection does not tell what it is congested with.
    assert first.is_over is (kind is TwistedChannel)
