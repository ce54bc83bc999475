"""What an application is: one protocol for each session, built by a Twisted factory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic
from typing import Protocol as TypingProtocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IProducer, IProtocolFactory
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import Buffer, TypeVar, override

from txengineio.errors import CloseReason, InvalidOption, SessionClosed
from txengineio.protocol.packets import Packet
from txengineio.protocol.states import ReadyState

__all__ = [
    "AnySession",
    "Application",
    "BuildsProtocols",
    "EngineIOProtocol",
    "SessionTransport",
    "factory_of",
]


class SessionTransport(TypingProtocol):
    """What an application may ask of a session's transport."""

    @property
    def name(self) -> str:
        """``polling`` or ``websocket``."""


class AnySession(TypingProtocol):
    """The interface of sessions on either side; nothing has to inherit from it.

    A server's is a ``txengineio.Session``, which also has ``engine`` and ``request``; a
    client's is a ``txengineio.ClientSession``, which also has ``handshake``.
    """

    @property
    def id(self) -> str:
        """The session's id: a credential, never to be shown whole."""

    @property
    def short_id(self) -> str:
        """What people get to see of the id: it tells sessions from others."""

    @property
    def upgraded(self) -> bool:
        """Whether the session has moved from polling to WebSocket."""

    @property
    def closed(self) -> SessionClosed | None:
        """Why the session ended; None while it has not."""

    @property
    def transport(self) -> SessionTransport:
        """The current transport."""

    @property
    def ready_state(self) -> ReadyState:
        """Where the session is in its life."""

    @property
    def protocol(self) -> EngineIOProtocol | None:
        """The application's; None before the session is open and after its end."""

    @property
    def protocol_revision(self) -> int:
        """The protocol revision that the session speaks: 3 or 4."""

    @property
    def remote_address(self) -> str | None:
        """The peer's address, as far as it has one."""

    @property
    def ping_interval(self) -> float:
        """Seconds between two heartbeats."""

    @property
    def ping_timeout(self) -> float:
        """Seconds that the peer has to show that it is alive."""

    @property
    def writable(self) -> bool:
        """Whether the peer keeps up: whether a message sent now can leave soon."""

    @property
    def buffered_bytes(self) -> int:
        """Bytes that wait for the peer."""

    @property
    def write_buffer(self) -> Sequence[Packet]:
        """The packets that have not left yet."""

    def send(
        self,
        message: str | Buffer,
        *,
        compress: bool = True,
        on_flushed: Callable[[SessionTransport], object] | None = None,
        pre_encoded_frame: bytes | None = None,
        volatile: bool = False,
    ) -> bool:
        """Send a message; see `txengineio.Session.send`."""

    def when_flushed(self) -> Deferred[None]:
        """Return a Deferred that fires when all that was sent so far was handed on."""

    def when_drained(self) -> Deferred[None]:
        """Return a Deferred that fires when the session is `writable`."""

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Let a producer send by `write`, as fast as the peer reads."""

    def unregisterProducer(self) -> None:
        """Forget the producer."""

    def write(self, data: str | Buffer) -> None:
        """Send a message; this is for producers."""

    def close(self, discard: bool = False) -> Deferred[CloseReason]:
        """End the session, once all messages have left unless ``discard``."""

    def when_closed(self) -> Deferred[CloseReason]:
        """Return a Deferred that fires with the reason when the session is over."""

    def on(self, event: str, handler: Callable[..., object]) -> Callable[..., object]:
        """Call ``handler`` each time that ``event`` happens."""

    def off(self, event: str, handler: Callable[..., object] | None = None) -> None:
        """Stop calling ``handler``, or every handler of ``event``."""


# Covariant, so that a protocol for one kind of session is an `EngineIOProtocol`.
SessionT_co = TypeVar(
    "SessionT_co", bound=AnySession, default=AnySession, covariant=True
)


class EngineIOProtocol(Protocol, Generic[SessionT_co]):
    """The application's side of one session; subclass it.

    ``Engine``, ``connect`` and ``EngineIOClientService`` build one for each session:
    from the class, or by a factory (anything that provides ``IProtocolFactory``, most
    simply ``Factory.forProtocol(YourProtocol)``). The same class works on a server and
    on a client.

    For type checkers, ``EngineIOProtocol`` has a session of either side (`AnySession`),
    ``EngineIOProtocol[Session]`` has a server's and ``EngineIOProtocol[ClientSession]``
    a client's.

    Attributes:
        session: The session; set before `connectionMade` is called.
    """

    session: SessionT_co

    # What these return is Any: a subclass may return nothing, a Deferred or a
    # coroutine, and `Factory.forProtocol` asks for None.

    @override
    def makeConnection(self, transport: Any) -> Any:
        """Take the open session and call `connectionMade`; the framework calls this."""
        self.connected = 1
        self.session = transport
        return self.connectionMade()

    @override
    def connectionMade(self) -> Any:
        """Handle the session's opening.

        Like the other callbacks, it may return a Deferred or be a coroutine function; a
        failure is logged.
        """

    def messageReceived(self, message: str | bytes) -> object:
        """Handle a message: ``str`` is text, ``bytes`` is binary.

        Messages come in the order in which the peer sent them. When this returns a
        Deferred or is a coroutine function, the next message of the session waits until
        it is done.
        """

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> Any:
        """Handle the session's end; called exactly once, after the last message.

        Args:
            reason: Wraps a `SessionClosed`, whose ``reason`` is a `CloseReason`.
        """


class BuildsProtocols(TypingProtocol):
    """A factory, for type checkers that know nothing of zope.interface.

    Its protocols are `EngineIOProtocol`; ``Factory.forProtocol`` does not always tell
    type checkers so.
    """

    def buildProtocol(self, addr: IAddress | None) -> object:
        """Return the protocol of a new session, or None to refuse it."""


Application = type[EngineIOProtocol] | BuildsProtocols | IProtocolFactory
"""What can be served or connected: a class of protocols, or a factory of them."""


def factory_of(application: object, name: str = "application") -> IProtocolFactory:
    """Return the factory of an application's protocols.

    Args:
        application: An `Application`; everything else is refused.
        name: What to call it in an error.

    Raises:
        InvalidOption: It is none.
    """
    if isinstance(application, type):
        if issubclass(application, EngineIOProtocol):
            return _quiet_factory(application)
    elif _builds_protocols(application):
        return application  # type: ignore[return-value]  # as was just checked
    expected = (
        "an EngineIOProtocol subclass, or a factory of such protocols, as "
        "Factory.forProtocol(YourProtocol) makes it"
    )
    raise InvalidOption(name, expected, application)


def _builds_protocols(application: object) -> bool:
    if not callable(getattr(application, "buildProtocol", None)):
        return False
    # Twisted's factories build what this names; other factories may build anything.
    protocol = getattr(application, "protocol", None)
    return not isinstance(protocol, type) or issubclass(protocol, EngineIOProtocol)


def _quiet_factory(protocol: type[EngineIOProtocol]) -> IProtocolFactory:
    """Return a factory of this protocol that does not log each time it starts."""
    factory = Factory.forProtocol(protocol)
    factory.noisy = False
    return factory
