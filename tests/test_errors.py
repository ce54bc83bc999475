"""The exceptions: what they hold, what they say, and the wire's codes."""

from __future__ import annotations

from inspect import isclass

import pytest

from txengineio import errors
from txengineio.errors import (
    CloseReason,
    ConnectCause,
    EngineIOError,
    ErrorCode,
    InvalidOption,
    LocalProtocolError,
    PacketDecodeError,
    PayloadTooLarge,
    ProtocolError,
    RemoteProtocolError,
    RequestRejected,
    SessionClosed,
    TransportError,
)


@pytest.mark.parametrize(
    ("code", "number", "message", "status"),
    [
        (ErrorCode.UNKNOWN_TRANSPORT, 0, "Transport unknown", 400),
        (ErrorCode.UNKNOWN_SID, 1, "Session ID unknown", 400),
        (ErrorCode.BAD_HANDSHAKE_METHOD, 2, "Bad handshake method", 400),
        (ErrorCode.BAD_REQUEST, 3, "Bad request", 400),
        (ErrorCode.FORBIDDEN, 4, "Forbidden", 403),
        (
            ErrorCode.UNSUPPORTED_PROTOCOL_VERSION,
            5,
            "Unsupported protocol version",
            400,
        ),
    ],
)
def test_the_codes_are_those_of_the_reference(
    code: ErrorCode, number: int, message: str, status: int
) -> None:
    assert (code.value, code.message, code.status) == (number, message, status)


def test_every_code_is_listed_here() -> None:
    assert {code.value for code in ErrorCode} == set(range(6))


def test_the_close_reasons_are_those_of_the_reference() -> None:
    assert {reason.value for reason in CloseReason} >= {
        "transport close",
        "transport error",
        "ping timeout",
        "parse error",
        "forced close",
    }


def test_everything_has_one_root() -> None:
    for name in errors.__all__:
        cls = getattr(errors, name)
        if isclass(cls) and issubclass(cls, Exception):
            assert issubclass(cls, EngineIOError)


@pytest.mark.parametrize(
    ("error", "kinds"),
    [
        (LocalProtocolError("x"), (ProtocolError,)),
        (PacketDecodeError("x"), (RemoteProtocolError, ProtocolError)),
        (PayloadTooLarge(2, 1), (RemoteProtocolError, ProtocolError)),
        (
            RequestRejected(ErrorCode.FORBIDDEN),
            (RemoteProtocolError, ProtocolError),
        ),
    ],
)
def test_protocol_errors_say_whose_fault_it_is(
    error: Exception, kinds: tuple[type[Exception], ...]
) -> None:
    for kind in kinds:
        assert isinstance(error, kind)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (PacketDecodeError("no digit"), "no digit"),
        (PayloadTooLarge(11, 10), "11 bytes received, at most 10 are allowed"),
        (RequestRejected(ErrorCode.FORBIDDEN), "Forbidden"),
        (
            RequestRejected(
                ErrorCode.BAD_REQUEST, name="TRANSPORT_MISMATCH", context={"a": "b"}
            ),
            "Bad request (name='TRANSPORT_MISMATCH', a='b')",
        ),
        (TransportError("write error"), "write error"),
        (SessionClosed(CloseReason.PING_TIMEOUT), "ping timeout"),
        (
            SessionClosed(CloseReason.TRANSPORT_ERROR, TransportError("overlap")),
            "transport error: overlap",
        ),
        (
            InvalidOption("ping_timeout", "a number of seconds", "soon"),
            "ping_timeout must be a number of seconds, not 'soon'",
        ),
    ],
)
def test_each_says_in_one_sentence_what_is_wrong(error: Exception, text: str) -> None:
    assert str(error) == text


def test_a_rejection_keeps_what_the_event_tells() -> None:
    context = {"transport": "tobi"}
    rejection = RequestRejected(
        ErrorCode.UNKNOWN_TRANSPORT, name="NAME", message="told", context=context
    )
    assert rejection.code is ErrorCode.UNKNOWN_TRANSPORT
    assert rejection.message == "told"
    assert list(rejection.context.items()) == [("name", "NAME"), ("transport", "tobi")]
    assert context == {"transport": "tobi"}


def test_enums_are_what_they_stand_for() -> None:
    assert str(CloseReason.TRANSPORT_CLOSE) == "transport close"
    assert f"{ConnectCause.REFUSED}" == "the connection was refused"
    assert CloseReason("ping timeout") is CloseReason.PING_TIMEOUT
    assert (ErrorCode.FORBIDDEN, str(ErrorCode.FORBIDDEN)) == (4, "4")


def test_the_others_keep_their_data() -> None:
    too_large = PayloadTooLarge(2, 1)
    assert (too_large.size, too_large.limit) == (2, 1)
    cause = ZeroDivisionError()
    transport = TransportError("message", cause)
    assert (transport.message, transport.description) == ("message", cause)
    closed = SessionClosed(CloseReason.TRANSPORT_ERROR, transport)
    assert (closed.reason, closed.description) == (
        CloseReason.TRANSPORT_ERROR,
        transport,
    )
    option = InvalidOption("name", "expected", "got")
    assert (option.name, option.expected, option.got) == ("name", "expected", "got")
    assert PacketDecodeError("problem").problem == "problem"
