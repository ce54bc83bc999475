"""Fixtures of all tests. pytest-twisted loads itself."""

from __future__ import annotations

import gc
import os
import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn, Protocol

import pytest
from hypothesis import HealthCheck, settings
from twisted.logger import ILogObserver, LogEvent, globalLogBeginner
from twisted.python.failure import Failure
from zope.interface import implementer

pytest_plugins = ["tests.behaviours", "tests.calling", "tests.examples"]

PEERS = Path(__file__).parent / "interop"

# How long an example takes says only how busy the machine is.
settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")

_logged: list[Failure] = []


@implementer(ILogObserver)
class RememberFailures:
    def __call__(self, event: LogEvent) -> None:
        failure = event.get("log_failure")
        if failure is not None:
            _logged.append(failure)


def pytest_configure() -> None:
    # Without this, Twisted keeps all events, and what they refer to, for an observer
    # that may still come.
    globalLogBeginner.beginLoggingTo(
        [RememberFailures()], discardBuffer=True, redirectStandardIO=False
    )


class FlushLoggedErrors(Protocol):
    def __call__(self, *types: type[BaseException]) -> list[Failure]: ...


def _flush_logged_errors(*types: type[BaseException]) -> list[Failure]:
    # A Deferred that failed unhandled says so when it is collected.
    gc.collect()
    flushed = [failure for failure in _logged if not types or failure.check(*types)]
    _logged[:] = [failure for failure in _logged if failure not in flushed]
    return flushed


@pytest.fixture(autouse=True)
def flush_logged_errors() -> Iterator[FlushLoggedErrors]:
    """Fail a test that leaves a logged failure behind, as trial does.

    A test that expects some calls the fixture: it returns and forgets the failures that
    were logged so far, those of the given types or all.
    """
    yield _flush_logged_errors
    left = _flush_logged_errors()
    # What is still here, most of it pytest's own, stays. Out of the collector's sight,
    # it does not make the collection after each test slower and slower.
    gc.freeze()
    if left:
        tracebacks = "\n".join(failure.getTraceback() for failure in left)
        pytest.fail(f"logged and not flushed:\n{tracebacks}", pytrace=False)


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test on a developer's machine, fail it where nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


class RequireProgram(Protocol):
    def __call__(self, name: str, hint: str) -> str: ...


@pytest.fixture(scope="session")
def require_program() -> RequireProgram:
    """Return the path of a program; without it skip, or fail when CI is "true".

    The hint says what to install.
    """

    def require(name: str, hint: str) -> str:
        # Some programs come by pip, beside this Python; Debian keeps servers where
        # ordinary users do not look.
        usual = os.environ.get("PATH", os.defpath)
        places = os.pathsep.join((usual, sysconfig.get_path("scripts"), "/usr/sbin"))
        path = shutil.which(name, path=places)
        if path is None:
            skip_or_fail(f"{name} was not found: install {hint}")
        return path

    return require


@pytest.fixture(scope="session")
def node(require_program: RequireProgram) -> str:
    """The path of Node.js; the npm packages of tests/interop are installed."""
    path = require_program("node", "Node.js 20 or newer with npm")
    if not (PEERS / "node_modules" / ".package-lock.json").exists():
        skip_or_fail("the JavaScript peers are missing: run npm ci in tests/interop")
    return path
