"""The kit for test cases of trial and of unittest."""

from __future__ import annotations

from typing import Any, Protocol

from typing_extensions import Unpack

from txengineio.application import Application
from txengineio.server.engine import Engine
from txengineio.server.options.engine import EngineArguments
from txengineio.testing.leaks import SessionWatch
from txengineio.testing.memory import MemoryEngine

__all__ = ["SessionTestMixin"]


class _TestCase(Protocol):
    def addCleanup(self, function: Any, /, *args: Any, **kwargs: Any) -> Any: ...  # noqa: N802


class SessionTestMixin:
    """Fails a test that leaves a session open, and says which.

    It stands before the test case among the bases: ``class ChatTest(SessionTestMixin,
    TestCase)``. A ``setUp`` of one's own calls this one first: then the check comes
    after everything that was added by ``addCleanup``.
    """

    def setUp(self: Any) -> None:  # noqa: N802
        """Begin to watch."""
        super().setUp()  # type: ignore[misc]
        watch = SessionWatch()
        watch.start()
        self.addCleanup(watch.check)
        self.addCleanup(watch.stop)

    def memory_engine(
        self: _TestCase,
        application: Application | Engine,
        **options: Unpack[EngineArguments],
    ) -> MemoryEngine:
        """Return a `MemoryEngine`, which is closed after the test."""
        memory = MemoryEngine(application, **options)
        self.addCleanup(memory.close)
        return memory
