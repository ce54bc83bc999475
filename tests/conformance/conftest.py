"""Fixtures of the conformance tests."""

from __future__ import annotations

import pytest


@pytest.fixture(params=[3, 4], ids=["v3", "v4"])
def revision(request: pytest.FixtureRequest) -> int:
    """The protocol revision that the client of the test speaks."""
    number: int = request.param
    return number
