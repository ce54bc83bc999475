"""What tests with a Crossbar.io node have in common."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import skip_or_fail
from tests.interop.crossbar.node import ENVIRONMENT
from tests.ports import reserved_port


@pytest.fixture(scope="session", autouse=True)
def _crossbar() -> None:
    if not (ENVIRONMENT / ".installed").exists():
        skip_or_fail("Crossbar.io is missing: run make crossbar")


@pytest.fixture
def port() -> Iterator[int]:
    """A port for a node of the test's own."""
    with reserved_port() as port:
        yield port
