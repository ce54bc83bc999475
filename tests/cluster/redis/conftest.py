"""A Redis in memory for each test."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from tests.cluster.redis.memory import MemoryRedis


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def redis(clock: Clock) -> MemoryRedis:
    redis = MemoryRedis(clock)
    redis.settle()
    return redis
