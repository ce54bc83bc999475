"""Fixtures of the server's tests."""

from __future__ import annotations

from typing import Any, Protocol

import pytest

from tests.wiring import Server
from txengineio.testing import RecordingApplication

__all__ = ["NewServer"]


class NewServer(Protocol):
    def __call__(
        self, application: RecordingApplication | None = None, **options: Any
    ) -> Server: ...


@pytest.fixture(params=["plain-site", "own-site", "own-site-long-path"])
def new_server(request: pytest.FixtureRequest) -> NewServer:
    """Make a `Server`: in an unmodified site, in the package's own, which reads all
    requests with Twisted's parser then.
    """
    how = {
        "own_site": request.param != "plain-site",
        "short_path": request.param != "own-site-long-path",
    }

    def new(application: RecordingApplication | None = None, **options: Any) -> Server:
        return Server.new(application, **{**how, **options})

    return new


@pytest.fixture(params=[True, False], ids=["short-path", "long-path"])
def short_path(request: pytest.FixtureRequest) -> bool:
    """Whether simple frames go around Autobahn's parser, and whole requests Twisted's.

    Both must do the same.
    """
    return bool(request.param)
