"""The servers: one reads frames on its short path, one lets Autobahn read them all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.launch import Launch
from tests.interop.servers import running_server

MEGABYTE = 1 << 20
BIG = {
    "max_http_buffer_size": 16 * MEGABYTE,
    "max_buffered_bytes": 64 * MEGABYTE,
    "per_message_deflate": {"threshold": 0},
    "ping_interval": 300.0,
}
SMALL = {
    "max_http_buffer_size": 1000,
    "max_message_fragments": 50,
    "per_message_deflate": {"threshold": 0},
    "ping_interval": 300.0,
}


@pytest.fixture(scope="package", params=[True, False], ids=["short", "long"])
def short_path(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="package")
def port(short_path: bool) -> Iterator[int]:
    """A server that takes messages of up to 16 MB."""
    with running_server(Launch(engine=BIG, short_path=short_path)) as server:
        assert server.port is not None
        yield server.port


@pytest.fixture(scope="package")
def small_port(short_path: bool) -> Iterator[int]:
    """A server that takes messages of up to 1000 bytes, in up to 50 frames."""
    with running_server(Launch(engine=SMALL, short_path=short_path)) as server:
        assert server.port is not None
        yield server.port
