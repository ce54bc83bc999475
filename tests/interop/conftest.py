"""Fixtures of the tests with programs that we did not write."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from tests.interop.client_peers import SERVERS, Peer, running_peer
from tests.interop.servers import RUNNING
from txengineio.cluster.broker import membership

LOG_LINES = 60


@pytest.fixture(scope="module", params=SERVERS)
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    """A server for our client."""
    if request.param.startswith("node"):
        request.getfixturevalue("node")
    with running_peer(request.param) as running:
        yield running


@pytest.fixture
def no_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nodes not wait for others, as Redis was not away when it is new."""
    monkeypatch.setattr(membership, "SETTLE_BEATS", 0)


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
