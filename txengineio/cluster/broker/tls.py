"""How the server that nodes share proves, by TLS, who it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from OpenSSL.crypto import Error as CryptoError
from twisted.internet.endpoints import wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.ssl import (
    Certificate,
    optionsForClientTLS,
    trustRootFromCertificates,
)

from txengineio.cluster.broker.urls import BadBrokerURL

__all__ = ["read_trust", "with_tls"]

_PEM: Final = re.compile(
    rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL
)


def with_tls(
    endpoint: IStreamClientEndpoint, host: str, trust: Any
) -> IStreamClientEndpoint:
    """Return an endpoint that speaks TLS, and checks the certificate.

    Args:
        endpoint: Leads to the server.
        host: The name that the certificate has to be for.
        trust: Who may have signed it, see `read_trust`; None: those that the system
            trusts.
    """
    options = optionsForClientTLS(host, trustRoot=trust)
    wrapped: IStreamClientEndpoint = wrapClientTLS(options, endpoint)
    return wrapped


def read_trust(path: str) -> Any:
    """Read the certificates of those who sign servers'.

    Raises:
        BadBrokerURL: The file has none, or cannot be read.
    """
    try:
        found = _PEM.findall(Path(path).read_bytes())
        certificates = [Certificate.loadPEM(each) for each in found]
    except OSError as error:
        raise BadBrokerURL(f"?ca= names a file of certificates: {error}") from error
    except CryptoError as error:
        problem = f"?ca= names a file of certificates; one in {path} makes no sense"
        raise BadBrokerURL(problem) from error
    if not certificates:
        raise BadBrokerURL(f"?ca= names a file of certificates; {path} has none")
    return trustRootFromCertificates(certificates)
