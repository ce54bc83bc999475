"""What people get to see of sessions, and how they close one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from tests.doubles import ended_with
from tests.wiring import Server
from txengineio.errors import CloseReason
from txengineio.integrations.inspector.selection import PAGE_SIZE, Query
from txengineio.integrations.inspector.session_list import (
    HANDLE_LIFETIME,
    SLICE,
    SessionList,
)
from txengineio.testing import RecordingApplication


def report_of(census: SessionList, query: Query | None = None) -> dict[str, Any]:
    """Return a report on so few sessions that it is there at once."""
    reports: list[dict[str, Any]] = []
    work = Deferred.fromCoroutine(census.report(query or Query()))
    work.addCallback(reports.append)
    (report,) = reports
    return report


def test_each_session_is_a_row() -> None:
    server = Server.new(
        RecordingApplication(
            on_message=lambda protocol, _: protocol.session.send("yes")
        )
    )
    census = SessionList(server.engine)
    client = server.open_polling()
    client.post("4hello")
    server.advance(3.0)

    (row,) = report_of(census)["sessions"]

    assert row.pop("handle") != client.sid
    # The body of the answer: it has the id, the length of which is known.
    assert row.pop("bytesOut") == len(client.handshake.answer.body)
    assert row.pop("buffered") == client.session.buffered_bytes > len("yes")
    assert row == {
        "id": client.sid[:6],
        "own": False,
        "transport": "polling",
        "revision": 4,
        "state": "open",
        "address": "192.0.2.1",
        "age": 3.0,
        "messagesIn": 1,
        "messagesOut": 0,
        "bytesIn": 6,
        "roundTrip": None,
    }


def test_the_time_of_a_heartbeat_is_told() -> None:
    server = Server.new(ping_interval=25.0)
    census = SessionList(server.engine)
    websocket = server.open_websocket()
    server.advance(25.0)
    server.advance(0.25)
    websocket.send("3")

    (row,) = report_of(census)["sessions"]

    assert row["roundTrip"] == pytest.approx(0.25)


def test_a_report_counts_all_sessions_and_never_tells_a_whole_id() -> None:
    server = Server.new()
    census = SessionList(server.engine)
    polling = server.open_polling()
    sids = [polling.sid, server.open_websocket().sid]
    polling.upgrade()

    report = report_of(census)

    assert report["total"] == 2
    assert report["transports"] == {"websocket": 2}
    assert (report["handshakes"], report["upgrades"]) == (2, 1)
    assert [sid for sid in sids if sid in json.dumps(report)] == []


def test_a_long_list_comes_in_pages() -> None:
    server = Server.new()
    census = SessionList(server.engine)
    ids = [server.open_polling().sid[:6] for _ in range(2 * PAGE_SIZE + 1)]

    reports = [report_of(census, Query(page=page)) for page in (1, 2, 3, 4)]

    pages = [[row["id"] for row in report["sessions"]] for report in reports]
    assert pages[:3] == [ids[:PAGE_SIZE], ids[PAGE_SIZE:-1], ids[-1:]]
    # There is no fourth one: it may have been there a moment ago.
    assert pages[3] == pages[2]
    assert [report["page"] for report in reports] == [1, 2, 3, 3]
    assert [report["start"] for report in reports] == [0, 100, 200, 200]
    assert {report["pages"] for report in reports} == {3}
    assert {report["total"] for report in reports} == {2 * PAGE_SIZE + 1}


def test_many_sessions_leave_others_their_turns() -> None:
    server = Server.new()
    census = SessionList(server.engine)
    for _ in range(2 * SLICE + 1):
        server.open_polling()
    reports: list[dict[str, Any]] = []

    done_at_each_turn: list[int] = []

    def bystander() -> None:
        done_at_each_turn.append(len(reports))
        if len(done_at_each_turn) < 4:
            server.clock.callLater(0, bystander)

    for _ in range(2):
        work = Deferred.fromCoroutine(census.report(Query()))
        work.addCallback(reports.append)
    server.clock.callLater(0, bystander)
    server.clock.advance(0)

    # One slice a turn; the second report begins with the turn that ends the first.
    assert done_at_each_turn == [0, 1, 1, 2]
    assert [report["total"] for report in reports] == [2 * SLICE + 1] * 2


def test_who_does_not_wait_for_a_report_holds_nobody_up() -> None:
    server = Server.new()
    census = SessionList(server.engine)
    for _ in range(SLICE + 1):
        server.open_polling()
    failures: list[Failure] = []
    first = Deferred.fromCoroutine(census.report(Query())).addErrback(failures.append)
    reports: list[dict[str, Any]] = []
    Deferred.fromCoroutine(census.report(Query())).addCallback(reports.append)

    first.cancel()
    server.clock.advance(0)

    assert [failure.type for failure in failures] == [CancelledError]
    assert [report["total"] for report in reports] == [SLICE + 1]


def test_sessions_that_end_meanwhile_are_not_listed() -> None:
    server = Server.new()
    census = SessionList(server.engine)
    clients = [server.open_polling() for _ in range(SLICE + 1)]
    reports: list[dict[str, Any]] = []
    Deferred.fromCoroutine(census.report(Query())).addCallback(reports.append)

    clients[0].session.close(discard=True)
    clients[-1].session.close(discard=True)
    server.clock.advance(0)

    (report,) = reports
    assert report["total"] == SLICE
    assert report["sessions"][0]["id"] == clients[1].sid[:6]


def test_a_handle_closes_its_session() -> None:
    server = Server.new()
    census = SessionList(server.engine)
    client, other = server.open_polling(), server.open_polling()
    poll = client.poll()
    handle = report_of(census)["sessions"][0]["handle"]
    assert report_of(census)["sessions"][0]["handle"] == handle

    assert census.close(handle)

    assert poll.answer.packets == ["1"]
    assert ended_with(client.protocol) is CloseReason.FORCED_CLOSE
    assert other.session.closed is None
    assert not census.close(handle)


def test_a_handle_is_forgotten_when_nobody_looks() -> None:
    server = Server.new(ping_interval=300.0, first_poll_timeout=None)
    census = SessionList(server.engine)
    _ = server.open_websocket().sid
    handle = report_of(census)["sessions"][0]["handle"]
    server.advance(HANDLE_LIFETIME)

    assert not census.close(handle)
    assert report_of(census)["sessions"][0]["handle"] != handle


def test_a_session_id_is_no_handle() -> None:
    server = Server.new()
    census = SessionList(server.engine)
    client = server.open_polling()
    report_of(census)

    assert not census.close(client.sid)
