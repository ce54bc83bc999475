"""The exceptions of the package, the wire's error codes and the reasons a session ends.

::

    EngineIOError
    ├── Refusal                       a request is answered with this instead
    ├── ProtocolError
    │   ├── LocalProtocolError        our caller broke a rule
    │   └── RemoteProtocolError       the peer did
    │       ├── PacketDecodeError
    │       ├── PayloadTooLarge
    │       └── RequestRejected       a Refusal, too
    ├── BufferOverflow                a peer does not read what it is sent
    ├── TransportError                a transport failed under a session
    ├── SessionClosed                 the session is over
    ├── ConnectFailed                 a client could not open a session
    ├── JoinFailed                    an engine could not become one of a cluster
    └── InvalidOption                 an option has a bad value, an argument a bad type
        └── UnknownOption             there is no option of that name
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import IntEnum, StrEnum, unique
from typing import Any

from typing_extensions import override

__all__ = [
    "BufferOverflow",
    "CloseReason",
    "ConnectCause",
    "ConnectFailed",
    "EngineIOError",
    "ErrorCode",
    "InvalidOption",
    "JoinFailed",
    "LocalProtocolError",
    "PacketDecodeError",
    "PayloadTooLarge",
    "ProtocolError",
    "Refusal",
    "RemoteProtocolError",
    "RequestRejected",
    "SessionClosed",
    "TransportError",
    "UnknownOption",
    "advice_in",
]


_MORE_BYTES = "to allow it, raise max_http_buffer_size (--max-http-buffer-size)"
_OLD_CLIENT = "allow_eio3 (--allow-eio3) serves clients of revision 3"
_SHOWN_OF_A_SID = 7  # with the quotation mark
_SHOWN_OF_A_VALUE = 100


@unique
class ErrorCode(IntEnum):
    """Why a request was refused: the ``code`` of the JSON body, which it equals."""

    UNKNOWN_TRANSPORT = 0
    UNKNOWN_SID = 1
    BAD_HANDSHAKE_METHOD = 2
    BAD_REQUEST = 3
    FORBIDDEN = 4
    UNSUPPORTED_PROTOCOL_VERSION = 5

    @property
    def message(self) -> str:
        """The fixed text that goes with the code in the JSON body."""
        return _MESSAGES[self]

    @property
    def status(self) -> int:
        """The HTTP status that a request refused with this code is answered with."""
        return 403 if self is ErrorCode.FORBIDDEN else 400


_MESSAGES = {
    ErrorCode.UNKNOWN_TRANSPORT: "Transport unknown",
    ErrorCode.UNKNOWN_SID: "Session ID unknown",
    ErrorCode.BAD_HANDSHAKE_METHOD: "Bad handshake method",
    ErrorCode.BAD_REQUEST: "Bad request",
    ErrorCode.FORBIDDEN: "Forbidden",
    ErrorCode.UNSUPPORTED_PROTOCOL_VERSION: "Unsupported protocol version",
}


@unique
class CloseReason(StrEnum):
    """Why a session ended: the reference implementation's text, which it equals."""

    TRANSPORT_CLOSE = "transport close"
    """The peer said goodbye, or its WebSocket went away."""
    TRANSPORT_ERROR = "transport error"
    """A transport failed, or the peer broke a transport's rules."""
    PING_TIMEOUT = "ping timeout"
    """The peer did not answer a heartbeat in time."""
    PARSE_ERROR = "parse error"
    """The peer sent something that is not a packet."""
    FORCED_CLOSE = "forced close"
    """This side closed the session."""
    BUFFER_OVERFLOW = "buffer overflow"
    """More data waited for a peer that does not read than is allowed."""


@unique
class ConnectCause(StrEnum):
    """What kept a client from opening a session; each equals its text."""

    DNS = "the host's name was not found"
    REFUSED = "the connection was refused"
    UNREACHABLE = "there is no way to the host"
    CONNECT_TIMEOUT = "no connection was made in time"
    TLS = "the TLS connection failed"
    CONNECTION_LOST = "the connection was lost"
    RESPONSE_TIMEOUT = "the server did not answer in time"
    OPEN_TIMEOUT = "the server did not open the session in time"
    HTTP_STATUS = "the server answered with an HTTP error"
    NOT_ENGINE_IO = "the server does not speak Engine.IO"
    WRONG_VERSION = "the server speaks another revision of the protocol"
    FORBIDDEN = "the server does not let this client in"
    REJECTED = "the server refused the request"
    TOO_LARGE = "the server sent more than is allowed"
    NO_PROTOCOL = "the factory built no protocol for the session"
    FAILED = "the attempt failed"


class EngineIOError(Exception):
    """Root of all exceptions that this package raises.

    Attributes:
        hint: What to change if this should not happen again, for a line in the log.
            Empty where there is no such advice, or where the text gives it already.
    """

    hint: str = ""


class ProtocolError(EngineIOError):
    """A rule of the Engine.IO protocol was broken."""


class LocalProtocolError(ProtocolError):
    """The caller asked for something that the protocol does not allow."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something that the protocol does not allow."""


class PacketDecodeError(RemoteProtocolError):
    """What was received is not a packet, or not a payload of packets.

    Args:
        problem: What was wrong and what was expected.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class PayloadTooLarge(RemoteProtocolError):
    """What was received is larger than allowed.

    Args:
        size: Bytes received or announced, as far as known.
        limit: Bytes allowed.
    """

    hint = _MORE_BYTES

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(size, limit)
        self.size = size
        self.limit = limit

    @override
    def __str__(self) -> str:
        return f"{self.size} bytes received, at most {self.limit} are allowed"


class BufferOverflow(EngineIOError):
    """More data is kept back for peers that do not read than is allowed.

    Args:
        size: Bytes that are kept back.
        limit: Bytes that may be.
        option: The name of the option that says so.
    """

    def __init__(self, size: int, limit: int, option: str) -> None:
        super().__init__(size, limit, option)
        self.size = size
        self.limit = limit
        self.option = option

    @override
    def __str__(self) -> str:
        return (
            f"{self.size} bytes wait for peers that do not read them, {self.option} "
            f"allows {self.limit}: send less (session.writable, when_drained), or "
            "raise it"
        )


class Refusal(EngineIOError):
    """A request is answered with this instead of what it asks for.

    Args:
        problem: What is wrong.
        status: The HTTP status of the answer.
        headers: The headers of the answer, beside those of its length.
        body: The body of the answer.

    Attributes:
        status: As above.
        headers: As above.
        body: As above.
        severity: The level of the line in the log, by its name; empty for no line.
        is_counted: Whether it is among the rejections of the engine's statistics.
        closes_connection: Whether the connection is closed after the answer.
    """

    severity: str = "info"
    is_counted: bool = True
    closes_connection: bool = False

    def __init__(
        self,
        problem: object,
        *,
        status: int,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> None:
        super().__init__(problem)
        self.status = status
        self.headers = headers or {}
        self.body = body

    @property
    def number(self) -> int:
        """The number it is counted under: the wire's code, or else the status."""
        return self.status

    def answered(self) -> None:
        """Do what must follow the answer; usually nothing."""


class RequestRejected(RemoteProtocolError, Refusal):
    """A request was refused before it reached a session.

    Args:
        code: The wire's error code.
        name: The reference implementation's name for the case, for codes that stand
            for several (``INVALID_ORIGIN``, ``TRANSPORT_MISMATCH`` …).
        message: Shown to the client instead of the code's own text.
        context: What was wrong: the offending value under its own name.
        hint: What the log adds: who refused it, or what to change.
    """

    def __init__(
        self,
        code: ErrorCode,
        *,
        name: str | None = None,
        message: str | None = None,
        context: Mapping[str, Any] | None = None,
        hint: str = "",
    ) -> None:
        said = {"code": code.value, "message": message or code.message}
        text = json.dumps(said, separators=(",", ":"), ensure_ascii=False)
        super().__init__(
            code,
            status=code.status,
            headers={"Content-Type": "application/json"},
            body=text.encode(),
        )
        self.code = code
        old_client = code is ErrorCode.UNSUPPORTED_PROTOCOL_VERSION
        self.hint = _OLD_CLIENT if old_client else hint
        self.message = message
        self.context: dict[str, Any] = dict(context or {})
        if name is not None:
            self.context = {"name": name, **self.context}

    @property
    @override
    def number(self) -> int:
        """The wire's code."""
        return self.code.value

    @override
    def __str__(self) -> str:
        details = ", ".join(
            f"{key}={_elided(key, value)}" for key, value in self.context.items()
        )
        return f"{self.code.message} ({details})" if details else self.code.message


def _elided(name: str, value: object) -> str:
    """Return a value as a log may show it: not long, and no whole session id."""
    text = repr(value)
    limit = _SHOWN_OF_A_SID if name == "sid" else _SHOWN_OF_A_VALUE
    return text if len(text) <= limit else text[:limit] + "…"


class TransportError(EngineIOError):
    """A transport failed under its session.

    Args:
        message: The reference implementation's text for the failure.
        description: The exception that caused it, if there is one. Its hint is this
            one's, too.
        peer_left: Whether the peer has just gone away, such as a browser whose tab is
            closed. That is not a fault, and leaves no line in the log.
        hint: What to change, if the description does not say it.
    """

    def __init__(
        self,
        message: str,
        description: object = None,
        *,
        peer_left: bool = False,
        hint: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.description = description
        self.peer_left = peer_left
        if not hint and isinstance(description, EngineIOError):
            hint = description.hint
        self.hint = hint

    @override
    def __str__(self) -> str:
        if self.description is None:
            return self.message
        return f"{self.message} ({self.description})"


class SessionClosed(EngineIOError):
    """The session is over, or it ended before what was waited for happened.

    Args:
        reason: Why it ended.
        description: What caused the end, where something did.
        said_goodbye: Whether the peer has said that it leaves, by a close packet;
            otherwise its connection was closed or lost without a word.
    """

    def __init__(
        self,
        reason: CloseReason,
        description: Exception | None = None,
        *,
        said_goodbye: bool = False,
    ) -> None:
        super().__init__(reason, description)
        self.reason = reason
        self.description = description
        self.said_goodbye = said_goodbye

    @override
    def __str__(self) -> str:
        if self.description is None:
            return self.reason.value
        return f"{self.reason.value}: {self.description}"


class ConnectFailed(EngineIOError):
    """A client could not open a session.

    Args:
        cause: What kept it from opening.
        message: What the server said, or what went wrong, in words.
        status: The HTTP status that the server answered with, if it did.
        code: The error code that it answered with: one that Engine.IO knows, as an
            `ErrorCode`, or another number.
        error: The exception that caused it, if there is one.
    """

    def __init__(
        self,
        cause: ConnectCause,
        message: str | None = None,
        *,
        status: int | None = None,
        code: ErrorCode | int | None = None,
        error: BaseException | None = None,
    ) -> None:
        super().__init__(cause, message, status, code)
        self.cause = cause
        self.message = message
        self.status = status
        self.code = code
        self.error = error

    @override
    def __str__(self) -> str:
        number = self.code.value if isinstance(self.code, ErrorCode) else self.code
        details = [
            *([] if self.status is None else [f"status {self.status}"]),
            *([] if number is None else [f"code {number}"]),
            *([] if self.message is None else [self.message]),
        ]
        text = self.cause.value
        return f"{text}: {', '.join(details)}" if details else text


class JoinFailed(EngineIOError):
    """An engine could not become one of a cluster; its text is one line."""


class InvalidOption(EngineIOError):
    """An option has a name that does not exist, or it or an argument a bad value.

    Args:
        name: The option's name.
        expected: What a good value looks like.
        got: The value that was given.
    """

    def __init__(self, name: str, expected: str, got: object) -> None:
        super().__init__(name, expected, got)
        self.name = name
        self.expected = expected
        self.got = got

    @override
    def __str__(self) -> str:
        return f"{self.name} must be {self.expected}, not {self.got!r}"


class UnknownOption(InvalidOption):
    """An option has a name that does not exist.

    Args:
        name: The name that was given.
        place: The group of options that it was given in; empty for none.
        advice: What to do instead.
    """

    def __init__(self, name: str, place: str, advice: str) -> None:
        super().__init__(name, advice, name)
        self.place = place

    @override
    def __str__(self) -> str:
        where = f" in {self.place}" if self.place else ""
        return f"there is no option {self.name!r}{where}: {self.expected}"


def advice_in(error: BaseException) -> str:
    """Return the advice that a line in the log adds; often there is none.

    Args:
        error: What the line is about.
    """
    hint = error.hint if isinstance(error, EngineIOError) else ""
    return f"; {hint}" if hint else ""
