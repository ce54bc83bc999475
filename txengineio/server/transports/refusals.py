"""Refusals of sessions: requests that break the rules of a transport."""

from __future__ import annotations

from typing import Final

from typing_extensions import override

from txengineio.errors import Refusal, TransportError
from txengineio.server.session import Session

__all__ = ["OversizeBody", "SessionRefusal", "WrongMethod"]

_BAD_REQUEST: Final = 400
_METHOD_NOT_ALLOWED: Final = 405
_TOO_LARGE: Final = 413


class SessionRefusal(Refusal):
    """A request has cost its session, whose end says why in log and statistics.

    Args:
        problem: What is wrong.
        status: The HTTP status of the answer.
    """

    severity = ""
    is_counted = False

    def __init__(self, problem: object, status: int = _BAD_REQUEST) -> None:
        super().__init__(problem, status=status)


class OversizeBody(SessionRefusal):
    """A body is too large, and its session ends once the answer has left.

    Otherwise the client would learn of it by its parked poll, as of an ordinary end.

    Args:
        session: The session.
        error: What ends it.
    """

    closes_connection = True

    def __init__(self, session: Session, error: TransportError) -> None:
        super().__init__(error, _TOO_LARGE)
        self._session = session
        self._error = error

    @override
    def answered(self) -> None:
        """End the session."""
        self._session.transport_failed(self._error)


class WrongMethod(Refusal):
    """A request of a session is neither GET nor POST; that harms nobody."""

    def __init__(self, method: bytes) -> None:
        super().__init__(
            f"expected GET or POST, got {method.decode('latin-1')!r}",
            status=_METHOD_NOT_ALLOWED,
            headers={"Allow": "GET, POST"},
        )
