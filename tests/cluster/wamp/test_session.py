"""Sessions of Autobahn: who they say they are, and what becomes of errors."""

from __future__ import annotations

from typing import Any

import pytest
from autobahn.wamp import message
from autobahn.wamp.auth import compute_wcs
from autobahn.wamp.exception import ApplicationError, TransportLost
from autobahn.wamp.role import RoleBrokerFeatures, RoleDealerFeatures
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.ssl import optionsForClientTLS
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from typing_extensions import override

from txengineio.cluster.broker.interfaces import BrokerAway, BrokerRefused
from txengineio.cluster.wamp.session import (
    WampRefused,
    _Session,
    asked,
    session_factory,
)
from txengineio.cluster.wamp.urls import parse_wamp_url


class User:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def made(self, transport: Any) -> None:
        self.told.append("made")

    def joined(self, session: Any) -> None:
        self.told.append("joined")

    def ended(self, problem: BrokerAway | BrokerRefused) -> None:
        self.told.append(problem)

    def lost(self, reason: Failure) -> None:
        self.told.append("lost")


class _Serializer:
    SERIALIZER_ID = "json"


class Transport:
    """What Autobahn's WebSocket is for a session."""

    transport_details = None
    _serializer = _Serializer()

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.closed = False

    def send(self, sent: Any) -> None:
        self.sent.append(sent)

    def close(self) -> None:
        self.closed = True


def begun(url: str) -> tuple[Any, Transport, User]:
    user, transport = User(), Transport()
    session: Any = _Session(parse_wamp_url(url), user)
    session._transport = transport
    session.onOpen(transport)
    return session, transport, user


def test_anybody_joins_the_realm() -> None:
    session, transport, user = begun("wamp:ws://host/ws@realm1")
    (hello,) = transport.sent
    assert (hello.realm, hello.authmethods) == ("realm1", ["anonymous"])
    roles = {"broker": RoleBrokerFeatures(), "dealer": RoleDealerFeatures()}
    session.onMessage(message.Welcome(1, roles, realm="realm1"))
    assert user.told == ["joined"]


def test_a_user_proves_that_it_knows_the_password() -> None:
    session, transport, _ = begun("wamp:ws://nodes:s%40crt@host/ws@realm1")
    (hello,) = transport.sent
    assert (hello.authmethods, hello.authid) == (["wampcra"], "nodes")
    session.onMessage(message.Challenge("wampcra", {"challenge": "prove it"}))
    proof = compute_wcs(b"s@crt", b"prove it").decode()
    assert transport.sent[1].signature == proof


def test_a_user_shows_the_password_only_if_that_is_wanted() -> None:
    session, transport, _ = begun("wamp:wss://nodes:secret@host/ws@realm1?auth=ticket")
    assert transport.sent[0].authmethods == ["ticket"]
    session.onMessage(message.Challenge("ticket", {}))
    assert transport.sent[1].signature == "secret"
    session, transport, user = begun("wamp:ws://nodes:secret@host/ws@realm1")
    session.onMessage(message.Challenge("ticket", {}))
    assert isinstance(transport.sent[1], message.Abort)
    assert "secret" not in str(transport.sent[1].message)
    assert isinstance(user.told[0], WampRefused)


@pytest.mark.parametrize(
    ("reason", "is_refusal", "is_transient"),
    [
        ("wamp.error.no_such_realm", True, True),
        ("wamp.error.authentication_failed", True, False),
        ("wamp.close.system_shutdown", False, False),
    ],
)
def test_why_there_is_no_session_is_told(
    reason: str, is_refusal: bool, is_transient: bool
) -> None:
    session, transport, user = begun("wamp:ws://host/ws@realm1")
    session.onMessage(message.Abort(reason, "not\nnow"))
    (problem,) = user.told
    assert isinstance(problem, WampRefused) is is_refusal
    assert getattr(problem, "is_transient", False) is is_transient
    assert str(problem).endswith(f"{reason}: not now")
    assert transport.closed


def answer_of(deferred: Deferred[Any]) -> Any:
    answers: list[Any] = []
    deferred.addBoth(answers.append)
    (answer,) = answers
    return answer.value if isinstance(answer, Failure) else answer


def test_answers_and_errors_are_ours() -> None:
    assert answer_of(asked("call x", lambda: succeed(5))) == 5

    def lost() -> Deferred[Any]:
        raise TransportLost

    for error in (
        lost,
        lambda: fail(TransportLost()),
        lambda: fail(ApplicationError("wamp.close.transport_lost")),
    ):
        assert isinstance(answer_of(asked("call x", error)), BrokerAway)
    denied = answer_of(
        asked("call x", lambda: fail(ApplicationError("wamp.error.not_authorized")))
    )
    assert denied.is_denied
    said = "the router does not let this node call x (wamp.error.not_authorized)"
    assert str(denied) == said
    other = answer_of(asked("call x", lambda: fail(ApplicationError("a.b", "so"))))
    assert (other.error, other.is_denied) == ("a.b", False)
    assert "call x" in str(other)
    assert isinstance(answer_of(asked("call x", lambda: fail(OSError()))), OSError)


def connected(url: str, user: User, transport: Any) -> Any:
    factory: Any = session_factory(parse_wamp_url(url), user, Clock())
    protocol = factory.buildProtocol(None)
    protocol.makeConnection(transport)
    return protocol


class Wire(StringTransport):
    """A transport that has no producer, and does not mind."""

    @override
    def unregisterProducer(self) -> None:
        self.producer = None


def test_a_connection_of_which_comes_nothing_is_told() -> None:
    user, transport = User(), Wire()
    protocol = connected("wamp:ws://host:81/ws@realm1", user, transport)
    assert transport.value().startswith(b"GET /ws HTTP/1.1\r\n")
    assert b"wamp.2.json" in transport.value()
    protocol.dataReceived(b"HTTP/1.1 404 Not Found\r\n\r\n")
    assert transport.disconnecting or transport.disconnected
    protocol.connectionLost(Failure(ConnectionDone()))
    assert user.told == ["made", "lost"]


def test_a_connection_by_tls_begins_as_one_without() -> None:
    user, wire = User(), StringTransport()
    url = "wamp:wss://host/ws@realm1"
    sessions: Any = session_factory(parse_wamp_url(url), user, Clock())
    creator = optionsForClientTLS("host")
    tls: Any = TLSMemoryBIOFactory(creator, True, sessions, Clock())
    protocol = tls.buildProtocol(None)
    protocol.makeConnection(wire)
    assert user.told == ["made"]
    assert wire.value().startswith(b"\x16\x03")
    protocol.connectionLost(Failure(ConnectionDone()))
    assert user.told == ["made", "lost"]
