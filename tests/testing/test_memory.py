"""An engine and clients in memory: what is real, time, and the end."""

from __future__ import annotations

from typing import Any

import pytest
import treq.client
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.web.client import Agent
from twisted.web.resource import Resource
from twisted.web.server import Site

from tests.testing.applications import Chat
from txengineio import (
    ConnectCause,
    ConnectFailed,
    Engine,
    EngineIOClientService,
    EngineIOProtocol,
    EngineIOResource,
    HealthResource,
    InvalidOption,
    UnknownOption,
)
from txengineio.testing import (
    LeakedSessions,
    MemoryEngine,
    RecordingApplication,
    RecordingProtocol,
)


def test_a_newcomers_test() -> None:
    with MemoryEngine(Chat) as memory:
        alice, bob = memory.connect(), memory.connect()
        alice.send("hello")
        assert alice.messages == ["welcome", "hello"]
        assert bob.messages == ["welcome", "hello"]


def test_options_are_those_of_the_engine() -> None:
    with MemoryEngine(Chat, ping_interval=3, allow_upgrades=False) as memory:
        client = memory.connect()
        assert client.session.ping_interval == 3
        assert client.session.handshake.upgrades == ()
    with pytest.raises(UnknownOption, match="ping_intervall"):
        MemoryEngine(Chat, ping_intervall=3)  # type: ignore[call-arg]  # on purpose


@pytest.mark.parametrize(
    ("options", "transport"),
    [
        ({}, "websocket"),
        ({"upgrade": False}, "polling"),
        ({"transports": ["websocket"]}, "websocket"),
        ({"transports": ["polling"]}, "polling"),
    ],
)
def test_transports(options: dict[str, Any], transport: str) -> None:
    with MemoryEngine(Chat, allow_eio3=True) as memory:
        for revision in (3, 4):
            client = memory.connect(revision=revision, **options)
            assert client.session.transport.name == transport
            assert client.server_session.transport.name == transport
            assert client.server_session.protocol_revision == revision


def test_a_client_of_ones_own() -> None:
    class Bot(EngineIOProtocol):
        said = "hello"

    with MemoryEngine(Chat) as memory:
        client = memory.connect(Bot)
        assert client.protocol.said == "hello"
        assert isinstance(client.server_session.protocol, Chat)


def test_each_client_has_an_address() -> None:
    with MemoryEngine(Chat, max_sessions_per_address=1) as memory:
        first, second = memory.connect(), memory.connect()
        chosen = memory.connect(address="203.0.113.7")
        addresses = {
            client.server_session.remote_address for client in (first, second, chosen)
        }
        assert len(addresses) == 3
        assert "203.0.113.7" in addresses
        with pytest.raises(ConnectFailed):
            memory.connect(address="203.0.113.7")


def test_an_engine_that_is_there_in_a_site_that_is_there() -> None:
    clock = Clock()
    engine = Engine(Chat, reactor=clock)
    root = Resource()
    root.putChild(b"pipe", EngineIOResource(engine))
    root.putChild(b"health", HealthResource(engine))
    site = Site(root, reactor=clock)
    with MemoryEngine(engine, site=site, path="/pipe/") as memory:
        assert memory.engine is engine
        assert memory.clock is clock
        memory.connect().send("hello")
        agent = Agent.usingEndpointFactory(clock, memory.network)
        answered = treq.client.HTTPClient(agent).get("http://any.example/health")
        found: list[object] = []
        answered.addCallback(lambda answer: found.append(answer.code))
        memory.flush()
        assert found == [200]


def test_an_engine_in_another_time_is_refused_and_so_are_options_for_one() -> None:
    with pytest.raises(InvalidOption, match=r"the engine's reactor.*task\.Clock"):
        MemoryEngine(Engine(Chat))
    with pytest.raises(InvalidOption, match="the engine is there already"):
        MemoryEngine(Engine(Chat, reactor=Clock()), ping_interval=3)


def test_a_service_reconnects() -> None:
    application = RecordingApplication()
    with MemoryEngine(application) as memory:
        service = EngineIOClientService(
            "http://chat.example",
            RecordingProtocol,
            reactor=memory.clock,
            endpoints=memory.network,
            retry_policy=lambda failures: 5.0,
        )
        service.startService()
        memory.advance(1)
        for connection in memory.network.open_connections:
            connection.lose()
        memory.advance(10)
        assert len(application.built) == 2
        service.stopService()
        memory.flush()


# --- connecting that fails, or takes its time -----------------------------------------


def test_a_server_that_refuses() -> None:
    application = RecordingApplication()
    application.refuse = True
    with MemoryEngine(application) as memory:
        with pytest.raises(ConnectFailed) as caught:
            memory.connect()
        assert caught.value.cause is ConnectCause.FORBIDDEN
        client = memory.start_connecting()
        assert not client.is_connecting
        assert not client.has_session


def test_a_server_that_cannot_be_reached() -> None:
    with MemoryEngine(Chat) as memory:
        memory.network.error = ConnectionRefusedError("nobody listens")
        with pytest.raises(ConnectFailed):
            memory.connect()
        memory.network.error = None
        memory.network.stalls = True
        client = memory.start_connecting(open_timeout=3)
        assert client.is_connecting
        with pytest.raises(AssertionError, match="still connecting"):
            assert client.protocol
        memory.advance(3)
        with pytest.raises(ConnectFailed):
            assert client.protocol


def test_a_client_that_still_connects_is_cancelled_at_the_end() -> None:
    asked: Deferred[bool] = Deferred()
    with MemoryEngine(Chat, allow_request=lambda request: asked) as memory:
        client = memory.start_connecting()
        assert client.is_connecting
    assert not client.has_session


# --- time -----------------------------------------------------------------------------


def test_things_happen_in_the_order_in_which_they_are_due() -> None:
    with MemoryEngine(Chat) as memory:
        seen: list[float] = []
        for delay in (3.0, 1.0, 2.5):
            memory.clock.callLater(delay, lambda: seen.append(memory.clock.seconds()))
        memory.advance(10)
        assert seen == pytest.approx([1.0, 2.5, 3.0], abs=1e-3)
        assert memory.clock.seconds() == pytest.approx(10, abs=1e-3)


def test_what_is_due_now_happens_when_it_is_flushed() -> None:
    with MemoryEngine(Chat) as memory:
        seen: list[int] = []
        memory.clock.callLater(0, memory.clock.callLater, 0, seen.append, 1)
        memory.flush()
        assert seen == [1]


def test_heartbeats_keep_sessions_up() -> None:
    with MemoryEngine(Chat) as memory:
        clients = [memory.connect(), memory.connect(upgrade=False)]
        memory.advance(600)
        for client in clients:
            assert client.session.closed is None
            assert client.server_session.closed is None


# --- the end --------------------------------------------------------------------------


def test_all_is_closed_at_the_end() -> None:
    with MemoryEngine(Chat) as memory:
        client = memory.connect()
        closed_before = memory.connect()
        closed_before.close()
        assert closed_before.server_session.closed is not None
    assert client.session.closed is not None
    assert client.server_session.closed is not None
    assert not memory.engine.is_open


def test_a_test_that_fails_shows_its_own_failure() -> None:
    def fail() -> None:
        with MemoryEngine(Chat) as memory:
            memory.connect()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()


def test_calls_that_are_left_are_told() -> None:
    memory = MemoryEngine(Chat)
    call = memory.clock.callLater(100, print)
    with pytest.raises(AssertionError, match=r"calls are left on the clock:\n.*print"):
        memory.close()
    call.cancel()
    memory.close()


def test_a_session_that_goes_on_is_told() -> None:
    memory = MemoryEngine(Chat)
    client = memory.connect()
    with pytest.raises(LeakedSessions) as caught:
        memory.assert_nothing_left()
    assert caught.value.sessions == (client.server_session, client.session)
    memory.close()


def test_a_session_of_a_service_that_was_not_stopped_is_told() -> None:
    memory = MemoryEngine(Chat)
    service = EngineIOClientService(
        "http://chat.example",
        RecordingProtocol,
        reactor=memory.clock,
        endpoints=memory.network,
        retry_policy=lambda failures: 5.0,
    )
    service.startService()
    memory.advance(1)
    with pytest.raises(AssertionError, match="calls are left on the clock"):
        # Its session is over with the engine; the service wants another one.
        memory.close()
    service.stopService()
    memory.close()


def test_engines_do_not_answer_for_each_other() -> None:
    with MemoryEngine(Chat) as one, MemoryEngine(Chat) as other:
        client = other.connect()
        one.connect()
        one.close()
        assert client.session.closed is None
