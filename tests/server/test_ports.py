"""Ports that are stopped by their users, by the engine, or by both."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.doubles import has_fired
from txengineio.server.ports import Ports


@implementer(IListeningPort)
class SlowPort:
    """Fails, as Twisted's ports do, when it is told to stop while it does so."""

    def __init__(self) -> None:
        self.stopped: Deferred[None] | None = None

    def startListening(self) -> None:
        self.stopped = None

    def stopListening(self) -> Deferred[None]:
        assert self.stopped is None
        self.stopped = Deferred()
        return self.stopped

    def getHost(self) -> Any:
        return "here"


def opened() -> tuple[Ports, SlowPort, Any]:
    ports, port = Ports(), SlowPort()
    return ports, port, ports.opened(port)


def test_what_a_user_gets_is_a_port() -> None:
    _, _, kept = opened()
    verifyObject(IListeningPort, kept)
    assert kept.getHost() == "here"


def test_all_are_stopped_together() -> None:
    ports, first, second = Ports(), SlowPort(), SlowPort()
    for port in (first, second):
        ports.opened(port)
    stopping = ports.stop()
    for port in (first, second):
        assert not has_fired(stopping)
        assert port.stopped is not None
        port.stopped.callback(None)
    assert has_fired(stopping)


def test_without_any_there_is_nothing_to_wait_for() -> None:
    assert has_fired(Ports().stop())


@pytest.mark.parametrize("user_first", [True, False])
def test_a_port_may_be_stopped_twice(user_first: bool) -> None:
    ports, port, kept = opened()
    first, second = kept.stopListening(), kept.stopListening()
    engine = ports.stop()
    assert has_fired(engine) or not user_first
    assert not has_fired(first)
    assert port.stopped is not None
    port.stopped.callback(None)
    assert [has_fired(each) for each in (first, second, engine)] == [True] * 3
    assert has_fired(kept.stopListening())


def test_the_user_waits_for_what_the_engine_has_begun() -> None:
    ports, port, kept = opened()
    engine = ports.stop()
    user = kept.stopListening()
    assert port.stopped is not None
    port.stopped.callback(None)
    assert has_fired(user)
    assert has_fired(engine)


def test_a_port_that_listens_again_is_stopped_again() -> None:
    ports, port, kept = opened()
    kept.stopListening()
    assert port.stopped is not None
    port.stopped.callback(None)
    kept.startListening()
    assert not has_fired(ports.stop())
    assert port.stopped is not None
