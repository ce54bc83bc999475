"""One client of a `MemoryEngine`, and all that can happen to it."""

from __future__ import annotations

from typing import Any, Generic, Protocol

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from typing_extensions import TypeVar

from txengineio.application import EngineIOProtocol
from txengineio.client.session import ClientSession
from txengineio.server.session import Session
from txengineio.testing.network import MemoryEndpoints
from txengineio.testing.recording import RecordingProtocol

__all__ = ["MemoryClient"]

_STEP = 0.05
_MAX_STEPS = 10_000

ProtocolT = TypeVar("ProtocolT", bound=EngineIOProtocol, default=RecordingProtocol)


class _Memory(Protocol):
    def flush(self) -> None: ...

    def advance(self, seconds: float) -> None: ...

    def server_session(self, sid: str) -> Session: ...


class MemoryClient(Generic[ProtocolT]):
    """A client: its protocol, its session, and its way to the server.

    ``MemoryEngine.connect`` makes it. Whatever a method does has arrived when it
    returns.

    Attributes:
        endpoints: The client's way to the server.
        connecting: What ``txengineio.connect`` has returned.
    """

    def __init__(self, memory: _Memory, endpoints: MemoryEndpoints) -> None:
        self.endpoints = endpoints
        self.connecting: Deferred[ProtocolT]
        self._memory = memory
        self._result: list[ProtocolT | Failure] = []

    def begin(self, connecting: Deferred[ProtocolT]) -> None:
        """Take what ``txengineio.connect`` has returned."""
        self.connecting = connecting
        connecting.addBoth(self._finished)

    def _finished(self, result: Any) -> Any:
        self._result.append(result)
        # A failure is raised by `protocol`, not logged.
        return None if isinstance(result, Failure) else result

    @property
    def is_connecting(self) -> bool:
        """Whether the session neither is open yet nor could not be opened."""
        return not self._result

    @property
    def has_session(self) -> bool:
        """Whether the session could be opened; it may be over."""
        return bool(self._result) and not isinstance(self._result[0], Failure)

    @property
    def protocol(self) -> ProtocolT:
        """The client's protocol.

        Raises:
            ConnectFailed: The session could not be opened; or whatever else has gone
                wrong.
            AssertionError: It is not open yet.
        """
        if not self._result:
            raise AssertionError(
                "the client is still connecting: call flush or advance"
            )
        result = self._result[0]
        if isinstance(result, Failure):
            result.raiseException()
        return result

    @property
    def session(self) -> ClientSession:
        """The client's session."""
        session = self.protocol.session
        assert isinstance(session, ClientSession)
        return session

    @property
    def server_session(self) -> Session:
        """The server's end of the session; its ``protocol`` is the application's."""
        return self._memory.server_session(self.session.id)

    @property
    def messages(self: MemoryClient[RecordingProtocol]) -> list[str | bytes]:
        """The messages that the client has got, if it has a `RecordingProtocol`."""
        return self.protocol.messages

    # --- what the client does ---------------------------------------------------------

    def send(self, *messages: str | bytes) -> None:
        """Send messages, one after the other."""
        for message in messages:
            self.session.send(message)
        self._memory.flush()

    def close(self) -> None:
        """Close the session, after what was sent has left."""
        self.session.close()
        self._memory.flush()

    def finish_upgrade(self) -> None:
        """Let time pass until no attempt to move the session to WebSocket goes on."""
        for _ in range(_MAX_STEPS):
            if self.session.upgrade_attempt is None:
                return
            self._memory.advance(_STEP)
        raise AssertionError("an attempt to upgrade the session does not end")

    def upgrade(self) -> None:
        """Let time pass until the session has moved from polling to WebSocket.

        ``connect`` has done so; this is for `MemoryEngine.start_connecting`.

        Raises:
            AssertionError: It does not move.
        """
        self.finish_upgrade()
        session = self.session
        if not session.upgraded:
            raise AssertionError(
                f"the session stays on {session.transport.name}, and is "
                f"{session.ready_state.value}"
            )

    # --- what happens to it -----------------------------------------------------------

    def drop(self) -> None:
        """Break the client's connections; both sides are told."""
        self.endpoints.drop()
        self._memory.flush()

    def cut(self) -> None:
        """Let nothing arrive any more, and nobody be told, as if a cable were pulled.

        The heartbeat finds out: let time pass.
        """
        self._memory.flush()
        self.endpoints.cut()

    def mend(self) -> None:
        """Undo `cut`; what was sent meanwhile arrives, if nobody has given up."""
        self.endpoints.mend()
        self._memory.flush()

    def stop_reading(self) -> None:
        """Let the client read nothing from its sockets; what is sent to it waits."""
        self._memory.flush()
        self.endpoints.stop_reading()

    def start_reading(self) -> None:
        """Let the client read what was kept back, and go on."""
        self.endpoints.start_reading()
        self._memory.flush()

    def lose_poll(self) -> None:
        """Break the connection on which the client waits for messages, and no other.

        Raises:
            AssertionError: No poll is waiting; the session may be on WebSocket.
        """
        self._memory.flush()
        polls = [
            each for each in self.endpoints.open_connections if each.carries_a_poll
        ]
        if not polls:
            raise AssertionError(
                f"no poll is waiting: the session is on {self.session.transport.name}"
            )
        for connection in polls:
            connection.lose()
        self._memory.flush()
