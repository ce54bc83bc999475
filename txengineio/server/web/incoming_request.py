"""A request, as the code behind the door of ``twisted.web`` sees it.

There are two kinds: those of our own site, which do as little as possible, and those of
anybody's site. No code has to ask which of them a request is; `incoming` knows. What
the application gets (hooks, middlewares, events) is Twisted's request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from twisted.internet.interfaces import IAddress, IProtocol
from twisted.web.http import Request
from twisted.web.http_headers import Headers

from txengineio.errors import TransportError
from txengineio.server.web.body_limits import BodyLimits
from txengineio.server.web.request_parser import Fields

__all__ = ["IReceivesRequests", "IncomingRequest", "Upload"]


class IncomingRequest(Protocol):
    """One request, its answer, and its connection.

    Attributes:
        method: The HTTP method.
        uri: The target: path and query.
    """

    method: bytes
    uri: bytes

    @property
    def for_application(self) -> Request:
        """Twisted's request: what an application gets."""

    @property
    def version(self) -> bytes:
        """The version of HTTP: ``HTTP/1.1``."""

    # --- what it says -----------------------------------------------------------------

    @property
    def is_plain(self) -> bool:
        """Whether it is known to ask for no upgrade, and to be well-formed.

        Then nothing in its headers can be a reason to refuse a poll.
        """

    @property
    def upgrade(self) -> bytes:
        """What it asks to be upgraded to, in lower case; empty for nothing."""

    @property
    def has_origin(self) -> bool:
        """Whether there is an ``Origin``."""

    @property
    def is_explorer(self) -> bool:
        """Whether the client is an Internet Explorer."""

    @property
    def says_binary(self) -> bool:
        """Whether the body is said to be ``application/octet-stream``, and no more."""

    @property
    def received_fields(self) -> Fields | None:
        """The headers of one that came in one piece; None if they were not kept."""

    def header_values(self, name: bytes) -> Sequence[bytes]:
        """Return the values of a header, one for each line."""

    def select_headers(self, names: tuple[str, ...]) -> Mapping[str, list[str]]:
        """Return the values of some headers by their names, which are in lower case."""

    def copy_headers(self) -> Headers:
        """Return all headers, to be kept when the request is gone."""

    def body_size(self) -> int:
        """Return the number of bytes of the body."""

    def read_body(self) -> bytes:
        """Return the body."""

    # --- where it comes from ----------------------------------------------------------

    def peer(self) -> IAddress:
        """Return the address that the connection comes from."""

    def is_secure(self) -> bool:
        """Whether it came over TLS."""

    def certificate(self) -> Any:
        """Return the client's certificate: see `certificate_of`."""

    # --- its answer -------------------------------------------------------------------

    @property
    def answer_headers(self) -> Headers:
        """The headers that the answer has so far."""

    def has_headers(self) -> bool:
        """Whether there are any."""

    def headers_so_far(self) -> dict[str, Any]:
        """Return those headers and cookies of them that make sense on a 101."""

    @property
    def is_begun(self) -> bool:
        """Whether an answer has been begun."""

    @property
    def is_gone(self) -> bool:
        """Whether its connection is lost, or its answer complete."""

    def answer(
        self, status: int, headers: Mapping[str, Any] = ..., body: bytes = b""
    ) -> None:
        """Answer, and be done with it; if the request is gone nothing happens.

        Args:
            status: The HTTP status.
            headers: Names and values, without those of the body's length; a list of
                values makes as many lines.
            body: The whole body.
        """

    def refuse_and_close(self, status: int) -> None:
        """Answer with nothing but a status; close the connection if it is its own."""

    def end(self) -> None:
        """Complete an answer that has been begun."""

    def on_lost(self, act: Callable[[IncomingRequest], None]) -> None:
        """Call ``act`` when the connection is lost before the answer.

        One at a time may ask for it.
        """

    def abort(self) -> None:
        """Drop the connection, or reset the stream, if the body still arrives."""

    # --- its connection ---------------------------------------------------------------

    @property
    def channel(self) -> Any:
        """What it came over; see `txengineio.server.web._twisted.is_congested`."""

    def can_take_over(self) -> bool:
        """Whether it has a connection of its own."""

    def take_over(self, protocol: IProtocol) -> bytes:
        """Connect ``protocol`` to the connection; the request is never answered.

        Args:
            protocol: Gets ``makeConnection`` and from then on all that is received.

        Returns:
            What has already been received after the request; the caller hands it to the
            protocol when that is ready.
        """


class Upload(Protocol):
    """A request whose body arrives."""

    @property
    def is_refused(self) -> bool:
        """Whether it is refused already, so that its body is not wanted."""

    def complete(self) -> None:
        """Answer the request, now or later: its body is there."""

    def lost(self, error: TransportError) -> bool:
        """Note that the body will never be complete.

        Args:
            error: Why: the connection is lost, or the body goes beyond a limit.

        Returns:
            Whether a session ends for it.
        """


class IReceivesRequests(Protocol):
    """What answers requests: an engine."""

    @property
    def body_limits(self) -> BodyLimits:
        """The limits of the requests' bodies."""

    def handle_request(self, request: Request) -> None:
        """Answer a request that is complete, now or later, or take its connection."""

    def body_begun(self, request: IncomingRequest) -> Upload:
        """Note that a request's headers are complete and its body begins.

        A request that comes in one piece is handed over at once, without this.
        """
