"""What people get to see of sessions, and how they close one."""

from __future__ import annotations

import json

import pytest

from tests.doubles import RecordingApplication, ended_with
from tests.wiring import Server
from txengineio.errors import CloseReason
from txengineio.integrations.inspector.session_list import (
    HANDLE_LIFETIME,
    MAX_ROWS,
    SessionList,
)


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

    (row,) = census.report()["sessions"]

    assert row.pop("handle") != client.sid
    # The body of the answer: it has the id, the length of which is known.
    assert row.pop("bytesOut") == len(client.handshake.answer.body)
    assert row.pop("buffered") == client.session.buffered_bytes > len("yes")
    assert row == {
        "id": client.sid[:6],
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

    (row,) = census.report()["sessions"]

    assert row["roundTrip"] == pytest.approx(0.25)


def test_a_report_counts_all_sessions_and_never_tells_a_whole_id() -> None:
    server = Server.new()
    census = SessionList(server.engine)
    polling = server.open_polling()
    sids = [polling.sid, server.open_websocket().sid]
    polling.upgrade()

    report = census.report()

    assert report["total"] == 2
    assert report["transports"] == {"websocket": 2}
    assert (report["handshakes"], report["upgrades"]) == (2, 1)
    assert [sid for sid in sids if sid in json.dumps(report)] == []


def test_a_long_list_is_cut() -> None:
    server = Server.new()
    census = SessionList(server.engine)
    for _ in range(MAX_ROWS + 1):
        server.open_polling()

    report = census.report()

    assert report["total"] == MAX_ROWS + 1
    assert len(report["sessions"]) == MAX_ROWS


def test_a_handle_closes_its_session() -> None:
    server = Server.new()
    census = SessionList(server.engine)
    client, other = server.open_polling(), server.open_polling()
    poll = client.poll()
    handle = census.report()["sessions"][0]["handle"]
    assert census.report()["sessions"][0]["handle"] == handle

    assert census.close(handle)

    assert poll.answer.packets == ["1"]
    assert ended_with(client.protocol) is CloseReason.FORCED_CLOSE
    assert other.session.closed is None
    assert not census.close(handle)


def test_a_handle_is_forgotten_when_nobody_looks() -> None:
    server = Server.new(ping_interval=300.0, first_poll_timeout=None)
    census = SessionList(server.engine)
    _ = server.open_websocket().sid
    handle = census.report()["sessions"][0]["handle"]
    server.advance(HANDLE_LIFETIME)

    assert not census.close(handle)
    assert census.report()["sessions"][0]["handle"] != handle


def test_a_session_id_is_no_handle() -> None:
    server = Server.new()
    census = SessionList(server.engine)
    client = server.open_polling()
    census.report()

    assert not census.close(client.sid)
