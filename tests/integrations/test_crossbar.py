from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import Data
from typing_extensions import override

from tests.connection import Connection, Exchange, make_request
from tests.wiring import opening_headers
from txengineio.application import EngineIOProtocol
from txengineio.errors import InvalidOption
from txengineio.integrations.crossbar import (
    STOP_TIMEOUT,
    EngineIOResource,
    EngineIORootResource,
)
from txengineio.loading import NotLoadable

APP = "tests.integrations.test_crossbar:Echo"
ADDRESS = IPv4Address("TCP", "192.0.2.1", 50000)
HANDSHAKE = "?EIO=4&transport=polling"
WAMP = {"transports": "ws://127.0.0.1:8080/ws", "realm": "realm1"}


class Echo(EngineIOProtocol):
    @override
    def messageReceived(self, message: str | bytes) -> None:
        self.session.send(message)


def nobody(_request: object) -> bool:
    return False


class Worker:
    """A Crossbar worker as far as web services see it."""

    def __init__(self) -> None:
        self.reactor = MemoryReactorClock()
        self.connections: list[Connection] = []

    def make(self, extra: Any) -> EngineIOResource:
        return EngineIOResource(extra, reactor=self.reactor)

    def get(self, root: Resource, path: str) -> Exchange:
        """Send a request to a site with this root."""
        site = Site(root, timeout=None, reactor=self.reactor)
        connection = Connection(site, self.settle)
        self.connections.append(connection)
        return connection.request("GET", path)

    def settle(self) -> None:
        while sum(each.transport.settle() for each in self.connections):
            pass

    def run(self) -> None:
        """Call what waits for the reactor to run."""
        for function, arguments, more in self.reactor.whenRunningHooks:
            function(*arguments, **more)

    def stop(self) -> list[Deferred[None]]:
        """Fire what waits for the end of the process; return the results."""
        triggers = self.reactor.triggers.get("before", {}).get("shutdown", [])
        return [function(*arguments, **more) for function, arguments, more in triggers]


@pytest.fixture
def worker() -> Worker:
    return Worker()


def at_eio(resource: EngineIOResource) -> Resource:
    """Where Crossbar puts it."""
    root = Resource()
    root.putChild(b"eio", resource)
    return root


@pytest.mark.parametrize("key", ["app", "handler"])
def test_application_is_loaded_by_its_name(worker: Worker, key: str) -> None:
    resource = worker.make({key: APP})

    assert isinstance(resource.engine.application.buildProtocol(ADDRESS), Echo)


def test_engine_is_told_the_options(worker: Worker) -> None:
    # As JSON has them.
    extra = {"app": APP, "ping_interval": 5, "transports": ["polling"], "cors": True}

    options = worker.make(extra).engine.options

    assert options.ping_interval == 5
    assert options.transports == ("polling",)
    assert options.cors is not None


def test_callables_are_loaded_by_their_names(worker: Worker) -> None:
    extra = {"app": APP, "allow_request": "tests.integrations.test_crossbar:nobody"}

    assert worker.make(extra).engine.options.allow_request is nobody


def test_configuration_stays_as_it_is(worker: Worker) -> None:
    extra = {"app": APP, "ping_interval": 5, "wamp": dict(WAMP)}
    before = {**extra, "wamp": dict(WAMP)}

    worker.make(extra)

    assert extra == before


def test_requests_are_served(worker: Worker) -> None:
    resource = worker.make({"app": APP})

    exchange = worker.get(at_eio(resource), f"/eio/{HANDSHAKE}")

    assert exchange.answer.status == 200
    assert len(resource.engine.sessions) == 1


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        (None, "extra must be a mapping"),
        ("chat:Chat", "extra must be a mapping"),
        ([], "extra must be a mapping"),
        ({1: 2}, "extra must be a mapping"),
        ({}, "must be given once"),
        ({"app": APP, "handler": APP}, "must be given once"),
        ({"app": None}, r"app must be an EngineIOProtocol subclass"),
        ({"app": APP, "ping_intervall": 5}, "ping_intervall"),
        ({"app": APP, "ping_interval": "5"}, "ping_interval must be"),
        ({"app": APP, "path": "/eio/"}, "path"),
        ({"wamp": "realm1"}, "wamp must be a mapping"),
        ({"wamp": {**WAMP, "relam": "realm1"}}, r"must be one of .*realm.*'relam'"),
        ({"wamp": {"realm": "realm1"}}, r"wamp\.transports must be given"),
        ({"wamp": {"transports": WAMP["transports"]}}, r"wamp\.realm must be given"),
        ({"wamp": {**WAMP, "transports": "nowhere"}}, "wamp must be valid"),
        ({"wamp": {**WAMP, "transports": [{"typ": "x"}]}}, "'typ' is not a valid"),
        ({"wamp": {**WAMP, "prefix": "wamp"}}, "prefix must be a WAMP URI"),
        ({"wamp": {**WAMP, "queue_limit": 0}}, "queue_limit must be"),
    ],
)
def test_configuration_that_makes_no_sense_is_refused(
    worker: Worker, extra: Any, problem: str
) -> None:
    with pytest.raises(InvalidOption, match=problem):
        worker.make(extra)


@pytest.mark.parametrize(
    "extra",
    [
        {"app": "nowhere:Echo"},
        {"app": "builtins:str"},
        {"app": "Echo"},
        {"app": APP, "allow_request": "nowhere"},
        {"wamp": {**WAMP, "describe": "nowhere:describe"}},
    ],
)
def test_name_that_leads_nowhere_is_refused(worker: Worker, extra: Any) -> None:
    with pytest.raises(NotLoadable):
        worker.make(extra)


def test_nothing_is_asked_of_the_reactor_before_it_is_needed(worker: Worker) -> None:
    resource = at_eio(worker.make({"app": APP}))
    assert worker.stop() == []

    worker.get(resource, f"/eio/{HANDSHAKE}")
    worker.get(resource, f"/eio/{HANDSHAKE}")

    assert len(worker.stop()) == 1


def test_end_of_the_process_closes_the_sessions(worker: Worker) -> None:
    resource = worker.make({"app": APP})
    handshake = worker.get(at_eio(resource), f"/eio/{HANDSHAKE}")
    sid = json.loads(handshake.answer.body[1:])["sid"]
    poll = worker.get(at_eio(resource), f"/eio/{HANDSHAKE}&sid={sid}")

    (stopped,) = worker.stop()

    assert stopped.called
    assert stopped.result is None
    assert poll.answer.body
    assert dict(resource.engine.sessions) == {}


def test_end_of_the_process_waits_only_a_little_for_websockets(worker: Worker) -> None:
    resource = worker.make({"app": APP})
    connection = worker.get(at_eio(resource), f"/eio/{HANDSHAKE}").connection
    target = "/eio/?EIO=4&transport=websocket"
    connection.send(make_request("GET", target, None, opening_headers()))
    assert len(resource.engine.sessions) == 2

    (stopped,) = worker.stop()

    ends: list[None] = []
    stopped.addCallback(ends.append)
    assert ends == []
    worker.reactor.advance(STOP_TIMEOUT)
    assert ends == [None]
    assert connection.was_reset


def test_sessions_without_an_application_are_left_to_wamp(worker: Worker) -> None:
    resource = worker.make({"wamp": WAMP})

    protocol = resource.engine.application.buildProtocol(ADDRESS)

    assert type(protocol) is EngineIOProtocol


def test_bridge_connects_as_soon_as_the_worker_runs(worker: Worker) -> None:
    resource = worker.make({"wamp": WAMP})
    assert worker.stop() == []

    worker.run()
    worker.get(at_eio(resource), f"/eio/{HANDSHAKE}")

    (stopped,) = worker.stop()
    assert stopped.called


# --- at the root ----------------------------------------------------------------------


def test_root_serves_the_usual_path(worker: Worker) -> None:
    root = EngineIORootResource({"app": APP}, reactor=worker.reactor)

    assert worker.get(root, f"/engine.io/{HANDSHAKE}").answer.status == 200
    assert worker.get(root, f"/{HANDSHAKE}").answer.status == 404
    assert worker.get(root, f"/elsewhere/{HANDSHAKE}").answer.status == 404


def test_root_lets_others_live_beside_it(worker: Worker) -> None:
    root = EngineIORootResource({"app": APP}, reactor=worker.reactor)

    # As Crossbar does.
    root.putChild(b"about", Data(b"About us", "text/plain"))

    assert worker.get(root, "/about").answer.body == b"About us"
    assert worker.get(root, f"/engine.io/{HANDSHAKE}").answer.status == 200


@pytest.mark.parametrize("path", ["/socket/io", "/socket/io/"])
def test_root_serves_the_path_that_it_is_told(worker: Worker, path: str) -> None:
    extra = {"app": APP, "path": path}
    root = EngineIORootResource(extra, reactor=worker.reactor)

    assert worker.get(root, f"/socket/io/{HANDSHAKE}").answer.status == 200
    assert worker.get(root, f"/engine.io/{HANDSHAKE}").answer.status == 404


@pytest.mark.parametrize("path", ["engine.io", "/a b/", "/", "", 5, None])
def test_root_refuses_a_path_that_makes_no_sense(worker: Worker, path: Any) -> None:
    with pytest.raises(InvalidOption, match="path must be an absolute path"):
        EngineIORootResource({"app": APP, "path": path}, reactor=worker.reactor)
