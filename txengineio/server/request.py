"""What the request that opened a session said, kept after the request is gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from twisted.internet.interfaces import IAddress
from twisted.web.http import Request
from twisted.web.http_headers import Headers

from txengineio.server.headers import received

__all__ = ["HandshakeRequest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HandshakeRequest:
    """The request that opened a session.

    Attributes:
        method: The HTTP method.
        uri: The request's target as it was sent: path and query.
        query: The parameters of the query; of a repeated one the last value.
        headers: The request's headers.
        client_address: Where the connection came from.
        secure: Whether it came over TLS.
    """

    method: str
    uri: str
    query: Mapping[str, str]
    headers: Headers
    client_address: IAddress
    secure: bool

    @classmethod
    def of(cls, request: Request, query: Mapping[str, str]) -> HandshakeRequest:
        """Keep what matters of a request."""
        return cls(
            method=request.method.decode("latin-1"),
            uri=request.uri.decode("latin-1"),
            query=query,
            headers=request.requestHeaders,
            client_address=request.getClientAddress(),
            secure=request.isSecure(),
        )

    @property
    def remote_address(self) -> str | None:
        """The peer's IP address; None for a connection that has none (Unix)."""
        return getattr(self.client_address, "host", None)

    def header(self, name: str) -> str | None:
        """Return the last value of a header, or None if it was not sent."""
        values = received(self.headers, name)
        return values[-1] if values else None
