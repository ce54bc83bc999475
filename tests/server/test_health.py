"""What load balancers are told."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.web.server import Site

from tests.cluster.nodes import make_nodes
from tests.connection import Connection, Response
from tests.wiring import Server
from txengineio import Engine, EngineIOProtocol, InvalidOption
from txengineio.server.health import HealthResource


def ask(server: Server) -> Response:
    site = Site(HealthResource(server.engine), reactor=server.clock)
    connection = Connection(site, server.settle)
    return connection.request("GET", "/healthz").answer


def test_a_server_that_takes_sessions_is_healthy() -> None:
    answer = ask(Server.new())

    assert (answer.status, answer.text) == (200, "ok\n")
    assert answer.header("Cache-Control") == "no-store"


def test_a_server_that_drains_is_not() -> None:
    server = Server.new()
    server.open_polling()
    server.engine.drain(5.0)

    answer = ask(server)

    assert (answer.status, answer.text) == (503, "draining\n")


def test_the_other_processes_are_told() -> None:
    nodes = make_nodes(3)
    for number, node in enumerate(nodes):
        node.joined.worker = str(number)
        node.restarts[:] = [0, 0, 0, 0]
        node.joined.start()
    nodes[2].server.engine.drain(0)
    nodes[2].server.clock.advance(1)

    answer = ask(nodes[0].server)

    assert (answer.status, answer.text) == (
        200,
        "ok\nworker 0: open\nworker 1: open\nworker 2: draining\nworker 3: missing\n",
    )
    assert ask(nodes[2].server).status == 503
    nodes[0].server.clock.advance(11)
    assert "worker 1: silent\n" in ask(nodes[0].server).text


@pytest.mark.parametrize("wrong", [Engine, EngineIOProtocol, None])
def test_what_is_no_engine_is_refused_at_once(wrong: Any) -> None:
    with pytest.raises(InvalidOption, match="engine must be an Engine, as Engine"):
        HealthResource(wrong)
