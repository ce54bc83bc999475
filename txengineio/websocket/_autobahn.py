"""The door to Autobahn: all of its private and undocumented names are here.

A connection is one of Autobahn's protocols, so that an Autobahn factory builds what
takes the upgrades. Its frames are read by a `FrameReader`, and Autobahn does the rest:
it parses what the reader gives it, says what is wrong with it, closes connections, and
opens those of a client.

Nothing else inherits from its protocols, and no limit hangs on a method of theirs.
Names are those of Autobahn 26.10; ``tests/websocket/test_autobahn_names.py`` says what
stops working when one is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from importlib import import_module
from typing import Any, ClassVar, Final, cast

from autobahn.twisted.websocket import (
    WebSocketClientProtocol,
    WebSocketServerFactory,
    WebSocketServerProtocol,
)
from autobahn.websocket.compress_deflate import PerMessageDeflate
from autobahn.websocket.protocol import WebSocketProtocol
from autobahn.websocket.utf8validator import Utf8Validator
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from typing_extensions import override
from zope.interface import implementer

from txengineio.net.watched_connection import leaves_now
from txengineio.websocket.close_timeout import CloseTimeout
from txengineio.websocket.deflate import DeflateParameters
from txengineio.websocket.frames import (
    GOODBYES,
    encode_frame,
    encode_masked_frame,
    pong_frame,
)
from txengineio.websocket.interfaces import (
    IClientWebSocketOwner,
    IFrameReceiver,
    IWebSocketOwner,
)
from txengineio.websocket.limits import Excess, protocol_options
from txengineio.websocket.masking import use_native_masker
from txengineio.websocket.read_turns import ReadTurns
from txengineio.websocket.reader import End, FrameReader
from txengineio.websocket.writer import Writer

__all__ = [
    "OPEN",
    "TOO_BIG",
    "ClientConnection",
    "Connection",
    "ServerConnection",
]

OPEN: Final = WebSocketProtocol.STATE_OPEN
_CONNECTING: Final = WebSocketProtocol.STATE_CONNECTING
_CLOSED: Final = WebSocketProtocol.STATE_CLOSED

_GOING_AWAY: Final = WebSocketProtocol.CLOSE_STATUS_CODE_GOING_AWAY
_PROTOCOL_ERROR: Final = WebSocketProtocol.CLOSE_STATUS_CODE_PROTOCOL_ERROR
_POLICY_VIOLATION: Final = WebSocketProtocol.CLOSE_STATUS_CODE_POLICY_VIOLATION

TOO_BIG: Final = WebSocketProtocol.CLOSE_STATUS_CODE_MESSAGE_TOO_BIG
"""The close code sent to a peer whose message is too large."""


@implementer(IFrameReceiver)
class Connection(WebSocketProtocol):
    """The connection of one WebSocket of either side.

    Attributes:
        owner: The owner, until the connection is lost.
        reader: Reads its frames, until it is lost.
        encode_frame: Makes a frame of this side.
        state: Autobahn's; ``OPEN`` as long as frames can be sent.
        writer: Writes to it.
    """

    encode_frame: ClassVar[staticmethod[[str | bytes], bytes]]
    is_masked: ClassVar[bool]

    owner: IWebSocketOwner
    reader: FrameReader
    writer: Writer
    state: int

    # Autobahn has no annotations for these, or they leave None out.
    factory: Any
    remoteCloseCode: Any  # noqa: N815
    localCloseCode: Any  # noqa: N815
    # Twisted's interfaces do not say what a stream transport can do.
    transport: Any

    # Autobahn fires these; here the owner is told instead.
    is_open = is_closed = property(lambda _: Deferred())
    # Its logs name it.
    peer = property(lambda self: str(self.transport.getPeer()))

    _last_ping: bytes | None = None
    _close_timeout: CloseTimeout | None = None

    def __init__(self, factory: Any) -> None:
        # Not Autobahn's, which only prepares for listeners; there are none here.
        self.factory = factory

    def belong_to(self, owner: IWebSocketOwner) -> None:
        """Give the connection an owner, which gets the input and is told of events."""
        self.owner = owner
        self.reader = FrameReader(
            owner,
            self,
            self.factory.limits,
            is_masked=self.is_masked,
            short_path=self.factory.short_path,
        )

    # --- called by Twisted ------------------------------------------------------------

    def begin_writing(self) -> None:
        """Prepare to write; the connection is made."""
        self.writer = Writer(self.transport, short_path=self.factory.short_path)
        # What does not leave the process is kept by the owner, not by the transport.
        self.transport.registerProducer(self.owner, True)

    def dataReceived(self, data: bytes) -> None:
        """Let the owner have it read."""
        self.owner.data_received(data)
        if self.writer.ahead is not None:
            # Pongs that nothing else has taken along meanwhile.
            self.writer.flush()

    @cached_property
    def read_turns(self) -> ReadTurns:
        """When it reads. Most connections never ask: they pay nothing for it."""
        return ReadTurns(
            self.owner, self.reader, self.writer, self.transport, self.factory.turns
        )

    def let_go(self) -> None:
        """Let go of everything; the connection is lost, and the owner knows."""
        self.writer.stop()
        if self._close_timeout is not None:
            self._close_timeout.stop()
        self.reader.ended = End.CLOSED
        # Both refer to this: the cycle would wait for the garbage collector.
        del self.owner, self.reader
        vars(self).pop("read_turns", None)

    # --- for the owner ----------------------------------------------------------------

    def close(self) -> None:
        """Send a close frame, unless that is done."""
        if self.state == OPEN:
            self.sendCloseFrame()

    def answer_last_ping(self) -> None:
        """Answer the ping that has waited until the peer reads again."""
        if self._last_ping is not None:
            payload, self._last_ping = self._last_ping, None
            self.ping_received(payload)
            self.writer.flush()

    # --- IFrameReceiver ---------------------------------------------------------------

    def ping_received(self, payload: bytes) -> None:
        """Answer a ping, before anything else is sent."""
        if not self.owner.writable:
            # RFC 6455, section 5.5.3: an answer to the latest ping is enough. One for
            # each, for a peer that reads none, would fill the memory.
            self._last_ping = payload
        elif self.state == OPEN:
            self.writer.put_ahead(pong_frame(self.encode_frame(payload)))

    def close_received(self, code: int | None) -> None:
        """Answer a close frame, or take it for the answer that it is."""
        self.onCloseFrame(cast(int, code), cast(bytes, None))

    def frame_received(self, frame: bytes) -> None:
        """Let Autobahn read a frame."""
        self._dataReceived(frame)

    def violation_received(self, head: bytes) -> None:
        """Let Autobahn say what is wrong."""
        self._dataReceived(head)
        if self.reader.ended is None:
            self._fail_connection(_PROTOCOL_ERROR, "a frame that breaks a rule")

    def limit_exceeded(self, excess: Excess, limit: int) -> None:
        """Fail the connection: the peer does what is allowed, but too often."""
        self.reader.ended = End.FAILED
        if self.state == OPEN:
            # Not by `_fail_connection`: one line in the log is enough, the owner's.
            self.failedByMe = True
            self.sendCloseFrame(_POLICY_VIOLATION)
            self.owner.limit_exceeded(excess, limit)

    # --- called by Autobahn -----------------------------------------------------------

    @override
    def sendData(
        self, data: bytes, sync: bool = False, chopsize: int | None = None
    ) -> None:
        # Not Autobahn's: that counts octets, and describes each write for a log.
        self.writer.write(data)

    @override
    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if isBinary:
            self.owner.binary_received(payload)
        else:
            self.owner.text_received(payload.decode())

    @override
    def onPing(self, payload: bytes) -> None:
        self.ping_received(payload)

    @override
    def onCloseFrame(self, code: int, reasonRaw: bytes) -> bool | None:
        stop = super().onCloseFrame(code, reasonRaw)
        self.reader.ended = End.CLOSED
        return stop

    @override
    def sendCloseFrame(
        self,
        code: int | None = None,
        reasonUtf8: bytes | None = None,
        isReply: bool = False,
    ) -> None:
        self.owner.before_close()
        # Without a text: it would tell strangers about the server, and cost bytes.
        super().sendCloseFrame(code, None, isReply)
        self.writer.release()
        self._limit_closing()

    @override
    def _fail_connection(
        self, code: int = _GOING_AWAY, reason: str = "going away"
    ) -> None:
        if self.reader.ended is None:
            self.reader.ended = End.FAILED
        super()._fail_connection(code, reason)
        self.owner.websocket_failed(code, reason)

    def _closeConnection(self, abort: bool = False) -> None:  # noqa: N802
        self.reader.ended = End.CLOSED
        # Autobahn resets a connection even when both sides have said goodbye.
        if abort and not self.wasClean:
            self.transport.abortConnection()
        else:
            self.transport.loseConnection()
            if leaves_now(self.transport):
                return
        self._limit_closing()

    def _limit_closing(self) -> None:
        """See to it that the connection ends, even if the peer takes nothing more."""
        if self._close_timeout is None:
            self._close_timeout = CloseTimeout(self.transport, self.factory.reactor)
            self._close_timeout.start()


class ServerConnection(Connection, WebSocketServerProtocol):  # type: ignore[misc]  # as Autobahn's own classes
    """The connection of one WebSocket of a server.

    It starts with `accept`: the opening request has been read already.
    """

    encode_frame = staticmethod(encode_frame)
    is_masked = True

    # Text is checked while its fragments arrive: by a validator of its own.
    utf8validator = cached_property(lambda _: Utf8Validator())

    # These two are the factory's; all else that Autobahn sets on each new connection
    # is the same each time, and is set on this class below.
    maxFramePayloadSize = maxMessagePayloadSize = property(  # noqa: N815
        lambda self: self.factory.limits.max_size
    )

    def accept(self, response: bytes, deflate: DeflateParameters | None) -> None:
        """Prepare the answer to the opening request; the connection is made already.

        It leaves before what is sent first, or by ``writer.flush``.

        Args:
            response: The answer.
            deflate: The compression that was agreed on.
        """
        if deflate is not None:
            self.reader.is_compressed = True
            # Only for what comes in.
            self._perMessageCompress: Any = PerMessageDeflate(
                True,
                deflate.server_no_context_takeover,
                deflate.client_no_context_takeover,
                deflate.server_max_window_bits,
                deflate.client_max_window_bits,
                None,
            )
        self.state = OPEN
        self.writer.put_ahead(response)

    @override
    def connectionMade(self) -> None:
        # Not Autobahn's: that sets what the class has.
        self.factory.connections.add(self)
        self.begin_writing()

    @override
    def connectionLost(self, reason: Any = None) -> None:
        # Not Autobahn's: that handles timers, which are not used here.
        self.factory.connection_lost(self)
        self.state = _CLOSED
        self.owner.websocket_closed(False)
        self.let_go()

    @override
    def close_received(self, code: int | None) -> None:
        # What answers earlier messages goes out before.
        self.owner.before_close()
        goodbye = GOODBYES.get(code)
        if goodbye is None or self.state != OPEN:
            # Or the session has ended while those answers went out.
            super().close_received(code)
            return
        # What follows is all that Autobahn would do about a clean close.
        self.writer.write(goodbye)
        self.writer.release()
        self.state = _CLOSED
        self.wasClean = self.droppedByMe = True
        self.remoteCloseCode = self.localCloseCode = code
        self.transport.unregisterProducer()
        self._closeConnection()
        self.owner.websocket_closed(True)

    @override
    def onCloseFrame(self, code: int, reasonRaw: bytes) -> bool | None:
        stop = super().onCloseFrame(code, reasonRaw)
        if self.state != OPEN:
            # Now, not when the connection is gone: what is sent until then is lost.
            self.owner.websocket_closed(self.wasClean)
        return stop


def _set_defaults() -> None:
    """Set on the class what Autobahn sets on each connection that it opens.

    It looks up two dozen options and sets as many variables, nearly all to the same
    values each time: a third of a handshake, and most of a connection's memory.
    """
    sample: Any = WebSocketServerProtocol()
    sample.factory = WebSocketServerFactory(reactor=Clock())
    sample.factory.setProtocolOptions(**protocol_options(0))
    WebSocketProtocol._connectionMade(sample)
    sample.websocket_version = WebSocketProtocol.SUPPORTED_PROTOCOL_VERSIONS[-1]
    sample.inside_message = False
    sample.current_frame = None
    ours = {"factory", *vars(Connection), *vars(ServerConnection)}
    for name, value in vars(sample).items():
        if name not in ours:
            setattr(ServerConnection, name, value)


_set_defaults()


class ClientConnection(Connection, WebSocketClientProtocol):  # type: ignore[misc]  # as Autobahn's own classes
    """The connection of one WebSocket of a client."""

    encode_frame = staticmethod(encode_masked_frame)
    is_masked = False

    owner: IClientWebSocketOwner

    _is_refused = False

    http_response_data: bytes

    # --- called by Twisted ------------------------------------------------------------

    @override
    def connectionMade(self) -> None:
        # Not Autobahn's: that collects details of the transport that nobody reads here.
        with suppress(AttributeError, OSError):
            self.transport.setTcpNoDelay(True)
        self.begin_writing()
        self._connectionMade()

    @override
    def dataReceived(self, data: bytes) -> None:
        if self.state != _CONNECTING or self._is_refused:
            super().dataReceived(data)
            return
        try:
            self._dataReceived(data)
        except Exception as exc:
            if self.state != _CONNECTING:
                raise
            # Autobahn expects every server to speak HTTP.
            self.owner.opening_failed(exc)
        else:
            if self.state == _CONNECTING and not self._is_refused:
                self.owner.opening_continued(len(self.data))

    @override
    def connectionLost(self, reason: Any = None) -> None:
        self._connectionLost(reason)
        self.owner.connection_lost(reason)
        self.let_go()

    # --- called by Autobahn -----------------------------------------------------------

    @override
    def startHandshake(self) -> None:
        self._actuallyStartHandshake(self.factory.opening_request)

    @override
    def failHandshake(self, reason: str) -> None:
        self._is_refused = True
        self.wasNotCleanReason = reason
        data, self.data = self.data, b""
        self.owner.opening_refused(reason, data)

    @override
    def _onOpen(self) -> None:
        # Not Autobahn's: that looks at the certificate of a peer over TLS again.
        # Its parser would go on with the frames that are here already.
        data, self.data = self.data, b""
        self.owner.websocket_opened()
        if data and self.state != _CLOSED:
            super().dataReceived(data)

    @override
    def _onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self.owner.websocket_closed(wasClean)


def _native_masker() -> Callable[[bytes, bytes, int], bytes] | None:
    """Return Autobahn's extension for masking; None where it was built without.

    Autobahn's object around it takes longer to make than most payloads to mask.
    """
    extension: Any = None
    with suppress(ImportError):
        extension = import_module("_nvx_xormasker")
    if extension is None:
        return None
    library, buffer = extension.lib, extension.ffi.from_buffer

    def mask(payload: bytes, mask: bytes, length: int) -> bytes:
        data = bytearray(payload)
        masker = library.nvx_xormask_new(mask)
        library.nvx_xormask_process(masker, buffer(data), length)
        library.nvx_xormask_free(masker)
        return bytes(data)

    return mask


if (_masker := _native_masker()) is not None:
    use_native_masker(_masker)
