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
    """Run each test in memory with the engine's own site, with an ordinary one, and
    with the one of a node that forwards all requests to the engine's.
    """
    in_memory = metafunc.definition.get_closest_marker("socket") is None
    if in_memory and "plain_site" not in metafunc.fixturenames:
        sites = ["own site", "plain site", "forwarded"]
        if metafunc.definition.get_closest_marker("not_forwarded"):
            sites.pop()
        metafunc.parametrize("_site", sites, indirect=True)


@pytest.fixture(autouse=True)
def _site(request: pytest.FixtureRequest) -> Iterator[None]:
    site = getattr(request, "param", "own site")
    Server.plain_by_default = site == "plain site"
    Server.is_forwarded = site == "forwarded"
    yield
    Server.plain_by_default = Server.is_forwarded = False
