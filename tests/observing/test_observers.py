"""Who is told of each session that opens."""

from __future__ import annotations

import pytest

from tests.conftest import FlushLoggedErrors
from tests.testing.applications import Chat
from txengineio import AnySession
from txengineio.observing.observers import OBSERVERS, observe_sessions
from txengineio.testing import MemoryEngine, RecordingSession


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_sessions_of_both_sides_are_told_before_anything_is_sent(
    transport: str,
) -> None:
    told: list[AnySession] = []
    seen: list[tuple[bool, int]] = []

    def observe(session: AnySession) -> None:
        told.append(session)
        seen.append((session.protocol is None, len(session.write_buffer)))

    stop = observe_sessions(observe)
    try:
        with MemoryEngine(Chat) as memory:
            client = memory.connect(transports=[transport])
            sessions: list[AnySession] = [client.server_session, client.session]
            assert told == sessions
            assert seen == [(True, 0), (True, 0)]
            stop()
            stop()
            memory.connect()
            assert len(told) == 2
    finally:
        stop()
    assert observe not in OBSERVERS


def test_an_observer_that_fails_harms_nobody(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    def fail(session: AnySession) -> None:
        raise ZeroDivisionError

    stop = observe_sessions(fail)
    try:
        session = RecordingSession.of(Chat)
    finally:
        stop()
    assert session.sent == ["welcome"]
    assert len(flush_logged_errors(ZeroDivisionError)) == 1
