"""Sessions that were not closed: which, in whose words, and who is told."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
from pathlib import Path
from unittest import TestCase
from unittest import TestResult as Result

import pytest
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from tests.testing.applications import Chat
from txengineio import AnySession
from txengineio.observing.observers import OBSERVERS
from txengineio.testing import (
    LeakedSessions,
    MemoryEngine,
    RecordingClientSession,
    RecordingProtocol,
    RecordingSession,
    SessionTestMixin,
    SessionWatch,
)


def test_which_sessions_are_open() -> None:
    watch = SessionWatch()
    with MemoryEngine(Chat) as memory:
        memory.connect()
        watch.start()
        watch.start()
        seen, closed = memory.connect(), memory.connect()
        watch.stop()
        watch.stop()
        memory.connect()
        closed.close()
        sessions: list[AnySession] = [seen.server_session, seen.session]
        assert watch.open == sessions
        with pytest.raises(LeakedSessions) as caught:
            watch.check()
        assert caught.value.sessions == (seen.server_session, seen.session)
    watch.check()
    assert watch.open == []


def test_what_is_said_of_them() -> None:
    with MemoryEngine(Chat) as memory:
        client = memory.connect(address="203.0.113.7")
        slow = memory.connect(upgrade=False)
        slow.stop_reading()
        slow.server_session.send("1")
        slow.server_session.send("2")
        slow.session.close()
        sid = client.session.id
        text = str(
            LeakedSessions([client.server_session, client.session, slow.server_session])
        )
        lines = text.splitlines()
        assert lines[0] == "3 sessions were not closed:"
        assert lines[1] == (
            f"  server session {sid[:6]}…, of Chat, on websocket, open, "
            "with 203.0.113.7"
        )
        assert lines[2] == (
            f"  client session {sid[:6]}…, of RecordingProtocol, on websocket, open, "
            "with server.example"
        )
        assert "on polling, open, with" in lines[3]
        assert lines[3].endswith("bytes wait")
        assert lines[4].startswith("Close clients first")
        # An id is a credential.
        assert sid not in text


def test_sessions_that_only_record_are_none() -> None:
    watch = SessionWatch()
    watch.start()
    RecordingSession.of(Chat)
    RecordingClientSession.of(RecordingProtocol)
    watch.stop()
    watch.check()


def test_a_watch_that_is_forgotten_ends_with_its_last_reference() -> None:
    before = len(OBSERVERS)
    watch = SessionWatch()
    watch.start()
    assert len(OBSERVERS) == before + 1
    del watch
    gc.collect()
    assert len(OBSERVERS) == before


# --- trial and unittest ---------------------------------------------------------------


class Leaky:
    closes = False

    def test(self) -> None:
        self.memory = MemoryEngine(Chat)
        self.memory.connect()
        if self.closes:
            self.memory.close()


class LeakyUnderUnittest(Leaky, SessionTestMixin, TestCase): ...


class LeakyUnderTrial(Leaky, SessionTestMixin, SynchronousTestCase): ...


class WithItsOwnSetUp(Leaky, SessionTestMixin, TestCase):
    @override
    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(self.close)

    def close(self) -> None:
        self.memory.close()


class WithAnEngineThatIsClosed(SessionTestMixin, SynchronousTestCase):
    def test(self) -> None:
        memory = self.memory_engine(Chat)
        client = memory.connect()
        client.send("hello")
        assert client.messages == ["welcome", "hello"]


# Not to be collected.
LEAKY = [LeakyUnderUnittest, LeakyUnderTrial]
CLEAN = [WithItsOwnSetUp, WithAnEngineThatIsClosed]
del LeakyUnderUnittest, LeakyUnderTrial, WithItsOwnSetUp, WithAnEngineThatIsClosed


@pytest.mark.parametrize("case", LEAKY)
def test_a_test_case_that_leaks_fails(case: type[TestCase]) -> None:
    result = Result()
    case("test").run(result)
    problems = [*result.failures, *result.errors]
    assert len(problems) == 1
    assert "2 sessions were not closed:\n  server session" in problems[0][1]


@pytest.mark.parametrize("case", [*LEAKY, *CLEAN])
def test_a_test_case_that_closes_passes(case: type[TestCase]) -> None:
    test = case("test")
    if isinstance(test, Leaky):
        test.closes = True
    result = Result()
    test.run(result)
    assert result.testsRun == 1
    assert result.wasSuccessful(), [*result.failures, *result.errors]


# --- pytest ---------------------------------------------------------------------------

PROGRAM = """
import pytest
from tests.testing.applications import Chat
from txengineio.testing import MemoryEngine

kept = []

@pytest.fixture(scope="module")
def shared():
    with MemoryEngine(Chat) as memory:
        memory.connect()
        yield memory

def test_leaks():
    kept.append(MemoryEngine(Chat))
    kept[0].connect()

def test_closes(memory_engine):
    assert memory_engine(Chat, ping_interval=3).connect().messages == ["welcome"]

def test_shares(shared):
    assert len(shared.engine.sessions) == 1

def test_does_not_leak():
    with MemoryEngine(Chat) as memory:
        memory.connect()

def test_leaves_a_call(memory_engine):
    memory_engine(Chat).clock.callLater(1, print)
"""


def test_the_plugin_of_pytest(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(PROGRAM, "utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v"]
    command += ["-p", "txengineio.testing.pytest_plugin", "--rootdir", str(tmp_path)]
    run = subprocess.run(
        [*command, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    # What our dependencies still use may be warned of.
    assert re.search(r"= 5 passed(, \d+ warnings?)?, 2 errors", run.stdout)
    leak = run.stdout.partition("ERROR at teardown of test_leaks")[2]
    assert "2 sessions were not closed:\n  server session" in leak
    left = run.stdout.partition("ERROR at teardown of test_leaves_a_call")[2]
    assert "calls are left on the clock" in left


def test_the_kit_needs_no_pytest() -> None:
    program = "import sys, txengineio.testing; print('pytest' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == "False\n"
