"""Crowds: how many sessions there may be, and how fast they may come."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.conftest import FlushLoggedErrors
from tests.server.conftest import NewServer
from tests.wiring import Server
from txengineio.errors import InvalidOption
from txengineio.server.options.engine import EngineOptions
from txengineio.server.requests.session_limits import (
    LimitExceeded,
    SessionLimits,
    TokenBuckets,
    neighbourhood,
)
from txengineio.testing import RecordingApplication

PROXY: dict[str, Any] = {"trusted_proxies": ["192.0.2.1"]}


def come_from(server: Server, address: str) -> int:
    return server.request(headers={"X-Forwarded-For": address}).answer.status


# --- addresses ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        (None, None),
        ("unheard of", "unheard of"),
    ],
)
def test_what_counts_as_one_address(host: str | None, expected: str | None) -> None:
    assert neighbourhood(host) == expected


# --- buckets --------------------------------------------------------------------------


def test_a_bucket_empties_and_fills_again() -> None:
    buckets = TokenBuckets(rate=2, burst=3)
    assert [buckets.take("a", 0.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("b", 0.0) == 0
    assert buckets.take("a", 0.25) == 0.25
    assert buckets.take("a", 0.5) == 0
    assert [buckets.take("a", 100.0) for _ in range(4)] == [0, 0, 0, 0.5]


def test_a_clock_that_is_set_back_costs_no_tokens() -> None:
    buckets = TokenBuckets(rate=1, burst=2)
    assert buckets.take("a", 1000.0) == 0
    assert buckets.take("a", 10.0) == 0
    assert buckets.take("a", 10.0) == 1
    assert buckets.take("a", 11.0) == 0


def test_addresses_that_have_gone_are_forgotten() -> None:
    buckets = TokenBuckets(rate=1, burst=1)
    for number in range(100_000):
        assert buckets.take(str(number), number / 100) == 0
    assert len(buckets) < 2000


# --- the crowd ------------------------------------------------------------------------


def test_places_are_given_and_taken_back() -> None:
    crowd = SessionLimits(EngineOptions(max_sessions=2), Clock())
    first = crowd.enter("a")
    crowd.enter("b")
    with pytest.raises(LimitExceeded) as refused:
        crowd.enter("c")
    assert refused.value.status == 503
    first.leave()
    first.leave()
    assert crowd.size == 1
    assert crowd.enter("c").client == "c"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_sessions", 0),
        ("max_sessions_per_address", 1.5),
        ("handshakes_per_second", 0),
        ("handshakes_per_second", True),
        ("handshakes_per_second", "1"),
        ("handshake_burst", 0),
        ("first_poll_timeout", 0),
        ("max_buffered_bytes", -1),
    ],
)
def test_limits_that_make_no_sense_are_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidOption, match=name):
        EngineOptions(**{name: value})


def test_there_may_be_no_limits() -> None:
    options = EngineOptions(max_sessions=None, first_poll_timeout=None)
    crowd = SessionLimits(options, Clock())
    for _ in range(1000):
        crowd.enter(None)
    assert crowd.size == 1000


# --- in a server ----------------------------------------------------------------------


def test_no_more_sessions_than_allowed(new_server: NewServer) -> None:
    server = new_server(max_sessions=2)
    first = server.open_polling()
    assert server.open_websocket().is_accepted
    answer = server.request().answer
    assert (answer.status, answer.body) == (503, b"")
    assert answer.header("Retry-After") == "30"
    opening = server.open_websocket().opening
    assert opening.answer.status == 503
    assert len(server.application.built) == 2
    # Those that are there are not disturbed.
    assert first.post("4a").answer.text == "ok"
    first.session.close(discard=True)
    assert server.request().answer.status == 200


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_no_more_sessions_from_one_address_than_allowed(
    new_server: NewServer, transport: str
) -> None:
    server = new_server(max_sessions_per_address=1)
    server.open_polling()
    if transport == "polling":
        answer = server.request().answer
    else:
        answer = server.open_websocket().opening.answer
    assert (answer.status, answer.header("Retry-After")) == (429, "30")
    (session,) = server.engine.sessions.values()
    session.close(discard=True)
    assert server.open_websocket().is_accepted


def test_addresses_behind_a_trusted_proxy_are_told_apart(new_server: NewServer) -> None:
    server = new_server(max_sessions_per_address=1, **PROXY)
    assert come_from(server, "198.51.100.1") == 200
    assert come_from(server, "203.0.113.1, 198.51.100.1") == 429
    assert come_from(server, "198.51.100.2") == 200
    assert come_from(server, "2001:db8::1") == 200
    assert come_from(server, "2001:db8::2") == 429
    assert come_from(server, "2001:db8:0:1::2") == 200
    assert {session.remote_address for session in server.engine.sessions.values()} == {
        "198.51.100.1",
        "198.51.100.2",
        "2001:db8::1",
        "2001:db8:0:1::2",
    }


def test_what_a_stranger_says_about_its_address_counts_for_nothing(
    new_server: NewServer,
) -> None:
    server = new_server(max_sessions_per_address=1)
    assert come_from(server, "198.51.100.1") == 200
    assert come_from(server, "198.51.100.2") == 429


def test_handshakes_come_no_faster_than_allowed(new_server: NewServer) -> None:
    server = new_server(handshakes_per_second=0.5, handshake_burst=3, **PROXY)
    statuses = [come_from(server, "198.51.100.1") for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    answer = server.request(headers={"X-Forwarded-For": "198.51.100.1"}).answer
    assert answer.header("Retry-After") == "2"
    assert come_from(server, "198.51.100.2") == 200
    server.advance(2)
    assert come_from(server, "198.51.100.1") == 200


def test_who_is_about_to_come_in_has_a_place(new_server: NewServer) -> None:
    asked: list[Deferred[bool]] = []

    def ask(_request: object) -> Deferred[bool]:
        asked.append(Deferred())
        return asked[-1]

    server = new_server(max_sessions=1, allow_request=ask)
    waiting = server.request()
    assert server.request().answer.status == 503
    assert len(asked) == 1
    asked.pop().callback(False)
    assert waiting.answer.status == 403
    waiting = server.request()
    asked.pop().callback(True)
    assert waiting.answer.status == 200


def test_who_is_not_let_in_leaves_no_trace(
    new_server: NewServer, flush_logged_errors: FlushLoggedErrors
) -> None:
    application = RecordingApplication()
    server = new_server(
        application, max_sessions=1, generate_id=lambda _: 1 / 0, allow_eio3=False
    )
    for _ in range(3):
        assert server.request().answer.status == 400
        assert server.request(EIO="3").answer.status == 400
    assert len(flush_logged_errors(ZeroDivisionError)) == 3
    server = new_server(application, max_sessions=1)
    application.refuse = True
    for _ in range(3):
        assert server.request().answer.status == 403
    application.refuse = False
    assert server.request().answer.status == 200


# --- sessions that nobody comes back to -----------------------------------------------


def test_a_session_whose_client_never_comes_back_ends_early(
    new_server: NewServer,
) -> None:
    server = new_server(first_poll_timeout=5.0)
    server.open_polling()
    server.advance(4.5)
    assert len(server.engine.sessions) == 1
    server.advance(1)
    server.assert_nothing_left()


@pytest.mark.parametrize("what", ["poll", "post", "start_post", "upgrade"])
def test_whatever_the_client_does_keeps_the_session(
    new_server: NewServer, what: str
) -> None:
    server = new_server(first_poll_timeout=5.0)
    client = server.open_polling()
    server.advance(4)
    if what == "start_post":
        client.start_post(100)
    elif what == "post":
        client.post("4a")
    elif what == "poll":
        client.poll()
    else:
        client.open_websocket()
    server.advance(10)
    # An unmodified site does not tell of a body before it is complete.
    is_plain = not hasattr(server.site, "engine_at")
    expected = 0 if what == "start_post" and is_plain else 1
    assert len(server.engine.sessions) == expected


def test_the_heartbeat_may_be_left_to_find_out(new_server: NewServer) -> None:
    server = new_server(first_poll_timeout=None)
    server.open_polling()
    server.advance(25)
    server.advance(19)
    assert len(server.engine.sessions) == 1
    server.advance(2)
    server.assert_nothing_left()
