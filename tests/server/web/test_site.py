"""A site that serves an engine and nothing else."""

from __future__ import annotations

import pytest

from tests.wiring import Server
from txengineio.errors import InvalidOption
from txengineio.server.web.site import engine_site, path_segments


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/engine.io/", [b"engine.io"]),
        ("/engine.io", [b"engine.io"]),
        ("/a/b-c/d_e/", [b"a", b"b-c", b"d_e"]),
    ],
)
def test_path_segments_splits_a_path(path: str, segments: list[bytes]) -> None:
    assert path_segments(path) == segments


@pytest.mark.parametrize(
    "path",
    ["", "engine.io", "//", "/a//b", "/a//", "/a?b", "/a#b", "/a%20b", "/a b", "/ü/"],
)
def test_a_path_that_no_client_can_ask_for_is_refused(path: str) -> None:
    with pytest.raises(InvalidOption, match=r"path must be an absolute path such as"):
        path_segments(path)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/a/b/", 200),
        ("/a/b", 200),
        ("/a/b/c", 200),
        ("/", 501),
        ("/a", 501),
        ("/a/", 501),
        ("/a/bc/", 501),
        ("/A/B/", 501),
        ("/favicon.ico", 501),
        ("/x/y/z", 501),
    ],
)
def test_it_serves_the_engine_at_its_path_and_nothing_elsewhere(
    target: str, status: int
) -> None:
    server = Server.new()
    server.site = engine_site(server.engine, "/a/b/", reactor=server.clock)
    exchange = server.connect().request("GET", f"{target}?EIO=4&transport=polling")
    assert exchange.answer.status == status
    if status == 501:
        says = "Not Implemented: Engine.IO is served at /a/b/\n"
        assert exchange.answer.text == says
        assert exchange.answer.header("Content-Type") == "text/plain; charset=UTF-8"


def test_the_engine_may_have_the_whole_site() -> None:
    server = Server.new()
    server.site = engine_site(server.engine, "/", reactor=server.clock)
    for path in ("/", "/anything/"):
        server.path = path
        assert server.open_polling().sid
