"""Polling, request by request, with curl and the standard library's HTTP client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic

import pytest

from tests.conftest import RequireProgram
from tests.interop.curl import Curl
from tests.interop.launch import LOOPBACK, Launch
from tests.interop.servers import ServerProcess, running_server, unlike_reference

pytestmark = pytest.mark.socket

LIMIT = 100_000
ENGINE = {"ping_interval": 300.0, "max_http_buffer_size": LIMIT}
HANDSHAKE = "/engine.io/?EIO=4&transport=polling"
TEXT = ("--header", "Content-Type: text/plain;charset=UTF-8")
TIMED_OUT = 28
"""What curl ends with when it has waited long enough."""


@pytest.fixture(scope="module", params=["listen", "site"])
def server(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    """The engine alone, and as a resource in an ordinary site."""
    static: dict[str, str] | None = {} if request.param == "site" else None
    with running_server(Launch(engine=ENGINE, static=static)) as server:
        yield server


@pytest.fixture
def curl(require_program: RequireProgram, server: ServerProcess) -> Curl:
    return Curl(require_program("curl", "curl"), server.url)


@pytest.fixture
def session(curl: Curl) -> str:
    """The target of further requests of a new session."""
    body = curl.request(HANDSHAKE).body
    return f"{HANDSHAKE}&sid={json.loads(body[1:])['sid']}"


def post(target: str, body: str, *options: str) -> tuple[str, ...]:
    return target, "--data-binary", body, *TEXT, *options


@pytest.mark.behaviour("B025", "B140", "B190")
def test_handshake(curl: Curl) -> None:
    answer = curl.request(HANDSHAKE)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; charset=UTF-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert "set-cookie" not in answer.headers
    assert answer.body[0] == "0"
    opened = json.loads(answer.body[1:])
    assert list(opened.items())[1:] == [
        ("upgrades", ["websocket"]),
        ("pingInterval", 300_000),
        ("pingTimeout", 20_000),
        ("maxPayload", LIMIT),
    ]
    assert next(iter(opened)) == "sid"


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/engine.io", marks=unlike_reference),
        "/engine.io/",
        "/engine.io/foo/bar/",
    ],
)
def test_path_with_and_without_more_behind_it(curl: Curl, path: str) -> None:
    answer = curl.request(f"{path}?EIO=4&transport=polling")
    assert answer.status == 200
    assert answer.body[0] == "0"


@pytest.mark.parametrize("path", ["/", "/engine.ioo/", "/ENGINE.IO/", "/x/engine.io/"])
def test_other_paths_are_not_served(curl: Curl, path: str) -> None:
    answer = curl.request(f"{path}?EIO=4&transport=polling")
    assert answer.status in {404, 501}
    assert not answer.body.startswith("0")


@pytest.mark.behaviour("B197")
def test_message_comes_back(curl: Curl, session: str) -> None:
    posted, polled = curl.requests(post(session, "4héllo €"), (session,))
    assert posted.status == 200
    assert posted.body == "ok"
    assert posted.headers["content-type"] == "text/html"
    assert posted.headers["content-length"] == "2"
    assert posted.headers["cache-control"] == "no-store"
    assert polled.status == 200
    assert polled.body == "4héllo €"
    assert polled.headers["content-type"] == "text/plain; charset=UTF-8"
    assert polled.headers["content-length"] == str(len("4héllo €".encode()))
    assert polled.headers["cache-control"] == "no-store"


@pytest.mark.behaviour("B198", "B199")
def test_several_messages_come_back_in_one_body(curl: Curl, session: str) -> None:
    payload = "4one\x1ebAQIDBA==\x1e4three"
    posted, polled = curl.requests(post(session, payload), (session,))
    assert posted.body == "ok"
    assert polled.body == payload


def test_parked_poll_is_answered_as_soon_as_there_is_something(
    curl: Curl, session: str
) -> None:
    with curl.running((session,)) as poll:
        assert curl.request(*post(session, "4now")).body == "ok"
        assert [answer.body for answer in poll.answers()] == ["4now"]


@pytest.mark.behaviour("B099")
def test_chunked_post(curl: Curl, session: str, tmp_path: Path) -> None:
    chunked = ("--header", "Transfer-Encoding: chunked")
    file = tmp_path / "body"
    file.write_text("4" + "€" * 20_000)
    small, large, polled = curl.requests(
        post(session, "4small", *chunked),
        post(session, f"@{file}", *chunked),
        (session,),
    )
    assert (small.status, small.body) == (200, "ok")
    assert (large.status, large.body) == (200, "ok")
    assert polled.body == "4small\x1e4" + "€" * 20_000


@pytest.mark.behaviour("B099")
def test_post_in_chunks_of_the_senders_choice(
    server: ServerProcess, curl: Curl, session: str
) -> None:
    assert server.port is not None
    connection = HTTPConnection(LOOPBACK, server.port, timeout=30)
    try:
        pieces = [b"41", b"2", b"3\xe2", b"\x82", b"\xac"]
        connection.request("POST", session, iter(pieces), encode_chunked=True)
        assert connection.getresponse().read() == b"ok"
    finally:
        connection.close()
    assert curl.request(session).body == "4123€"


def test_connection_is_kept_for_further_requests(curl: Curl, session: str) -> None:
    answers = curl.requests(
        post(session, "41"), (session,), post(session, "42"), (session,)
    )
    assert [answer.body for answer in answers] == ["ok", "41", "ok", "42"]
    assert [answer.connections for answer in answers] == [1, 0, 0, 0]


@pytest.mark.behaviour("B058")
def test_connection_is_closed_when_the_client_wants_that(
    curl: Curl, session: str
) -> None:
    close = ("--header", "Connection: close")
    answers = curl.requests(post(session, "41", *close), (session, *close))
    assert [answer.body for answer in answers] == ["ok", "41"]
    assert [answer.connections for answer in answers] == [1, 1]
    assert answers[0].headers["connection"] == "close"


def test_http_1_0(curl: Curl) -> None:
    old = ("--http1.0",)
    opened = curl.request(HANDSHAKE, *old)
    assert opened.status == 200
    assert "transfer-encoding" not in opened.headers
    session = f"{HANDSHAKE}&sid={json.loads(opened.body[1:])['sid']}"
    with curl.running((session, *old)) as poll:
        posted = curl.request(*post(session, "4old", *old))
        assert (posted.status, posted.body) == (200, "ok")
        [polled] = poll.answers()
    assert (polled.status, polled.body) == (200, "4old")
    assert "transfer-encoding" not in polled.headers


@unlike_reference
def test_client_that_would_like_http_2_is_served(curl: Curl) -> None:
    answer = curl.request(HANDSHAKE, "--http2")
    assert answer.status == 200
    assert answer.body[0] == "0"


def test_response_that_may_be_compressed(curl: Curl, session: str) -> None:
    curl.request(*post(session, "4!big 5000"))
    answer = curl.request(session, "--compressed")
    assert answer.status == 200
    assert answer.body == "4" + "0123456789" * 500


REFUSALS: dict[str, tuple[int, tuple[str, ...]]] = {
    "no transport": (0, ("/engine.io/?EIO=4",)),
    "unknown transport": (0, ("/engine.io/?EIO=4&transport=tobi",)),
    "unknown session": (1, (f"{HANDSHAKE}&sid=test",)),
    "PUT": (2, (HANDSHAKE, "--request", "PUT")),
    "POST": (2, post(HANDSHAKE, "4hi")),
    "no upgrade": (3, ("/engine.io/?EIO=4&transport=websocket",)),
    "revision 3": (5, ("/engine.io/?EIO=3&transport=polling",)),
    "no revision": (5, ("/engine.io/?transport=polling",)),
}
MESSAGES = {
    0: "Transport unknown",
    1: "Session ID unknown",
    2: "Bad handshake method",
    3: "Bad request",
    5: "Unsupported protocol version",
}


@pytest.mark.behaviour("B159", "B191", "B192", "B193")
@pytest.mark.parametrize("case", REFUSALS)
def test_refused_request_says_why(curl: Curl, case: str) -> None:
    code, request = REFUSALS[case]
    [answer] = curl.requests(request)
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.body) == {"code": code, "message": MESSAGES[code]}


@pytest.mark.behaviour("B056")
def test_opening_request_without_anything_but_upgrade_is_refused(curl: Curl) -> None:
    options = ("--header", "Connection: Upgrade", "--header", "Upgrade: websocket")
    assert curl.request("/engine.io/", *options).status == 400


@unlike_reference
def test_other_methods_leave_the_session_alone(curl: Curl, session: str) -> None:
    deleted = curl.request(session, "--request", "DELETE")
    assert deleted.status == 405
    assert set(deleted.headers["allow"].replace(",", " ").split()) >= {"GET", "POST"}
    posted, polled = curl.requests(post(session, "4alive"), (session,))
    assert (posted.body, polled.body) == ("ok", "4alive")


@pytest.mark.behaviour("B234")
def test_body_over_the_limit_ends_the_session(
    curl: Curl, session: str, tmp_path: Path
) -> None:
    exact, over = tmp_path / "exact", tmp_path / "over"
    exact.write_text("4" + "x" * (LIMIT - 1))
    over.write_text("4" + "x" * LIMIT)
    with curl.running((session,)) as poll:
        assert curl.request(*post(session, f"@{exact}")).body == "ok"
        assert [answer.body for answer in poll.answers()] == [exact.read_text()]
    assert curl.request(*post(session, f"@{over}")).status == 413
    assert curl.request(session).status == 400


def test_body_far_over_the_limit_is_refused_while_it_comes(
    curl: Curl, session: str, tmp_path: Path
) -> None:
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(50_000_000)
    assert curl.request(*post(session, f"@{huge}")).status == 413
    assert curl.request(session).status == 400


@pytest.mark.behaviour("B236")
def test_poll_that_the_client_gives_up_ends_the_session(
    curl: Curl, session: str
) -> None:
    with curl.running((session, "--max-time", "0.5")) as poll:
        assert poll.exit_code() == TIMED_OUT
    deadline = monotonic() + 20.0
    while (answer := curl.request(*post(session, "4hi"))).status == 200:
        # The server learns of it at once, but not always before this request.
        assert monotonic() < deadline
    assert answer.status == 400
    assert json.loads(answer.body)["code"] == 1


def test_session_is_unknown_after_the_client_said_goodbye(
    curl: Curl, session: str
) -> None:
    assert curl.request(*post(session, "1")).body == "ok"
    answer = curl.request(session)
    assert answer.status == 400
    assert json.loads(answer.body)["code"] == 1
