"""A client's session: the parts that a server's session does not have."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from twisted.internet.defer import Deferred
from typing_extensions import override

from txengineio.errors import CloseReason
from txengineio.protocol.codec import Codec
from txengineio.protocol.handshake import Handshake
from txengineio.protocol.packets import PacketData, PacketType
from txengineio.protocol.states import PacketAction, ReadyState, Role
from txengineio.session.base import BaseSession
from txengineio.session.interfaces import IPacketTransport, ISessionOwner

__all__ = ["ClientSession"]


class ClientSession(BaseSession):
    """One session with a server; used like a server's `Session`.

    Attributes:
        handshake: What the server said when the session opened.
        remote_address: The server's name or address, as in the URL.
    """

    role: ClassVar[Role] = Role.CLIENT

    EVENTS = BaseSession.EVENTS | {"upgrade_error"}

    __slots__ = ("handshake", "remote_address")

    def __init__(
        self,
        handshake: Handshake,
        *,
        engine: ISessionOwner,
        codec: Codec,
        transport: IPacketTransport,
        remote_address: str,
    ) -> None:
        super().__init__(handshake.sid, engine=engine, codec=codec, transport=transport)
        self.handshake = handshake
        self.remote_address = remote_address

    @property
    @override
    def ping_interval(self) -> float:
        return self.handshake.ping_interval

    @property
    @override
    def ping_timeout(self) -> float:
        return self.handshake.ping_timeout

    @property
    def certificate(self) -> Any:
        """The server's certificate: an ``OpenSSL.crypto.X509``, or None without TLS.

        None also where an ``agent`` of the application's makes the requests.
        """
        return cast(Any, self.transport).certificate()

    def open(self) -> None:
        """Begin to watch the heartbeat; the server has opened the session."""
        self.opened()
        # An observer may have closed it.
        if self.closed is None:
            self._heartbeat.start(self)

    @override
    def close(self, discard: bool = False) -> Deferred[CloseReason]:
        if self.upgrade_attempt is not None:
            # The remaining messages go out on the session's transport.
            self.upgrade_attempt.session_ended()
        return super().close(discard)

    @override
    def drained_for_close(self) -> None:
        # After an early goodbye, the server would refuse messages that are on their
        # way.
        if not self.send_queue.in_flight:
            super().drained_for_close()

    @override
    def packet_received(self, packet_type: PacketType, data: PacketData) -> None:
        if (
            self.ready_state is ReadyState.CLOSING
            and self._close_call is None
            and self._actions[packet_type] is PacketAction.ANSWER_PING
        ):
            # The server must not give up while the last messages are on their way.
            self._heartbeat.start(self)
            self.send_queue.put((PacketType.PONG, None, True, None))
            return
        super().packet_received(packet_type, data)
