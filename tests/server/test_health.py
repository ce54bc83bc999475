"""What load balancers are told."""

from __future__ import annotations

from twisted.web.server import Site

from tests.connection import Connection, Response
from tests.wiring import Server
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
