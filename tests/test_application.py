"""EngineIOProtocol: what an application gets without writing anything."""

from __future__ import annotations

from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from typing_extensions import override

from txengineio.application import AnySession, EngineIOProtocol
from txengineio.errors import CloseReason, SessionClosed


def test_make_connection_sets_the_session_and_then_says_so() -> None:
    seen: list[object] = []

    class Application(EngineIOProtocol):
        @override
        def connectionMade(self) -> str:
            seen.append((self.session, self.connected))
            return "result"

    session = object()
    assert Application().makeConnection(session) == "result"
    assert seen == [(session, 1)]


def test_the_callbacks_may_be_left_out() -> None:
    protocol = EngineIOProtocol()
    assert protocol.makeConnection(object()) is None
    assert protocol.messageReceived("text") is None
    closed = SessionClosed(CloseReason.FORCED_CLOSE)
    assert protocol.connectionLost(Failure(closed)) is None


def test_a_plain_twisted_factory_builds_it_and_is_known_to_it() -> None:
    factory = Factory.forProtocol(EngineIOProtocol[AnySession])
    protocol = factory.buildProtocol(None)
    assert isinstance(protocol, EngineIOProtocol)
    assert protocol.factory is factory
