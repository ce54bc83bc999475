"""The request that opened a session, as it is kept when the request itself is gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, AnyStr, Final, NamedTuple

from twisted.internet.interfaces import IAddress
from twisted.web.http_headers import Headers

from txengineio.server.options.proxies import TrustedProxies
from txengineio.server.web.incoming_request import IncomingRequest

__all__ = ["HandshakeRequest", "client_address"]

_FORWARDED: Final = ("x-forwarded-for",)


class HandshakeRequest(NamedTuple):
    """The request that opened a session.

    Headers, cookies and addresses have the names that they have in Twisted's
    ``Request``, which is what ``allow_request`` gets, too.

    Attributes:
        method: The HTTP method.
        uri: The request's target as it was sent: path and query.
        query: The parameters of the query; of a repeated one the last value.
        headers: The request's headers.
        client_address: Where the connection came from.
        remote_address: The client's IP address: where the connection came from, or what
            a trusted proxy says; None if it has none (Unix).
        secure: Whether it came over TLS.
        user: Who the client is, if ``allow_request`` has said so by an `Admit`.
        certificate: The certificate that the client has shown, if the server has asked
            for one: an ``OpenSSL.crypto.X509``, or None.
    """

    method: str
    uri: str
    query: Mapping[str, str]
    headers: Headers
    client_address: IAddress
    remote_address: str | None
    secure: bool
    user: Any = None
    certificate: Any = None

    @classmethod
    def of(
        cls,
        request: IncomingRequest,
        query: Mapping[str, str],
        client: str | None,
        user: object,
    ) -> HandshakeRequest:
        """Keep the parts of a request that matter, with its user and address."""
        method = request.method
        secure = request.is_secure()
        return cls(
            # Kept as long as the session: nearly all have this one.
            method="GET" if method == b"GET" else method.decode("latin-1"),
            uri=request.uri.decode("latin-1"),
            query=query,
            headers=request.copy_headers(),
            client_address=request.peer(),
            remote_address=client,
            secure=secure,
            user=user,
            certificate=request.certificate() if secure else None,
        )

    def header(self, name: str) -> str | None:
        """Return the last value of a header, or None if it was not sent."""
        values = self.headers.getRawHeaders(name.encode("ascii"))
        return values[-1].decode("latin-1") if values else None

    @property
    def requestHeaders(self) -> Headers:
        """The request's headers."""
        return self.headers

    def getHeader(self, key: AnyStr) -> AnyStr | None:
        """Return the last value of a header, of its name's type; None without it."""
        values = self.headers.getRawHeaders(key)
        return values[-1] if values else None

    def getCookie(self, key: bytes) -> bytes | None:
        """Return the value of a cookie, or None if it was not sent."""
        return self.cookies.get(key)

    @property
    def cookies(self) -> Mapping[bytes, bytes]:
        """The cookies that the client sent; of a repeated one the last value."""
        lines = self.headers.getRawHeaders(b"cookie", [])
        pairs = [each.partition(b"=") for line in lines for each in line.split(b";")]
        return {name.strip(): value.strip() for name, equals, value in pairs if equals}

    def getClientAddress(self) -> IAddress:
        """Return where the connection came from; see `remote_address`, too."""
        return self.client_address

    def isSecure(self) -> bool:
        """Return whether the request came over TLS."""
        return self.secure


def client_address(request: IncomingRequest, proxies: TrustedProxies) -> str | None:
    """Return the IP address of the client of a request, as far as known."""
    host: str | None = getattr(request.peer(), "host", None)
    if not proxies.trusts(host):
        return host
    forwarded = request.select_headers(_FORWARDED)["x-forwarded-for"]
    return proxies.client_of(host, forwarded)
