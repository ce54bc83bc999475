"""Sessions that record: they have all that sessions have, and a peer that is played."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from typing_extensions import override
from zope.interface import implementer

from tests.doubles import ended_with
from tests.testing.applications import Chat
from txengineio import (
    AnySession,
    ClientSession,
    CloseReason,
    Engine,
    EngineIOProtocol,
    InvalidOption,
    RequestRejected,
    Session,
    TransportError,
)
from txengineio.protocol.packets import PacketType
from txengineio.testing import (
    RecordingApplication,
    RecordingClientSession,
    RecordingProtocol,
    RecordingSession,
)

BOTH = [RecordingSession, RecordingClientSession]
each_side = pytest.mark.parametrize("kind", BOTH)
Either = type[RecordingSession] | type[RecordingClientSession]


def public_names(kind: type) -> set[str]:
    named = {name for base in kind.__mro__ for name in base.__dict__}
    named |= {
        name for base in kind.__mro__ for name in getattr(base, "__annotations__", ())
    }
    return {name for name in named if not name.startswith("_")}


@pytest.mark.parametrize(
    ("kind", "real"),
    [
        (RecordingSession, Session),
        (RecordingSession, AnySession),
        (RecordingClientSession, ClientSession),
        (RecordingClientSession, AnySession),
    ],
)
def test_they_have_every_public_name_of_a_session(kind: Either, real: type) -> None:
    names = public_names(real)
    assert {"id", "send", "transport", "when_closed"} <= names
    session = kind.of(RecordingProtocol)
    assert [name for name in sorted(names) if not hasattr(session, name)] == []


@pytest.mark.parametrize(
    ("kind", "real"),
    [(RecordingSession, Session), (RecordingClientSession, ClientSession)],
)
def test_what_a_test_asks_them_hides_nothing_of_a_session(
    kind: type, real: type
) -> None:
    own = public_names(kind) - public_names(real)
    assert {"receive", "sent", "lose", "advance"} <= own
    (recording,) = (each for each in kind.__mro__ if each.__name__ == "_Recording")
    added = {name for name in vars(recording) if not name.startswith("_")}
    assert added & public_names(real) == {"transport"} & added


@each_side
def test_what_is_sent_and_received(kind: Either) -> None:
    application = RecordingApplication(
        on_made=lambda protocol: protocol.session.send("welcome"),
        on_message=lambda protocol, message: protocol.session.send(message),
    )
    session = kind.of(application)
    assert session.sent == ["welcome"]
    session.receive("text", b"binary")
    assert application.only.messages == ["text", b"binary"]
    assert session.sent == ["welcome", "text", b"binary"]
    # Together, as they came.
    messages = [(PacketType.MESSAGE, "text"), (PacketType.MESSAGE, b"binary")]
    assert session.transport.batches[-1] == messages


@each_side
def test_a_protocol_that_is_there_already(kind: Either) -> None:
    class Counter(EngineIOProtocol):
        count = 0

        @override
        def messageReceived(self, message: str | bytes) -> None:
            self.count += 1

    counter = Counter()
    session = kind.of(counter)
    session.receive("1", "2")
    assert counter.count == 2
    assert counter.factory is not None
    assert session.protocol is counter
    assert counter.session is session


def test_its_factory_stays_its_own() -> None:
    factory = Factory.forProtocol(RecordingProtocol)
    protocol = factory.buildProtocol(None)
    assert isinstance(protocol, RecordingProtocol)
    RecordingSession.of(protocol)
    assert protocol.factory is factory


def test_several_sessions_of_one_engine() -> None:
    engine = Engine(Chat, reactor=Clock())
    alice, bob = RecordingSession.of(engine), RecordingSession.of(engine)
    assert set(engine.sessions) == {alice.id, bob.id}
    alice.receive("hello")
    assert alice.sent == bob.sent == ["welcome", "hello"]
    bob.lose()
    assert set(engine.sessions) == {alice.id}
    engine.close()
    assert not engine.sessions


def test_an_engine_in_another_time_is_refused() -> None:
    engine = Engine(Chat, reactor=None)
    with pytest.raises(InvalidOption, match=r"the engine's reactor.*task\.Clock"):
        RecordingSession.of(engine)


@each_side
def test_what_is_no_application_is_refused(kind: Either) -> None:
    with pytest.raises(InvalidOption, match="application"):
        kind.of("chat")  # type: ignore[arg-type]  # on purpose


def test_a_factory_that_builds_nothing_is_told() -> None:
    application = RecordingApplication()
    application.refuse = True
    with pytest.raises(RequestRejected):
        RecordingSession.of(application)
    with pytest.raises(InvalidOption, match="builds a protocol"):
        RecordingClientSession.of(application)


def test_what_the_client_has_said() -> None:
    session = RecordingSession.of(
        Chat,
        address="2001:db8::1",
        query={"room": "blue"},
        headers={"Cookie": "user=42"},
        user="Ann",
        transport="polling",
    )
    assert session.remote_address == "2001:db8::1"
    assert session.request.query["room"] == "blue"
    assert "room=blue" in session.request.uri
    assert session.request.header("cookie") == "user=42"
    assert session.user == "Ann"
    assert session.transport.name == "polling"


def test_which_server_the_client_has() -> None:
    clock = Clock()
    session = RecordingClientSession.of(
        RecordingProtocol, host="chat.example", clock=clock, transport="polling"
    )
    assert session.remote_address == "chat.example"
    assert session.clock is clock
    assert session.handshake.upgrades == ("websocket",)
    assert session.handshake.sid == session.id


@each_side
@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda session: session.lose(), CloseReason.TRANSPORT_CLOSE),
        (lambda session: session.say_goodbye(), CloseReason.TRANSPORT_CLOSE),
        (lambda session: session.fail(), CloseReason.TRANSPORT_ERROR),
        (lambda session: session.close(), CloseReason.FORCED_CLOSE),
        (lambda session: session.close(discard=True), CloseReason.FORCED_CLOSE),
    ],
    ids=["lose", "goodbye", "fail", "close", "discard"],
)
def test_every_end(kind: Either, end: Any, reason: CloseReason) -> None:
    application = RecordingApplication()
    session = kind.of(application)
    end(session)
    assert ended_with(application.only) is reason
    assert application.only.close_reason is reason
    assert session.clock.getDelayedCalls() == []


def test_why_a_transport_fails() -> None:
    session = RecordingSession.of(Chat)
    error = TransportError("a broken pipe")
    session.fail(error)
    assert session.closed is not None
    assert session.closed.description is error


@each_side
def test_a_peer_that_does_not_read(kind: Either) -> None:
    @implementer(IPushProducer)
    class Producer:
        paused = False

        def pauseProducing(self) -> None:
            self.paused = True

        def resumeProducing(self) -> None:
            self.paused = False

        def stopProducing(self) -> None:
            raise AssertionError

    def is_kept_back(session: AnySession, producer: Producer) -> bool:
        assert session.writable is not producer.paused
        return producer.paused

    session = kind.of(RecordingProtocol)
    producer: Any = Producer()
    session.registerProducer(producer, True)
    session.stop_reading()
    session.send("1")
    session.send("2")
    assert session.sent == []
    assert is_kept_back(session, producer)
    drained = session.when_drained()
    session.start_reading()
    assert session.sent == ["1", "2"]
    assert not is_kept_back(session, producer)
    assert drained.called


@each_side
def test_heartbeats_are_as_they_should_be_until_the_peer_falls_silent(
    kind: Either,
) -> None:
    protocol = RecordingProtocol()
    session = kind.of(protocol)
    session.advance(3600)
    assert protocol.close_reason is None
    session.fall_silent()
    session.advance(session.ping_interval + session.ping_timeout + 5)
    assert ended_with(protocol) is CloseReason.PING_TIMEOUT


def test_time_passes_for_all_sessions_of_an_engine() -> None:
    engine = Engine(Chat, reactor=Clock(), ping_interval=1, ping_timeout=1)
    alice, bob = RecordingSession.of(engine), RecordingSession.of(engine)
    bob.fall_silent()
    alice.advance(60)
    assert alice.closed is None
    assert bob.closed is not None


@each_side
def test_an_application_that_takes_its_time(kind: Either) -> None:
    done: Deferred[None] = Deferred()
    application = RecordingApplication(on_message=lambda *_: done)
    session = kind.of(application)
    session.receive("1", "2")
    assert application.only.messages == ["1"]
    done.callback(None)
    assert application.only.messages == ["1", "2"]
