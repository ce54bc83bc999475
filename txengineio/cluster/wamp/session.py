"""Sessions of WAMP, by Autobahn: one for each connection to the router."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any, Final

from autobahn.twisted.wamp import ApplicationSession
from autobahn.twisted.websocket import WampWebSocketClientFactory
from autobahn.wamp.auth import create_authenticator
from autobahn.wamp.exception import ApplicationError, TransportLost
from autobahn.wamp.serializer import JsonSerializer
from autobahn.wamp.types import CloseDetails, ComponentConfig
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IAddress, IProtocolFactory
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override

from txengineio.cluster.broker.attempts import line_of
from txengineio.cluster.broker.interfaces import BrokerAway, BrokerRefused
from txengineio.cluster.packets import MAX_MESSAGE
from txengineio.cluster.wamp.urls import WampURL

__all__ = ["LOGIN_TIMEOUT", "SessionUser", "WampRefused", "asked", "session_factory"]

LOGIN_TIMEOUT: Final = 10.0
"""Seconds from the connection until all topics are subscribed to."""

_CLOSE_TIMEOUT: Final = 1.0

_LARGEST: Final = 2 * MAX_MESSAGE
"""Bytes of JSON that the router may send at once: those of a frame are in base64."""

_DENIED: Final = ("wamp.error.not_authorized", "wamp.error.authorization_failed")
_NOT_YET: Final = "wamp.error.no_such_realm"
_CLOSE: Final = "wamp.close."
_KNOWN: Final = (
    CloseDetails.REASON_DEFAULT,
    CloseDetails.REASON_TRANSPORT_LOST,
)


class WampRefused(BrokerRefused):
    """The router has answered with an error.

    Args:
        text: What it said, in one line.
        error: The URI of the error.

    Attributes:
        error: As given.
        is_denied: Whether the node has no right to do that.
    """

    def __init__(self, text: str, error: str) -> None:
        # A router that starts makes its realms one after the other.
        super().__init__(text, is_transient=error == _NOT_YET)
        self.error = error
        self.is_denied = error in _DENIED


class SessionUser(typing.Protocol):
    """What a session tells."""

    def made(self, transport: Any) -> None:
        """Note that there is a connection."""

    def joined(self, session: Any) -> None:
        """Note that the session has joined the realm."""

    def ended(self, problem: BrokerAway | BrokerRefused) -> None:
        """Note that the router ends the session, or begins none."""

    def lost(self, reason: Failure) -> None:
        """Note that there is no connection any more."""


class _Session(ApplicationSession):
    def __init__(self, url: WampURL, user: SessionUser) -> None:
        super().__init__(ComponentConfig(url.realm))
        self._url = url
        self._user = user

    @override
    def onConnect(self) -> None:
        url = self._url
        if url.username is None:
            self.join(url.realm, ["anonymous"])
        else:
            self.join(url.realm, [url.method], url.username)

    @override
    def onChallenge(self, challenge: Any) -> str:
        url = self._url
        if challenge.method != url.method or url.password is None:
            raise ValueError(f"the router asks for {challenge.method}")
        if url.method == "ticket":
            return url.password
        answerer = create_authenticator(
            "wampcra", authid=url.username, secret=url.password
        )
        answer: str = answerer.on_challenge(self, challenge)
        return answer

    @override
    def onJoin(self, details: object) -> None:
        self._user.joined(self)

    @override
    def onLeave(self, details: Any) -> None:
        reason: str = details.reason
        said = f": {' '.join(details.message.split())}" if details.message else ""
        if not reason.startswith(_CLOSE):
            text = f"no session in the realm {self._url.realm}: {reason}{said}"
            self._user.ended(WampRefused(text, reason))
        elif reason not in _KNOWN:
            self._user.ended(BrokerAway(f"the session is over: {reason}{said}"))
        self.disconnect()


class _Connection(Protocol):
    """Tells of the connection, whether a WebSocket comes of it or not.

    To that, the transport stays what it is: Autobahn asks it about TLS.
    """

    transport: Any

    def __init__(self, websocket: Any, user: SessionUser) -> None:
        self._websocket = websocket
        self._user = user

    @override
    def connectionMade(self) -> None:
        self._user.made(self.transport)
        self._websocket.makeConnection(self.transport)

    @override
    def dataReceived(self, data: bytes) -> None:
        self._websocket.dataReceived(data)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._websocket.connectionLost(reason)
        self._user.lost(reason)


class _Connections(Factory):
    noisy = False

    def __init__(self, factory: Any, user: SessionUser) -> None:
        self._factory = factory
        self._user = user

    @override
    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return _Connection(self._factory.buildProtocol(addr), self._user)


def session_factory(url: WampURL, user: SessionUser, reactor: Any) -> IProtocolFactory:
    """Return what makes a session of each connection.

    Args:
        url: As whom to talk to the router.
        user: Is told what happens.
        reactor: The reactor.
    """
    factory = WampWebSocketClientFactory(
        lambda: _Session(url, user),
        url=url.address,
        reactor=reactor,
        serializers=[JsonSerializer()],
    )
    factory.setProtocolOptions(
        maxFramePayloadSize=_LARGEST,
        maxMessagePayloadSize=_LARGEST,
        openHandshakeTimeout=LOGIN_TIMEOUT,
        closeHandshakeTimeout=_CLOSE_TIMEOUT,
    )
    return _Connections(factory, user)


def asked(what: str, ask: Callable[[], Deferred[Any]]) -> Deferred[Any]:
    """Ask the router for something.

    Args:
        what: What that is, for errors.
        ask: Asks by a session.

    Returns:
        Fires with the answer; fails with `WampRefused` or `BrokerAway`.
    """
    try:
        answered = ask()
    except TransportLost:
        return fail(BrokerAway("the connection to the router is lost"))
    return answered.addErrback(_translate, what)


def _translate(failure: Failure, what: str) -> None:
    problem = failure.value
    if isinstance(problem, TransportLost):
        raise BrokerAway("the connection to the router is lost") from problem
    if not isinstance(problem, ApplicationError):
        failure.raiseException()
    if problem.error.startswith(_CLOSE):
        raise BrokerAway(f"the session is over: {problem.error}") from problem
    error: str = problem.error
    if error in _DENIED:
        text = f"the router does not let this node {what} ({error})"
    else:
        text = f"{what}: {line_of(failure)}"
    raise WampRefused(text, error) from problem
