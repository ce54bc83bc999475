"""Clients that do not read what they are sent, on both transports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.doubles import ended_with, has_fired
from tests.server.conftest import NewServer
from tests.wiring import Server
from txengineio.errors import CloseReason, TransportError
from txengineio.testing import RecordingApplication, RecordingProtocol

LARGE = b"x" * 100_000


def send(protocol: RecordingProtocol, size: str | bytes) -> None:
    """Send a message of the size that the client asks for."""
    protocol.session.send(b"x" * int(size))


@pytest.fixture
def websocket_server(short_path: bool) -> Any:
    def new(**options: Any) -> Server:
        application = RecordingApplication(on_message=send)
        return Server.new(application, short_path=short_path, **options)

    return new


def test_a_websocket_that_is_not_read_is_not_writable(websocket_server: Any) -> None:
    server: Server = websocket_server()
    websocket = server.open_websocket()
    session = server.session(websocket.sid)
    websocket.connection.transport.stop_reading()
    session.send(LARGE)
    assert not session.writable
    assert session.buffered_bytes >= len(LARGE)
    assert not session.send("lost", volatile=True)
    drained = session.when_drained()
    assert not has_fired(drained)
    websocket.connection.transport.start_reading()
    assert has_fired(drained)
    assert session.buffered_bytes == 0
    assert websocket.packets() == [LARGE]


def test_a_websocket_that_is_never_read_ends(websocket_server: Any) -> None:
    server: Server = websocket_server(max_buffered_bytes=1_000_000)
    websocket = server.open_websocket()
    session = server.session(websocket.sid)
    websocket.connection.transport.stop_reading()
    sent = 0
    while session.send(LARGE):
        sent += 1
    assert sent == 9
    assert ended_with(server.application.only) is CloseReason.BUFFER_OVERFLOW
    # It does not read the close frame either.
    server.advance(6)
    assert websocket.connection.was_reset
    server.assert_nothing_left()


def test_a_client_that_asks_for_more_than_it_reads_ends(websocket_server: Any) -> None:
    server: Server = websocket_server(max_buffered_bytes=1_000_000)
    websocket = server.open_websocket()
    websocket.connection.transport.stop_reading()
    for _ in range(3):
        websocket.send(*["4100000"] * 5)
    assert ended_with(server.application.only) is CloseReason.BUFFER_OVERFLOW


@pytest.mark.parametrize("method", ["poll", "post"])
def test_polling_keeps_no_more_than_the_limit(
    new_server: NewServer, method: str
) -> None:
    application = RecordingApplication(on_message=send)
    server = new_server(application, max_buffered_bytes=1_000_000)
    client = server.open_polling()
    if method == "post":
        assert client.post(*["4100000"] * 20).answer.status == 200
    else:
        while client.session.send(LARGE):
            pass
    assert ended_with(client.protocol) is CloseReason.BUFFER_OVERFLOW
    assert client.poll().answer.status == 400
    server.assert_nothing_left()


def test_a_poll_is_writable_again_when_it_takes_what_waits(
    new_server: NewServer,
) -> None:
    server = new_server()
    client = server.open_polling()
    client.session.send(LARGE)
    drained = client.session.when_drained()
    assert not has_fired(drained)
    assert client.poll().answer.status == 200
    assert has_fired(drained)


def test_answers_that_are_not_read_do_not_pile_up(new_server: NewServer) -> None:
    server = new_server()
    client = server.open_polling()
    poll = client.poll()
    poll.connection.transport.stop_reading()
    client.session.send(LARGE)
    client.session.send(LARGE)
    assert not client.session.writable
    assert client.session.buffered_bytes > 2 * len(LARGE)
    # Somebody who asks again has read the last answer, or never will.
    assert client.poll().answer.status == 400
    assert ended_with(client.protocol) is CloseReason.TRANSPORT_ERROR
    (failure,) = client.protocol.lost
    problem = failure.value.description  # type: ignore[union-attr]
    assert isinstance(problem, TransportError)
    assert problem.message == "poll before the last answer was read"


def test_a_connection_of_a_proxy_is_congested_for_one_client_at_a_time(
    short_path: bool,
) -> None:
    server = Server.new(own_site=True, short_path=short_path)
    one, two = server.open_polling(), server.open_polling()
    connection = server.connect()
    connection.transport.stop_reading()
    poll = connection.request("GET", server.target(sid=one.sid))
    one.session.send(LARGE)
    connection.transport.start_reading()
    assert poll.answer.status == 200
    # The same connection is used for somebody else, who is slow.
    connection.transport.stop_reading()
    connection.request("GET", server.target(sid=two.sid))
    two.session.send(LARGE)
    assert one.poll().is_pending
    assert two.poll().answer.status == 400


def test_a_long_answer_that_is_read_late_costs_nothing(new_server: NewServer) -> None:
    server = new_server()
    client = server.open_polling()
    poll = client.poll()
    poll.connection.transport.stop_reading()
    flushed: list[object] = []
    client.session.send(LARGE, on_flushed=flushed.append)
    poll.connection.transport.start_reading()
    assert poll.answer.status == 200
    assert not flushed
    second = client.poll()
    assert len(flushed) == 1
    assert second.is_pending
    assert client.session.writable


def test_an_upgrade_forgets_what_became_of_the_last_answer(
    new_server: NewServer,
) -> None:
    server = new_server()
    client = server.open_polling()
    poll = client.poll()
    poll.connection.transport.stop_reading()
    client.session.send(LARGE)
    client.upgrade()
    assert client.is_upgraded()
    assert client.session.writable
    assert client.session.buffered_bytes == 0


@pytest.mark.socket
@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_200_megabytes_for_a_client_that_reads_nothing(transport: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.server.slow_reader", transport],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    result = json.loads(run.stdout)
    assert result["reason"] == "buffer overflow"
    # A limit of 16 MiB, and what the process needs to find that out.
    assert result["growth"] < 24 * 1024 * 1024, result
    # An application that heeds what it is told has no trouble at all.
    assert result["heeding"]["reason"] is None
    assert result["heeding"]["growth"] < 4 * 1024 * 1024, result
