"""A router of WAMP in memory for each test."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from tests.cluster.wamp.router import MemoryRouter


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def router(clock: Clock) -> MemoryRouter:
    return MemoryRouter(clock)
