"""The service of an engine, as ``.tac`` files and plugins have it."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.application.service import Application, IService
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IProtocolFactory, IStreamServerEndpoint
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs, formatEvent
from twisted.web.static import Data
from zope.interface import implementer

from tests.conftest import FlushLoggedErrors
from tests.connection import Connection
from tests.doubles import has_fired
from txengineio import Engine, EngineIOProtocol, InvalidOption, JoinFailed
from txengineio.inspector import InspectorResource
from txengineio.service import EngineIOService
from txengineio.testing.recording import RecordingApplication


class Port:
    closed = 0

    def getHost(self) -> str:
        return "here"

    def stopListening(self) -> None:
        self.closed += 1


@implementer(IStreamServerEndpoint)
class SomeEndpoint:
    def __init__(self, listening: Deferred[Any]) -> None:
        self.listening = listening

    def listen(self, protocolFactory: IProtocolFactory) -> Any:
        return self.listening


@pytest.fixture
def reactor() -> MemoryReactorClock:
    return MemoryReactorClock()


@pytest.fixture
def engine(reactor: MemoryReactorClock) -> Engine:
    return Engine(RecordingApplication(), reactor=reactor)


class Joins:
    """A cluster that takes its time."""

    def __init__(self) -> None:
        self.joining: Deferred[None] = Deferred()
        self.told: list[str] = []

    def attach(self, engine: Engine) -> None:
        engine.joins = self

    def join(self) -> Deferred[None]:
        self.told.append("join")
        return self.joining

    def leave(self) -> Deferred[None]:
        self.told.append("leave")
        return succeed(None)


@pytest.fixture
def joins(engine: Engine) -> Joins:
    joins = Joins()
    joins.attach(engine)
    return joins


def test_it_listens_when_its_engine_is_one_of_the_cluster(
    engine: Engine, reactor: MemoryReactorClock, joins: Joins
) -> None:
    service = EngineIOService(engine, "tcp:8080")
    service.startService()
    assert reactor.tcpServers == []
    joins.joining.callback(None)
    assert reactor.tcpServers[0][0] == 8080
    stopping = service.stopService()
    assert joins.told == ["join", "leave"]
    reactor.advance(1)
    assert has_fired(stopping)


@pytest.mark.parametrize("is_cancelled", [True, False])
def test_it_serves_nobody_if_it_is_stopped_before_it_has_joined(
    engine: Engine, reactor: MemoryReactorClock, joins: Joins, is_cancelled: bool
) -> None:
    if not is_cancelled:
        # It has just joined.
        joins.joining = Deferred(lambda each: each.callback(None))
    service = EngineIOService(engine, "tcp:8080")
    service.startService()
    stopping = service.stopService()
    assert joins.joining.called
    assert joins.told == ["join", "leave"]
    reactor.advance(1)
    assert has_fired(stopping)
    assert reactor.tcpServers == []
    # It may be started again.
    joins.joining = Deferred()
    service.startService()
    joins.joining.callback(None)
    assert len(reactor.tcpServers) == 1


def test_it_serves_nobody_if_it_cannot_join(
    engine: Engine,
    reactor: MemoryReactorClock,
    joins: Joins,
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    service = EngineIOService(engine, "tcp:8080")
    service.startService()
    joins.joining.errback(JoinFailed("no server"))
    assert len(flush_logged_errors(JoinFailed)) == 1
    assert reactor.tcpServers == []


def test_it_is_a_service_that_listens_where_it_is_told(
    engine: Engine, reactor: MemoryReactorClock
) -> None:
    application: Any = Application("chat")
    service = EngineIOService(engine, "tcp:8080:interface=127.0.0.1")
    service.setServiceParent(application)
    with capturedLogs() as logs:
        IService(application).privilegedStartService()
        IService(application).startService()
    ((port, _factory, _backlog, interface),) = reactor.tcpServers
    assert (port, interface) == (8080, "127.0.0.1")
    lines = [formatEvent(each) for each in logs]
    assert lines[0].endswith("/engine.io/ (transports: polling, websocket)")
    assert (
        lines[-1]
        == "The application is txengineio.testing.recording.RecordingApplication"
    )


def test_there_may_be_several_endpoints_of_either_kind(
    engine: Engine, reactor: MemoryReactorClock
) -> None:
    endpoint = TCP4ServerEndpoint(reactor, 8081)
    EngineIOService(engine, ["tcp:8080", endpoint]).startService()
    assert [each[0] for each in reactor.tcpServers] == [8080, 8081]


def test_one_endpoint_needs_no_list(
    engine: Engine, reactor: MemoryReactorClock
) -> None:
    EngineIOService(engine, TCP4ServerEndpoint(reactor, 8081)).startService()
    assert [each[0] for each in reactor.tcpServers] == [8081]


@pytest.mark.parametrize(
    "wrong", ["8080", ["tcp:8080", "tcp"], 8080, None, b"tcp:8080", ["tcp:8080", 8081]]
)
def test_an_endpoint_that_makes_no_sense_is_refused(engine: Engine, wrong: Any) -> None:
    with pytest.raises(InvalidOption, match="endpoint must be"):
        EngineIOService(engine, wrong)


def test_its_site_has_the_engine_and_more(
    engine: Engine, reactor: MemoryReactorClock
) -> None:
    beside = {b"about": Data(b"a chat", "text/plain")}
    service = EngineIOService(engine, [], "/chat", beside=beside)

    def get(path: str) -> Any:
        connection = Connection(service.site, lambda: reactor.advance(0))
        return connection.request("GET", path).answer

    assert get("/chat/?EIO=4&transport=polling").status == 200
    assert get("/healthz").text == "ok\n"
    assert get("/about").text == "a chat"


def test_an_endpoint_that_cannot_listen_ends_the_process_with_a_line(
    engine: Engine,
) -> None:
    service = EngineIOService(engine, SomeEndpoint(fail(OSError("in use"))))
    expected = "EngineIOService: cannot listen on SomeEndpoint: in use"
    with pytest.raises(SystemExit, match=expected):
        service.startService()


def test_an_endpoint_may_take_its_time(engine: Engine) -> None:
    listening: Deferred[Any] = Deferred()
    service = EngineIOService(engine, SomeEndpoint(listening))
    with capturedLogs() as logs:
        service.startService()
        assert len(logs) == 1
        listening.callback(Port())
    assert "is served at" in formatEvent(logs[-1])


def test_what_fails_later_is_logged(
    engine: Engine, flush_logged_errors: FlushLoggedErrors
) -> None:
    listening: Deferred[Any] = Deferred()
    EngineIOService(engine, SomeEndpoint(listening)).startService()
    listening.errback(OSError("in use"))
    assert len(flush_logged_errors(OSError)) == 1


def test_a_port_that_comes_after_the_end_is_closed(
    engine: Engine, reactor: MemoryReactorClock
) -> None:
    listening: Deferred[Any] = Deferred()
    service = EngineIOService(engine, SomeEndpoint(listening))
    service.startService()
    stopped = service.stopService()
    reactor.advance(1)
    assert has_fired(stopped)
    listening.callback(port := Port())
    assert port.closed == 1


def test_stopping_brings_sessions_to_their_end_and_closes_the_ports(
    engine: Engine, reactor: MemoryReactorClock
) -> None:
    port = Port()
    service = EngineIOService(
        engine, SomeEndpoint(succeed(port)), drain_timeout=5.0, drain_spread=1
    )
    service.startService()
    for _ in range(2):
        connection = Connection(service.site, lambda: reactor.advance(0))
        connection.request("GET", "/engine.io/?EIO=4&transport=polling")
    stopped = service.stopService()
    reactor.advance(4.9)
    assert port.closed == 0
    reactor.advance(0.2)
    reactor.advance(0.2)
    assert port.closed == 1
    assert has_fired(stopped)
    assert not engine.sessions


def test_it_can_be_started_again(engine: Engine, reactor: MemoryReactorClock) -> None:
    service = EngineIOService(engine, "tcp:8080")
    service.startService()
    stopped = service.stopService()
    reactor.advance(1)
    assert has_fired(stopped)
    service.startService()
    assert len(reactor.tcpServers) == 2
    assert engine.is_open


@pytest.mark.parametrize("timeout", [None, "20", -1, float("nan")])
def test_a_time_that_makes_no_sense_is_refused_before_the_end(
    engine: Engine, timeout: Any
) -> None:
    expected = "drain_timeout must be a number of seconds, 0 or more, not"
    with pytest.raises(InvalidOption, match=expected):
        EngineIOService(engine, "tcp:8080", drain_timeout=timeout)


@pytest.mark.parametrize("spread", [0, "500", True])
def test_a_spread_that_makes_no_sense_is_refused_before_the_end(
    engine: Engine, spread: Any
) -> None:
    expected = "drain_spread must be a number of sessions a second above 0, not"
    with pytest.raises(InvalidOption, match=expected):
        EngineIOService(engine, "tcp:8080", drain_spread=spread)


@pytest.mark.parametrize("wrong", [Engine, EngineIOProtocol, None])
def test_what_is_no_engine_is_refused_at_once(wrong: Any) -> None:
    with pytest.raises(InvalidOption, match="engine must be an Engine, as Engine"):
        EngineIOService(wrong, "tcp:8080")
    with pytest.raises(InvalidOption, match="engine must be an Engine, as Engine"):
        InspectorResource(wrong)
