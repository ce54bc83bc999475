"""What went wrong, as errors that say so: network failures and servers' answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from OpenSSL.SSL import Error as TLSError
from service_identity import CertificateError as UnreadableCertificate
from service_identity import VerificationError
from twisted.internet.defer import CancelledError
from twisted.internet.error import (
    CertificateError,
    ConnectError,
    ConnectingCancelledError,
    ConnectionAborted,
    ConnectionClosed,
    ConnectionRefusedError,
    DNSLookupError,
    TimeoutError,
)
from twisted.web.client import (
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseFailed,
)
from twisted.web.http import PotentialDataLoss

from txengineio.client.http.certificates import UntrustedCertificate
from txengineio.client.http.http_client import Answer
from txengineio.errors import (
    ConnectCause,
    ConnectFailed,
    EngineIOError,
    ErrorCode,
    PacketDecodeError,
    PayloadTooLarge,
    RemoteProtocolError,
    RequestRejected,
)

__all__ = [
    "answer_error",
    "connect_failed",
    "not_engine_io",
    "refused",
    "unreadable",
]

_MAX_TEXT: Final = 200
"""Characters of a server's text that an error shows."""

_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_BAD_REQUEST: Final = 400
# The handshake of a server of revision 3, in a text and in a binary payload.
_REVISION_3: Final = re.compile(rb"\d+:0\{|\x00[\x00-\x09]+\xff0\{")
_REVISION_4: Final = re.compile(rb"0\{")

_CAUSES: Final = (
    (UntrustedCertificate, ConnectCause.TLS),
    (TLSError, ConnectCause.TLS),
    (CertificateError, ConnectCause.TLS),
    (UnreadableCertificate, ConnectCause.TLS),
    (VerificationError, ConnectCause.TLS),
    (DNSLookupError, ConnectCause.DNS),
    (ConnectionRefusedError, ConnectCause.REFUSED),
    (TimeoutError, ConnectCause.CONNECT_TIMEOUT),
    (ConnectError, ConnectCause.UNREACHABLE),
    (PayloadTooLarge, ConnectCause.TOO_LARGE),
    (PacketDecodeError, ConnectCause.NOT_ENGINE_IO),
    (ConnectionClosed, ConnectCause.CONNECTION_LOST),
    (ConnectionAborted, ConnectCause.CONNECTION_LOST),
    (PotentialDataLoss, ConnectCause.CONNECTION_LOST),
)
_WRAPPERS: Final = (RequestGenerationFailed, RequestTransmissionFailed, ResponseFailed)


def connect_failed(error: BaseException) -> ConnectFailed:
    """Return why no session was opened, from an exception of Twisted's.

    Raises:
        CancelledError: Nothing went wrong: the attempt was cancelled.
    """
    if isinstance(error, ConnectFailed):
        return error
    errors = list(_unwrap(error))
    for each in errors:
        if isinstance(each, (CancelledError, ConnectingCancelledError)):
            raise CancelledError from error
    # The order of the causes says which of several errors tells most.
    for kind, cause in _CAUSES:
        for each in errors:
            if isinstance(each, kind):
                return ConnectFailed(cause, _text(each), error=each)
    if isinstance(error, ResponseFailed):
        # The answer could not be parsed.
        return not_engine_io(_text(errors[0]), error=errors[0])
    return ConnectFailed(ConnectCause.FAILED, _text(error), error=error)


def _unwrap(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, _WRAPPERS):
        for failure in error.reasons:
            yield from _unwrap(failure.value)
    else:
        yield error


def _text(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    if isinstance(error, TLSError) and error.args and isinstance(error.args[0], list):
        # OpenSSL's errors: library, function and reason each.
        text = ", ".join(str(each[-1]) for each in error.args[0]) or text
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"


def not_engine_io(
    message: str, *, status: int | None = None, error: BaseException | None = None
) -> ConnectFailed:
    """Return the error for a server that speaks another protocol."""
    return ConnectFailed(
        ConnectCause.NOT_ENGINE_IO, message, status=status, error=error
    )


def unreadable(answer: Answer, revision: int, error: Exception) -> ConnectFailed:
    """Return why a handshake could not be read: another revision, or no Engine.IO."""
    pattern, other = (_REVISION_3, 3) if revision != 3 else (_REVISION_4, 4)  # noqa: PLR2004
    if pattern.match(answer.body):
        message = f"it answered in revision {other}; try revision={other}"
        return ConnectFailed(
            ConnectCause.WRONG_VERSION, message, status=answer.status, error=error
        )
    return not_engine_io(_text(error), status=answer.status, error=error)


def refused(answer: Answer) -> ConnectFailed:
    """Return why a server refused to open a session.

    Args:
        answer: Its answer, whose status is an error. Engine.IO's own are JSON objects
            with a code and a message; python-engineio's are JSON strings.
    """
    code, message = _read_refusal(answer)
    return ConnectFailed(
        _cause(answer.status, code, message), message, status=answer.status, code=code
    )


def _cause(
    status: int, code: ErrorCode | int | None, message: str | None
) -> ConnectCause:
    if code is ErrorCode.UNSUPPORTED_PROTOCOL_VERSION:
        return ConnectCause.WRONG_VERSION
    if code is ErrorCode.FORBIDDEN or status in (_UNAUTHORIZED, _FORBIDDEN):
        return ConnectCause.FORBIDDEN
    if code is not None:
        return ConnectCause.REJECTED
    if status == _BAD_REQUEST and message is not None:
        # python-engineio 4 has no codes.
        if "unsupported version" in message:
            return ConnectCause.WRONG_VERSION
        return ConnectCause.REJECTED
    return ConnectCause.HTTP_STATUS


def _read_refusal(answer: Answer) -> tuple[ErrorCode | int | None, str | None]:
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        return _read_text(answer.body)
    if isinstance(content, str):
        return None, content[:_MAX_TEXT]
    if not isinstance(content, dict):
        return None, None
    code, message = content.get("code"), content.get("message")
    if type(code) is not int:
        code = None
    elif code in {known.value for known in ErrorCode}:
        code = ErrorCode(code)
    return code, message[:_MAX_TEXT] if isinstance(message, str) else None


def _read_text(body: bytes) -> tuple[ErrorCode | None, str | None]:
    # engine.io refuses WebSockets with the message alone.
    text = body.decode(errors="replace").strip()
    for code in ErrorCode:
        if text == code.message:
            return code, text
    return None, text[:_MAX_TEXT] if text.isprintable() and "<" not in text else None


def answer_error(answer: Answer) -> EngineIOError:
    """Return what an answer with an error says about an open session."""
    code, message = _read_refusal(answer)
    if isinstance(code, ErrorCode):
        return RequestRejected(code, message=message)
    details = f": {message}" if message else ""
    return RemoteProtocolError(
        f"the server answered with status {answer.status}{details}"
    )
