"""Fixtures of the tests that run programs which we did not write against the server."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.interop.servers import RUNNING

LOG_LINES = 60


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[
    None, pytest.TestReport, pytest.TestReport
]:
    """Show with a failed test what the servers have logged."""
    report = yield
    if report.failed:
        for server in RUNNING:
            log = "\n".join(server.log().splitlines()[-LOG_LINES:])
            report.sections.append((f"end of the log of {server.url}", log))
    return report
