"""Fixtures of the tests of sockets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.net.descriptors import Descriptors, Pair, watched


@pytest.fixture
def reactor() -> Descriptors:
    return Descriptors()


@pytest.fixture
def connections(reactor: Descriptors) -> Iterator[list[Pair]]:
    """Three connections that are watched."""
    with ExitStack() as stack:
        yield [stack.enter_context(watched(reactor)) for _ in range(3)]
