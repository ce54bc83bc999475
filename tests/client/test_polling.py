"""Polling, the client's side, with a server that says what a test wants."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from tests.client.network import error_of, result_of
from tests.conftest import FlushLoggedErrors
from tests.doubles import RecordingEngine, ended_with
from txengineio.client.http.http_client import Answer
from txengineio.client.polling import PollingTransport
from txengineio.client.session import ClientSession
from txengineio.errors import CloseReason, RequestRejected
from txengineio.protocol.handshake import Handshake
from txengineio.protocol.revisions import codec_for
from txengineio.session.heartbeat import HeartbeatState
from txengineio.testing import RecordingApplication

RS = "\x1e"
HANDSHAKE = Handshake(
    sid="abcdef", upgrades=(), ping_interval=10, ping_timeout=5, max_payload=100
)


class FakeHttp:
    """Keeps requests; a test answers them."""

    def __init__(self) -> None:
        self.gets: list[tuple[str, Deferred[Answer]]] = []
        self.posts: list[tuple[bytes, str, Deferred[Answer]]] = []
        self.closed = False

    def get(self, resource: str) -> Deferred[Answer]:
        deferred: Deferred[Answer] = Deferred()
        self.gets.append((resource, deferred))
        return deferred

    def post(self, _resource: str, body: bytes, content_type: str) -> Deferred[Answer]:
        deferred: Deferred[Answer] = Deferred()
        self.posts.append((body, content_type, deferred))
        return deferred

    def close(self) -> None:
        self.closed = True


class Wired:
    """A session by polling whose requests a test answers."""

    def __init__(self, revision: int = 4, **options: Any) -> None:
        self.http = FakeHttp()
        self.engine = RecordingEngine()
        self.clock: Clock = self.engine.clock
        self.application = RecordingApplication(**options)
        http: Any = self.http
        self.polling = PollingTransport(
            http,
            "/engine.io/?sid=abcdef",
            codec_for(revision),
            max_payload=HANDSHAKE.max_payload,
            max_packets=3,
            clock=self.clock,
            request_timeout=7,
        )
        self.session = ClientSession(
            HANDSHAKE,
            engine=self.engine,
            codec=codec_for(revision),
            transport=self.polling,
            remote_address="a",
        )
        self.polling.attach(self.session)
        self.session.open()
        protocol = self.application.buildProtocol(None)
        assert protocol is not None
        self.protocol = protocol
        self.session.start(protocol)
        self.polling.start(iter(()))

    def poll(self, body: str | bytes, status: int = 200, kind: str = "") -> None:
        _, deferred = self.http.gets[-1]
        content = body.encode() if isinstance(body, str) else body
        deferred.callback(Answer(status, kind, content))

    def answer_post(self, status: int = 200) -> None:
        *_, deferred = self.http.posts[-1]
        deferred.callback(Answer(status, "text/html", b"ok"))

    @property
    def posted(self) -> list[bytes]:
        return [body for body, *_ in self.http.posts]


def test_each_poll_follows_the_one_before() -> None:
    wired = Wired()
    wired.poll(f"4a{RS}bAQI=")
    assert wired.protocol.messages == ["a", b"\1\2"]
    first, second = (url for url, _ in wired.http.gets)
    assert first != second


def test_packets_are_packed_up_to_what_the_server_takes() -> None:
    wired = Wired()
    wired.session.send("first")
    for text in ("a" * 40, "b" * 40, "c" * 500, "1", "2", "3", "4"):
        wired.session.send(text)
    sent: list[bytes] = []
    while len(wired.posted) > len(sent):
        sent = wired.posted
        wired.answer_post()
    assert sent == [
        b"4first",
        b"4" + b"a" * 40,
        b"4" + b"b" * 40,
        b"4" + b"c" * 500,
        b"41\x1e42\x1e43",
        b"44",
    ]
    assert result_of(wired.session.when_flushed()) is None


def test_what_is_sent_while_a_poll_is_handled_goes_together() -> None:
    def answer(protocol: Any, message: str) -> None:
        protocol.session.send(message)

    wired = Wired(on_message=answer)
    wired.poll(f"4a{RS}4b{RS}2")
    assert wired.posted == [b"4a\x1e4b\x1e3"]


def test_binary_of_revision_3() -> None:
    wired = Wired(revision=3)
    wired.poll(b"\x01\x03\xff\x04\x01\x02", kind="application/octet-stream")
    assert wired.protocol.messages == [b"\1\2"]
    wired.session.send(b"\3")
    body, kind, _ = wired.http.posts[-1]
    assert (body, kind) == (b"\x01\x02\xff\x04\x03", "application/octet-stream")


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ("x", 200, CloseReason.PARSE_ERROR),
        (b"\xff", 200, CloseReason.PARSE_ERROR),
        ("4a\x1ex", 200, CloseReason.PARSE_ERROR),
        ("1", 200, CloseReason.TRANSPORT_CLOSE),
        ("", 502, CloseReason.TRANSPORT_ERROR),
        (json.dumps({"code": 1, "message": "?"}), 400, CloseReason.TRANSPORT_ERROR),
    ],
)
def test_polls_that_end_the_session(
    body: str | bytes, status: int, reason: CloseReason
) -> None:
    wired = Wired()
    wired.poll(body, status)
    assert ended_with(wired.protocol) is reason
    assert len(wired.http.gets) == 1
    assert wired.http.closed
    assert wired.clock.getDelayedCalls() == []


def test_why_a_poll_was_refused_is_told() -> None:
    wired = Wired()
    wired.poll(json.dumps({"code": 1, "message": "Session ID unknown"}), 400)
    assert wired.session.closed is not None
    error: Any = wired.session.closed.description
    assert error.message == "xhr poll error"
    assert isinstance(error.description, RequestRejected)


def test_a_poll_that_fails_ends_the_session() -> None:
    wired = Wired()
    wired.http.gets[-1][1].errback(ZeroDivisionError())
    assert ended_with(wired.protocol) is CloseReason.TRANSPORT_ERROR


@pytest.mark.parametrize("status", [None, 413, 500])
def test_a_post_that_fails_ends_the_session(status: int | None) -> None:
    wired = Wired()
    wired.session.send("a")
    flushed = wired.session.when_flushed()
    if status is None:
        wired.http.posts[-1][2].errback(ZeroDivisionError())
    else:
        wired.answer_post(status)
    assert ended_with(wired.protocol) is CloseReason.TRANSPORT_ERROR
    assert error_of(flushed) is wired.session.closed


def test_a_post_that_is_never_answered_ends_the_session() -> None:
    wired = Wired()
    wired.session.send("a")
    wired.clock.advance(7)
    assert ended_with(wired.protocol) is CloseReason.TRANSPORT_ERROR
    assert wired.session.closed is not None
    error: Any = wired.session.closed.description
    assert "no answer within 7 seconds" in str(error.description)


def test_each_post_has_its_own_time() -> None:
    wired = Wired()
    wired.session.send("a")
    wired.clock.advance(6)
    wired.answer_post()
    wired.poll("6")
    wired.clock.advance(2)
    wired.session.send("b")
    wired.clock.advance(6)
    assert wired.session.closed is None
    wired.clock.advance(0.9)
    assert wired.session.closed is None
    wired.clock.advance(0.1)
    assert ended_with(wired.protocol) is CloseReason.TRANSPORT_ERROR
    assert wired.clock.getDelayedCalls() == []


def test_a_goodbye_that_is_never_answered_ends_the_session() -> None:
    wired = Wired()
    closing = wired.session.close()
    wired.clock.advance(7)
    assert result_of(closing) is CloseReason.TRANSPORT_ERROR
    assert wired.clock.getDelayedCalls() == []


def test_closing_says_goodbye_after_everything_else() -> None:
    wired = Wired()
    wired.session.send("a")
    wired.session.send("b")
    closing = wired.session.close()
    assert wired.session.close() is not closing
    for _ in range(2):
        wired.answer_post()
    assert wired.posted == [b"4a", b"4b", b"1"]
    # Whatever comes now is not for the application.
    wired.poll("", 400)
    assert not closing.called
    wired.answer_post(400)
    assert result_of(closing) is CloseReason.FORCED_CLOSE
    assert wired.clock.getDelayedCalls() == []


def test_a_heartbeat_is_answered_while_the_last_messages_are_sent() -> None:
    wired = Wired()
    wired.session.send("a")
    wired.session.send("b")
    wired.session.close()
    wired.poll("2")
    wired.answer_post()
    wired.answer_post()
    assert wired.posted == [b"4a", b"4b\x1e3", b"1"]


def test_messages_that_could_not_be_sent_are_no_forced_close() -> None:
    wired = Wired()
    wired.session.send("a")
    closing = wired.session.close()
    wired.answer_post(500)
    assert result_of(closing) is CloseReason.TRANSPORT_ERROR


def test_a_goodbye_that_fails_is_told() -> None:
    wired = Wired()
    closing = wired.session.close()
    wired.http.gets[-1][1].errback(ZeroDivisionError())
    wired.http.posts[-1][2].errback(ZeroDivisionError())
    assert result_of(closing) is CloseReason.TRANSPORT_ERROR


def test_discarding_drops_everything_at_once() -> None:
    wired = Wired()
    wired.session.send("a")
    assert result_of(wired.session.close(discard=True)) is CloseReason.FORCED_CLOSE
    assert wired.clock.getDelayedCalls() == []


def test_an_application_that_takes_its_time_stops_the_polling() -> None:
    waiting: Deferred[None] = Deferred()
    wired = Wired(
        on_message=lambda *_: waiting if not waiting.called else succeed(None)
    )
    wired.poll(RS.join(f"4{number}" for number in range(100)))
    assert len(wired.http.gets) == 1
    waiting.callback(None)
    assert len(wired.protocol.messages) == 100
    assert len(wired.http.gets) == 2


def test_pausing_waits_for_what_is_under_way() -> None:
    wired = Wired()
    paused: list[str] = []
    wired.session.send("a")
    wired.polling.pause(lambda: paused.append("paused"))
    wired.session.send("b")
    wired.answer_post()
    assert paused == []
    wired.poll("6")
    assert paused == ["paused"]
    assert wired.posted == [b"4a"]
    assert len(wired.http.gets) == 1
    wired.polling.unpause()
    assert wired.posted == [b"4a", b"4b"]
    assert len(wired.http.gets) == 2


class BrokenSession:
    failed: Any = None

    @property
    def send_queue(self) -> Any:
        raise ZeroDivisionError

    def transport_failed(self, error: Exception) -> None:
        self.failed = error


def test_an_internal_error_ends_the_session(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    wired = Wired()
    broken: Any = BrokenSession()
    wired.polling.session = broken
    wired.poll("4a")
    assert broken.failed.message == "internal error"
    assert len(flush_logged_errors(ZeroDivisionError)) == 1


def test_an_internal_error_after_a_post_ends_the_session(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    wired = Wired()
    wired.session.send("a")
    broken: Any = BrokenSession()
    wired.polling.session = broken
    wired.answer_post()
    assert broken.failed.message == "internal error"
    assert len(flush_logged_errors(ZeroDivisionError)) == 1


def test_revision_3_sends_the_heartbeat() -> None:
    wired = Wired(revision=3)
    wired.clock.pump([0.5] * 21)
    assert wired.posted == [b"1:2"]
    wired.answer_post()
    wired.poll("1:3")
    wired.clock.pump([0.5] * 21)
    assert wired.posted == [b"1:2", b"1:2"]
    assert wired.session.heartbeat_state is HeartbeatState.AWAITED
