"""Fixtures of the server's tests."""

from __future__ import annotations

from typing import Any, Protocol

import pytest

from tests.doubles import RecordingApplication
from tests.wiring import Server

__all__ = ["NewServer"]


class NewServer(Protocol):
    def __call__(
        self, application: RecordingApplication | None = None, **options: Any
    ) -> Server: ...


@pytest.fixture(params=[False, True], ids=["plain-site", "own-site"])
def new_server(request: pytest.FixtureRequest) -> NewServer:
    """Make a `Server`; once in an unmodified site, once in the package's own."""

    def new(application: RecordingApplication | None = None, **options: Any) -> Server:
        return Server.new(application, own_site=request.param, **options)

    return new


@pytest.fixture(params=[True, False], ids=["short-path", "long-path"])
def short_path(request: pytest.FixtureRequest) -> bool:
    """Whether simple frames go around Autobahn's parser; both must do the same."""
    return bool(request.param)
