"""Sessions over a Unix socket."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.conftest import RequireProgram
from tests.interop.curl import Curl
from tests.interop.launch import Launch
from tests.interop.messages import ECHOES
from tests.interop.servers import (
    IS_REFERENCE,
    PYTHON_CLIENT,
    ServerProcess,
    run_client,
    running_server,
)

pytestmark = pytest.mark.socket

ENGINE = {"ping_interval": 300.0}
HANDSHAKE = "/engine.io/?EIO=4&transport=polling"
SCENARIOS = ["opening", "echoes", "ordered", "close_by_client", "close_by_server"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    path = tmp_path_factory.mktemp("unix") / "engine"
    with running_server(Launch(engine=ENGINE, unix=str(path))) as server:
        assert path.is_socket()
        yield server
    assert IS_REFERENCE or not path.exists()


def test_polling_with_curl(
    require_program: RequireProgram, server: ServerProcess
) -> None:
    assert server.launch.unix is not None
    program = require_program("curl", "curl")
    socket = ("--unix-socket", server.launch.unix)
    curl = Curl(program, "http://localhost", socket)
    opened = curl.request(HANDSHAKE)
    assert opened.status == 200
    session = f"{HANDSHAKE}&sid={json.loads(opened.body[1:])['sid']}"
    with curl.running((session,)) as poll:
        assert curl.request(session, "--data-binary", "4hello").body == "ok"
        assert [answer.body for answer in poll.answers()] == ["4hello"]


@pytest.mark.parametrize("mode", ["polling", "websocket", "upgrade"])
def test_python_client(server: ServerProcess, mode: str) -> None:
    results = run_client(
        PYTHON_CLIENT,
        client="asyncio",
        url="http://localhost",
        mode=mode,
        connection={"unix": server.launch.unix},
        names=SCENARIOS,
        echoes=ECHOES,
    )
    assert results["opening"]["transports"][-1] == results["opening"]["transport"]
    assert results["echoes"] == ECHOES
    assert results["ordered"]["echoed"] == [f"c{number}" for number in range(1000)]
    assert results["ordered"]["streamed"] == [f"s{number}" for number in range(1000)]
    assert results["close_by_client"]["server"] == "transport close"
    assert results["close_by_server"]["server"] == "forced close"
