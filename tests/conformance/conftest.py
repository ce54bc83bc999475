"""Fixtures of the conformance tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.memory import Server


@pytest.fixture(params=[3, 4], ids=["v3", "v4"])
def revision(request: pytest.FixtureRequest) -> int:
    """The protocol revision that the client of the test speaks."""
    number: int = request.param
    return number


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test in memory with the engine's own site and with an ordinary one."""
    in_memory = metafunc.definition.get_closest_marker("socket") is None
    if in_memory and "plain_site" not in metafunc.fixturenames:
        ids = ["own site", "plain site"]
        metafunc.parametrize("_site", [False, True], indirect=True, ids=ids)


@pytest.fixture(autouse=True)
def _site(request: pytest.FixtureRequest) -> Iterator[None]:
    Server.plain_by_default = getattr(request, "param", False)
    yield
    Server.plain_by_default = False
