"""Socket.IO servers by their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from txengineio.integrations.socketio.loading import load_server
from txengineio.loading import NotLoadable

PROGRAM = """
import socketio
from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.task import Clock
from txengineio.socketio import AsyncServer, Server, ThreadedServer

class OnAsyncio(AsyncioSelectorReactor):
    def __init__(self):
        pass

def seconds(): return 0.0

clock = Clock()
plain = Server(reactor=clock, ping_interval=7.0, ping_timeout=3.0)
threaded = ThreadedServer(reactor=clock)
on_asyncio = AsyncServer(reactor=OnAsyncio())
elsewhere = AsyncServer(reactor=clock)
upstreams = socketio.Server()
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"served_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(PROGRAM, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


@pytest.mark.parametrize("name", ["plain", "threaded", "on_asyncio"])
def test_each_kind_of_server_is_loaded(program: str, name: str) -> None:
    server = load_server(f"{program}:{name}", {})
    assert server.engine.options.max_http_buffer_size == 1_000_000


def test_options_come_before_those_that_it_was_made_with(program: str) -> None:
    given: dict[str, Any] = {"ping_interval": 1.0, "cookie": {"name": "io"}}
    options = load_server(f"{program}:plain", given).engine.options
    assert (options.ping_interval, options.ping_timeout) == (1.0, 3.0)
    assert options.cookie is not None
    assert options.cookie.name == "io"


def test_options_that_come_too_late_are_told_of(program: str) -> None:
    load_server(f"{program}:plain", {})
    # What changes nothing is not missed.
    load_server(f"{program}:plain", {"ping_interval": 7.0})
    with pytest.raises(NotLoadable, match=r":plain was made before .* ping_interval"):
        load_server(f"{program}:plain", {"ping_interval": 1.0})


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("upstreams", "must be a Server, ThreadedServer or AsyncServer of txengineio"),
        ("clock", "not <twisted.internet.task.Clock"),
        ("nobody", "has no 'nobody'"),
        (
            "elsewhere",
            "AsyncServer, which the reactor Clock cannot run: use twistd",
        ),
    ],
)
def test_what_cannot_be_served_is_refused(
    program: str, name: str, problem: str
) -> None:
    with pytest.raises(NotLoadable, match=problem):
        load_server(f"{program}:{name}", {})
