"""The engine: what it is told, what it shares, and how it ends."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet import reactor as global_reactor  # noqa: TID251  # to compare
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from typing_extensions import Buffer
from zope.interface import implementer

from tests.doubles import ended_with, has_fired
from tests.server.conftest import NewServer
from tests.wiring import Server
from txengineio.application import EngineIOProtocol
from txengineio.cluster.machines.joining import RedisCluster
from txengineio.errors import CloseReason, InvalidOption, LocalProtocolError
from txengineio.server.engine import Engine
from txengineio.server.session import IEngine
from txengineio.server.web.incoming_request import IReceivesRequests
from txengineio.testing import RecordingApplication, RecordingProtocol


def test_it_provides_what_it_says() -> None:
    engine = Engine(RecordingApplication(), reactor=Clock())
    asked: IEngine = engine
    assert asked.options.ping_interval == 25.0
    serves: IReceivesRequests = engine
    assert serves.body_limits.max_size == 1_000_000


@pytest.mark.behaviour("B154")
def test_without_a_reactor_it_uses_the_global_one() -> None:
    engine = Engine(EngineIOProtocol)
    clock: object = engine.clock
    assert clock is global_reactor
    assert engine.options.ping_interval == 25.0


@pytest.mark.behaviour("B155")
def test_its_options_are_kept() -> None:
    engine = Engine(RecordingApplication(), reactor=Clock(), ping_timeout=7)
    assert engine.options.ping_timeout == 7
    with pytest.raises(AttributeError):
        engine.options.ping_timeout = 8  # type: ignore[misc]  # that is the test


def test_an_unknown_option_is_refused_with_its_name() -> None:
    with pytest.raises(
        InvalidOption, match=r"no option 'ping_intervall': did you mean ping_interval\?"
    ):
        Engine(RecordingApplication(), reactor=Clock(), ping_intervall=1)  # type: ignore[call-arg]  # that is the test


def test_its_sessions_are_read_only_and_always_up_to_date() -> None:
    server = Server.new()
    sessions: Any = server.engine.sessions
    assert len(sessions) == 0
    client = server.open_polling()
    assert list(sessions) == [client.sid]
    with pytest.raises(TypeError):
        del sessions[client.sid]
    client.session.close(discard=True)
    assert len(sessions) == 0


def test_an_unknown_event_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="connection_error"):
        Server.new().engine.on("disconnection", print)


# --- broadcast ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "packets"),
    [
        ("all", ["4all", "4all", "4all"]),
        ("€", ["4€", "4€", "4€"]),
        (b"\x01\x02", ["bAQI=", b"\x01\x02", "bAQI="]),
        (bytearray(b"\x01\x02"), ["bAQI=", b"\x01\x02", "bAQI="]),
    ],
)
def test_a_broadcast_reaches_everybody_in_the_form_that_suits(
    message: str | Buffer, packets: list[str | bytes], new_server: NewServer
) -> None:
    server = new_server()
    polling = server.open_polling()
    poll = polling.poll()
    websocket = server.open_websocket()
    base64 = server.open_websocket(b64="1")
    assert websocket.sid != base64.sid
    assert server.engine.broadcast(message) == 3
    got = [*poll.answer.packets, *websocket.packets(), *base64.packets()]
    assert got == packets


def test_a_broadcast_to_both_revisions() -> None:
    server = Server.new(allow_eio3=True)
    new, old = server.open_websocket(), server.open_websocket(EIO="3")
    server.advance(0.01)
    assert new.sid != old.sid
    assert server.engine.broadcast(b"\x01") == 2
    assert new.packets() == [b"\x01"]
    assert old.packets() == [b"\x04\x01"]


def test_a_broadcast_before_an_upgrade_suits_the_websocket() -> None:
    server = Server.new()
    client = server.open_polling()
    server.engine.broadcast(b"\x01\x02")
    websocket = client.open_websocket(b64="1")
    websocket.send("2probe", "5")
    assert websocket.packets() == ["3probe", "bAQI="]


def test_a_broadcast_leaves_closing_sessions_out() -> None:
    server = Server.new()
    clients = [server.open_polling() for _ in range(3)]
    clients[0].session.close()
    assert server.engine.broadcast("all") == 2
    assert clients[0].poll().answer.packets == ["6", "1"]
    assert clients[1].poll().answer.packets == ["4all"]


def test_a_broadcast_of_something_else_is_refused() -> None:
    server = Server.new()
    server.open_polling()
    with pytest.raises(TypeError):
        server.engine.broadcast(7)  # type: ignore[arg-type]  # that is the test


def test_a_broadcast_to_nobody() -> None:
    assert Server.new().engine.broadcast("nobody") == 0


def test_a_message_handler_may_broadcast(new_server: NewServer) -> None:
    def tell_all(protocol: RecordingProtocol, message: str | bytes) -> None:
        protocol.session.engine.broadcast(message)

    server = new_server(RecordingApplication(on_message=tell_all))
    first, second = server.open_websocket(), server.open_websocket()
    assert first.sid != second.sid
    first.send("4a", "4b")
    assert first.packets() == ["4a", "4b"]
    assert second.packets() == ["4a", "4b"]


# --- close ----------------------------------------------------------------------------


@pytest.mark.behaviour("B077", "B081", "B082", "B083")
def test_close_tells_every_session_and_leaves_nothing(new_server: NewServer) -> None:
    server = new_server()
    parked, unparked = server.open_polling(), server.open_polling()
    poll = parked.poll()
    unparked.session.send("discarded")
    websocket = server.open_websocket()
    upgraded = server.open_polling().upgrade()
    probing = server.open_polling()
    probe = probing.open_websocket()
    probe.send("2probe")
    closing = server.open_polling()
    closing.session.close()
    closed = server.engine.close()
    assert dict(server.engine.sessions) == {}
    assert poll.answer.packets == ["1"]
    assert unparked.poll().answer.json["code"] == 1
    for each in (websocket, upgraded, probe):
        assert each.close_frame() == b""
        assert not has_fired(closed)
        each.close()
    assert has_fired(closed)
    for protocol in server.application.built:
        assert ended_with(protocol) is CloseReason.FORCED_CLOSE
    server.assert_nothing_left()


@pytest.mark.behaviour("B078", "B079")
@pytest.mark.parametrize("closing", [False, True])
def test_close_discards_what_was_not_sent(closing: bool) -> None:
    server = Server.new()
    client = server.open_polling()
    client.session.send("hello")
    if closing:
        client.session.close()
    server.engine.close()
    assert client.poll().answer.status == 400
    server.assert_nothing_left()


def test_close_without_websockets_is_done_at_once() -> None:
    server = Server.new()
    server.open_polling()
    assert has_fired(server.engine.close())
    assert has_fired(server.engine.close())


def test_connections_that_do_not_end_can_be_dropped() -> None:
    server = Server.new()
    websockets = [server.open_websocket() for _ in range(2)]
    closed, also_closed = server.engine.close(), server.engine.close()
    server.engine.abort_connections()
    server.settle()
    assert has_fired(closed)
    assert has_fired(also_closed)
    assert all(each.connection.was_reset for each in websockets)
    server.assert_nothing_left()


def test_a_closed_engine_lets_nobody_in(new_server: NewServer) -> None:
    server = new_server()
    server.engine.close()
    polling = server.request().answer
    websocket = server.open_websocket().opening.answer
    assert polling.status == websocket.status == 503
    assert server.application.built == []
    server.assert_nothing_left()


# --- listen ---------------------------------------------------------------------------


@implementer(IListeningPort)
class Port:
    stopped = 0

    def startListening(self) -> None:
        raise NotImplementedError

    def stopListening(self) -> None:
        self.stopped += 1

    def getHost(self) -> Any:
        return "here"


@implementer(IStreamServerEndpoint)
class RecordingEndpoint:
    def __init__(self) -> None:
        self.factories: list[IProtocolFactory] = []
        self.port = Port()
        self.listening: Deferred[Port] = succeed(self.port)

    def listen(self, protocolFactory: IProtocolFactory) -> Any:
        self.factories.append(protocolFactory)
        return self.listening


@pytest.mark.behaviour("B156")
def test_listen_serves_the_engine_and_nothing_else() -> None:
    server = Server.new()
    endpoint = RecordingEndpoint()
    listening: Any = server.engine.listen(endpoint, "/chat")
    assert listening.result.getHost() == "here"
    (server.site,) = endpoint.factories
    connection = server.connect()
    target = "/chat/?EIO=4&transport=polling"
    assert connection.request("GET", target).answer.status == 200
    elsewhere = connection.request("GET", "/").answer
    assert elsewhere.status == 501
    assert elsewhere.text == "Not Implemented: Engine.IO is served at /chat/\n"
    assert connection.request("GET", server.target()).answer.status == 501


@pytest.mark.behaviour("B051")
def test_an_engine_that_was_closed_may_listen_again() -> None:
    server = Server.new()
    server.engine.close()
    server.engine.listen(RecordingEndpoint())
    assert server.open_polling().sid
    assert server.open_websocket().is_accepted


def test_a_closed_engine_leaves_no_port_open() -> None:
    server = Server.new()
    endpoint = RecordingEndpoint()
    server.engine.listen(endpoint)
    assert has_fired(server.engine.close())
    assert endpoint.port.stopped == 1
    assert has_fired(server.engine.close())
    assert endpoint.port.stopped == 1


def test_a_port_is_open_until_the_engine_is_drained() -> None:
    server = Server.new()
    endpoint = RecordingEndpoint()
    server.engine.listen(endpoint)
    client = server.open_polling()
    draining = server.engine.drain(5.0)
    assert endpoint.port.stopped == 0
    client.poll()
    assert has_fired(draining)
    assert endpoint.port.stopped == 1


def test_a_port_that_is_ready_after_the_engine_was_closed_is_closed_too() -> None:
    server = Server.new()
    endpoint = RecordingEndpoint()
    endpoint.listening = Deferred()
    server.engine.listen(endpoint)
    server.engine.close()
    endpoint.listening.callback(endpoint.port)
    assert endpoint.port.stopped == 1


def test_listen_takes_the_description_of_an_endpoint() -> None:
    reactor = MemoryReactorClock()
    engine = Engine(RecordingApplication(), reactor=reactor)
    engine.listen(r"tcp6:8080:interface=\:\:1")
    ((port, _factory, _backlog, interface),) = reactor.tcpServers
    assert (port, interface) == (8080, "::1")


@pytest.mark.parametrize("wrong", [3, True, "redis://localhost", RedisCluster])
def test_a_cluster_that_is_none_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidOption, match="cluster must be a cluster to join"):
        Engine(RecordingApplication(), reactor=Clock(), cluster=wrong)


@pytest.mark.parametrize("wrong", ["8080", "tcp", "tcp:99999", 8080, None, b"tcp:0"])
def test_an_endpoint_that_makes_no_sense_is_refused(wrong: Any) -> None:
    engine = Engine(RecordingApplication(), reactor=MemoryReactorClock())
    engine.close()
    with pytest.raises(InvalidOption, match="endpoint must be"):
        engine.listen(wrong)
    assert not engine.is_open


def test_listen_takes_a_real_endpoint() -> None:
    reactor = MemoryReactorClock()
    engine = Engine(RecordingApplication(), reactor=reactor)
    engine.listen(TCP4ServerEndpoint(reactor, 8080, interface="127.0.0.1"))
    ((port, _factory, _backlog, interface),) = reactor.tcpServers
    assert (port, interface) == (8080, "127.0.0.1")
