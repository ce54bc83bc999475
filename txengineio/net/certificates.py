"""Who is at the other end of a TLS connection."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.interfaces import ISSLTransport

__all__ = ["certificate_of"]


def certificate_of(transport: object) -> Any:
    """Return the certificate that the peer of a connection has shown.

    Args:
        transport: The connection's transport, or anything else, which has none.

    Returns:
        An ``OpenSSL.crypto.X509``; None without TLS, before the handshake is done, and
        for a client that has shown none.
    """
    tls: Any = ISSLTransport(cast(Any, transport), None)
    return None if tls is None else tls.getPeerCertificate()
