"""Fixtures: ``pytest_plugins = ["txengineio.testing.pytest_plugin"]`` in a conftest.

===================  =================================================================
``leaked_sessions``  fails each test that leaves a session open, without being asked for
``memory_engine``    makes a `MemoryEngine`, which is closed after the test
===================  =================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import pytest
from typing_extensions import Unpack

from txengineio.application import Application
from txengineio.server.engine import Engine
from txengineio.server.options.engine import EngineArguments
from txengineio.testing.leaks import LeakedSessions, SessionWatch
from txengineio.testing.memory import MemoryEngine

__all__ = ["MakeMemoryEngine", "leaked_sessions", "memory_engine"]


class MakeMemoryEngine(Protocol):
    """What the fixture ``memory_engine`` is."""

    def __call__(
        self, application: Application | Engine, **options: Unpack[EngineArguments]
    ) -> MemoryEngine:
        """Return a `MemoryEngine`, which is closed after the test."""


@pytest.fixture(autouse=True)
def leaked_sessions() -> Iterator[SessionWatch]:
    """Fail a test that leaves open a session which was opened in it, and say which.

    Sessions of fixtures for a whole module or run do not count: they were opened
    before.
    """
    watch = SessionWatch()
    watch.start()
    yield watch
    watch.stop()
    if watch.open:
        pytest.fail(str(LeakedSessions(watch.open)), pytrace=False)


@pytest.fixture
def memory_engine(leaked_sessions: SessionWatch) -> Iterator[MakeMemoryEngine]:
    """Return a function that makes a `MemoryEngine`, which is closed after the test."""
    made: list[MemoryEngine] = []

    def make(
        application: Application | Engine, **options: Unpack[EngineArguments]
    ) -> MemoryEngine:
        made.append(MemoryEngine(application, **options))
        return made[-1]

    yield make
    for memory in made:
        memory.close()
