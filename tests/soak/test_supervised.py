"""What the log of a supervisor tells the soak about its workers."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.soak.history import Event
from tests.soak.supervised import SupervisedServer


@pytest.fixture
def server(tmp_path: Path) -> SupervisedServer:
    made = SupervisedServer(2, 3.0, tmp_path)
    for slot, pid in ((0, 10), (1, 11)):
        is_ready(made, slot, pid)
    return made


def log(server: SupervisedServer, text: str) -> None:
    server._take(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S%z} [a.b#info] {text}")


def is_ready(server: SupervisedServer, slot: int, pid: int) -> None:
    log(server, f"worker w{slot} (pid {pid}) is ready: node w{slot}{chr(87 + pid)}")


def ends(server: SupervisedServer, slot: int, pid: int) -> None:
    log(server, f"worker w{slot} (pid {pid}) ended: SIGKILL")


def test_a_worker_that_is_killed_has_told_nobody(server: SupervisedServer) -> None:
    before = time.monotonic()
    ends(server, 0, 10)
    fate = server.fates["w0a"]
    assert fate.event is Event.KILLED
    assert not fate.has_left
    assert fate.dead >= before


def test_a_roll_excuses_those_who_have_begun_to_leave(
    server: SupervisedServer,
) -> None:
    is_ready(server, 0, 12)
    before = time.monotonic()
    log(server, "[w0] Handing over to node w0c, with 3 sessions open")
    # The one that leaves is killed, and one to whom it had not come.
    ends(server, 0, 10)
    ends(server, 1, 11)
    leaving, other = server.fates["w0a"], server.fates["w1b"]
    assert (leaving.event, leaving.has_left) == (Event.KILLED, True)
    # The log tells whole seconds.
    assert before - 1.1 <= leaving.since <= time.monotonic()
    assert (other.event, other.has_left) == (Event.KILLED, False)


def test_the_log_may_tell_late_that_a_worker_was_leaving(
    server: SupervisedServer,
) -> None:
    is_ready(server, 0, 12)
    ends(server, 0, 10)
    since = server.fates["w0a"].since
    log(server, "[w0] Handing over to node w0c, with 3 sessions open")
    fate = server.fates["w0a"]
    assert fate.has_left
    assert fate.since <= since


def test_a_worker_that_leaves_ends_no_session_before(server: SupervisedServer) -> None:
    is_ready(server, 0, 12)
    before = time.monotonic()
    log(server, "[w0] Handing over to node w0c, with 3 sessions open")
    log(server, "worker w0 (pid 10) has left")
    fate = server.fates["w0a"]
    assert (fate.event, fate.has_left) == (Event.RETIRED, True)
    assert fate.since >= before - 1.1


def test_it_is_known_when_nobody_served(server: SupervisedServer) -> None:
    ends(server, 0, 10)
    assert server.outages == []
    ends(server, 1, 11)
    begun = time.monotonic()
    is_ready(server, 0, 12)
    [(since, until)] = server.outages
    assert since <= begun <= until
