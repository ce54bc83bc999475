"""The service: sessions that come and go, and messages that wait for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError
from typing_extensions import override

from tests.client.network import URL, World, error_of, result_of
from tests.conftest import FlushLoggedErrors
from tests.doubles import ended_with, has_fired
from txengineio.client.service import EngineIOClientService
from txengineio.errors import CloseReason, ConnectFailed, InvalidOption, SessionClosed
from txengineio.testing import RecordingApplication


class Serviced(World):
    """An engine, and a service that connects with it."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.delays: list[int] = []
        self.happened: list[Any] = []
        self.policy: Callable[[int], float] = float
        options.setdefault("factory", self.protocols)
        self.service = EngineIOClientService(
            URL,
            reactor=self.clock,
            endpoints=self.network,
            retry_policy=self._delay,
            **options,
        )
        for event in ("connected", "disconnected", "connect_failed", "retry"):
            self.service.on(event, self._record(event))

    def _delay(self, failures: int) -> float:
        self.delays.append(failures)
        return self.policy(failures)

    def _record(self, event: str) -> Any:
        return lambda *_arguments: self.happened.append(event)

    def start(self) -> None:
        self.service.startService()
        self.advance(0.5)

    def lose_everything(self) -> None:
        for wire in self.network.open_connections:
            wire.lose()
        self.network.flush()

    def stop(self) -> None:
        stopping = self.service.stopService()
        self.network.flush()
        assert result_of(stopping) is None
        # What the server keeps for clients that come back.
        self.advance(60)
        self.assert_nothing_left()


def test_a_service_opens_a_session_and_closes_it() -> None:
    world = Serviced()
    waiting = []
    world.service.startService()
    world.service.startService()
    waiting.append(world.service.when_connected())
    world.advance(0.5)
    assert result_of(waiting[0]) is world.protocols.only
    assert result_of(world.service.when_connected()) is world.protocols.only
    assert world.service.protocol is world.protocols.only
    assert result_of(world.service.send("hello")) is None
    world.network.flush()
    assert world.application.only.messages == ["hello"]
    world.stop()
    assert ended_with(world.protocols.only) is CloseReason.FORCED_CLOSE
    assert world.happened == ["connected", "disconnected"]


def test_a_lost_session_is_followed_by_another() -> None:
    world = Serviced()
    world.start()
    world.lose_everything()
    assert world.service.protocol is None
    assert world.delays == [1]
    waiting = world.service.when_connected()
    world.advance(1.5)
    first, second = world.protocols.built
    assert len(first.lost) == 1
    assert result_of(waiting) is second
    assert world.happened == ["connected", "disconnected", "retry", "connected"]
    world.stop()


def test_failures_in_a_row_are_counted() -> None:
    world = Serviced()
    world.network.error = ConnectionRefusedError()
    world.start()
    patient = world.service.when_connected()
    impatient = world.service.when_connected(fail_after_failures=2)
    world.advance(4)
    assert world.delays == [1, 2, 3]
    assert isinstance(error_of(impatient), ConnectFailed)
    world.network.error = None
    world.advance(4)
    assert result_of(patient) is world.protocols.only
    world.lose_everything()
    assert world.delays == [1, 2, 3, 1]
    world.stop()


def test_a_message_without_a_session_is_refused() -> None:
    world = Serviced()
    assert isinstance(error_of(world.service.send("early")), SessionClosed)
    world.start()
    world.lose_everything()
    assert isinstance(error_of(world.service.send("between")), SessionClosed)
    world.stop()
    assert isinstance(error_of(world.service.send("late")), SessionClosed)
    assert isinstance(error_of(world.service.when_connected()), SessionClosed)


def test_messages_without_a_session_are_queued_where_that_is_wanted() -> None:
    world = Serviced(max_queued=2)
    world.start()
    world.lose_everything()
    sent = [world.service.send(text) for text in ("a", "b", "c")]
    assert isinstance(error_of(sent.pop()), SessionClosed)
    world.advance(2)
    sent.append(world.service.send("d"))
    world.advance(0.5)
    assert [result_of(each) for each in sent] == [None] * 3
    assert world.application.built[1].messages == ["a", "b", "d"]
    world.stop()


def test_a_message_that_was_on_its_way_fails() -> None:
    world = Serviced(transports=["polling"], max_queued=5)
    world.start()
    (sent,) = [world.service.send("lost")]
    again: list[Deferred[None]] = []
    sent.addErrback(lambda failure: again.append(world.service.send("again")))
    world.lose_everything()
    assert len(again) == 1
    world.advance(2)
    assert result_of(again[0]) is None
    assert world.application.built[1].messages == ["again"]
    world.stop()


def test_stopping_fails_everybody_who_waits() -> None:
    world = Serviced(max_queued=5)
    world.network.stalls = True
    world.start()
    waiting: list[Any] = [world.service.when_connected(), world.service.send("a")]
    stopping = [world.service.stopService(), world.service.stopService()]
    for each in waiting:
        assert isinstance(error_of(each), SessionClosed)
    for stopped in stopping:
        assert result_of(stopped) is None
    assert result_of(world.service.stopService()) is None
    world.assert_nothing_left()


def test_stopping_between_two_attempts() -> None:
    world = Serviced()
    world.network.error = ConnectionRefusedError()
    world.start()
    world.stop()
    assert world.happened == ["connect_failed", "retry"]


def test_a_stopped_service_can_be_started_again() -> None:
    world = Serviced()
    world.start()
    stopping = world.service.stopService()
    world.service.startService()
    world.advance(1)
    assert has_fired(stopping)
    assert len(world.protocols.built) == 2
    assert world.service.protocol is world.protocols.built[1]
    world.stop()


@pytest.mark.parametrize("event", ["connected", "disconnected", "connect_failed"])
def test_a_handler_may_stop_the_service(event: str) -> None:
    world = Serviced()
    stopped: list[Any] = []
    world.service.on(event, lambda *_: stopped.append(world.service.stopService()))
    if event == "connect_failed":
        world.network.error = ConnectionRefusedError()
    world.start()
    world.lose_everything()
    world.advance(60)
    assert result_of(stopped[0]) is None
    world.assert_nothing_left()


def test_a_factory_that_fails_is_not_the_end(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    class Broken(RecordingApplication):
        @override
        def buildProtocol(self, addr: Any) -> Any:
            raise ZeroDivisionError

    world = Serviced(factory=Broken())
    world.start()
    assert world.delays == [1]
    world.stop()
    assert len(flush_logged_errors(ZeroDivisionError)) == 1


def test_the_first_protocol_may_close_its_session() -> None:
    world = Serviced(
        factory=RecordingApplication(on_made=lambda client: client.session.close())
    )
    world.start()
    assert world.delays == [1]
    world.stop()


def test_a_bad_queue_is_refused() -> None:
    with pytest.raises(InvalidOption):
        Serviced(max_queued=-1)


def test_a_retry_policy_that_fails_is_not_the_end(
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    world = Serviced()
    world.start()
    world.policy = lambda failures: failures / 0
    world.lose_everything()
    world.policy = float
    assert len(flush_logged_errors(ZeroDivisionError)) == 1
    world.advance(10)
    assert world.service.protocol is world.protocols.built[1]
    world.stop()


@pytest.mark.parametrize("starts_again", [False, True])
def test_a_retry_policy_may_stop_the_service(starts_again: bool) -> None:
    world = Serviced()

    def stop(_failures: int) -> float:
        world.service.stopService()
        if starts_again:
            world.service.startService()
        return 1.0

    world.start()
    world.policy = stop
    world.lose_everything()
    world.policy = float
    world.advance(10)
    assert len(world.protocols.built) == 1 + starts_again
    assert (world.service.protocol is not None) is starts_again
    world.stop()


def test_who_waits_for_a_session_may_stop_the_service_for_all() -> None:
    world = Serviced()
    world.network.error = ConnectionRefusedError()
    world.start()
    impatient = world.service.when_connected(fail_after_failures=1)
    impatient.addErrback(lambda _failure: world.service.stopService())
    patient = world.service.when_connected()
    world.advance(1)
    assert isinstance(error_of(patient), SessionClosed)
    world.stop()


def test_a_message_that_the_session_does_not_take_is_not_taken_for_sent() -> None:
    world = Serviced()
    world.start()
    session = world.protocols.only.session
    session.on("packet_create", lambda *_packet: session.close())
    assert isinstance(error_of(world.service.send("hello")), SessionClosed)
    world.stop()
