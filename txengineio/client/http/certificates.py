"""Servers' certificates: checked as Twisted does, with errors that say what is wrong.

OpenSSL's own error, "certificate verify failed", does not give the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any, Final

from cryptography.x509 import (
    Certificate,
    DNSName,
    ExtensionNotFound,
    IPAddress,
    SubjectAlternativeName,
)
from OpenSSL.crypto import X509
from OpenSSL.SSL import Connection, X509VerificationCodes
from service_identity import CertificateError, VerificationError
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity
from service_identity.pyopenssl import extract_patterns
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from txengineio.errors import EngineIOError

__all__ = ["ExplainingCreator", "UntrustedCertificate"]

_Codes: Final = X509VerificationCodes


class UntrustedCertificate(EngineIOError):
    """A server's certificate was refused; the text says why."""


def _expired(certificate: Certificate) -> str:
    day = certificate.not_valid_after_utc.date().isoformat()
    return f"the certificate of {_holder(certificate)} expired on {day}"


def _not_yet_valid(certificate: Certificate) -> str:
    begin = certificate.not_valid_before_utc.isoformat(" ")
    return f"the certificate of {_holder(certificate)} is not valid before {begin}"


def _unknown_issuer(certificate: Certificate) -> str:
    issuer = certificate.issuer.rfc4514_string()
    return (
        f"the certificate of {_holder(certificate)} was issued by {issuer!r}, which "
        "is not trusted here"
    )


def _self_signed(certificate: Certificate) -> str:
    return (
        f"the certificate of {_holder(certificate)} is signed by itself, and is not "
        "trusted here"
    )


_PROBLEMS: Final[Mapping[int, Callable[[Certificate], str]]] = {
    _Codes.ERR_CERT_HAS_EXPIRED: _expired,
    _Codes.ERR_CERT_NOT_YET_VALID: _not_yet_valid,
    _Codes.ERR_UNABLE_TO_GET_ISSUER_CERT: _unknown_issuer,
    _Codes.ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY: _unknown_issuer,
    _Codes.ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: _unknown_issuer,
    _Codes.ERR_DEPTH_ZERO_SELF_SIGNED_CERT: _self_signed,
    _Codes.ERR_SELF_SIGNED_CERT_IN_CHAIN: _self_signed,
}


def _holder(certificate: Certificate) -> str:
    return repr(certificate.subject.rfc4514_string())


def _names(certificate: Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(
            SubjectAlternativeName
        )
    except ExtensionNotFound:
        return []
    names = extension.value
    addresses = names.get_values_for_type(IPAddress)
    return [*names.get_values_for_type(DNSName), *map(str, addresses)]


@implementer(IOpenSSLClientConnectionCreator)
class ExplainingCreator:
    """Makes TLS connections that fail with `UntrustedCertificate`.

    Args:
        creator: Makes the connections; its check of certificates is Twisted's, as that
            of ``optionsForClientTLS`` is, and is replaced by the same one with reasons.
        host: The name or address that the certificate must be for.
    """

    def __init__(self, creator: Any, host: str) -> None:
        self._creator = creator
        self._host = host

    def clientConnectionForTLS(  # noqa: N802  # Twisted's name
        self,
        tlsProtocol: TLSMemoryBIOProtocol,  # noqa: N803
    ) -> Connection:
        """Make the connection of a protocol."""
        connection: Connection = self._creator.clientConnectionForTLS(tlsProtocol)
        protocol: TLSMemoryBIOProtocol | None = tlsProtocol

        def verify(
            _connection: Connection, certificate: X509, code: int, depth: int, ok: int
        ) -> bool:
            nonlocal protocol
            problem = self._problem(certificate, code, depth, bool(ok))
            if problem is not None and protocol is not None:
                protocol.failVerification(Failure(UntrustedCertificate(problem)))
            if problem is not None or depth == 0:
                # That was the last one; the protocol knows the connection.
                protocol = None
            return problem is None

        connection.set_verify(connection.get_verify_mode(), verify)
        return connection

    def _problem(
        self, certificate: X509, code: int, depth: int, ok: bool
    ) -> str | None:
        try:
            if not ok:
                tell = _PROBLEMS.get(code)
                if tell is None:
                    return f"OpenSSL refuses the certificate with error {code}"
                return tell(certificate.to_cryptography())
            return self._name_problem(certificate) if depth == 0 else None
        except Exception as error:
            # If raised in OpenSSL's callback, it would get lost, and the certificate
            # pass.
            return f"the certificate cannot be read: {type(error).__name__}: {error}"

    def _name_problem(self, certificate: X509) -> str | None:
        try:
            verify_service_identity(
                extract_patterns(certificate), [_identity(self._host)], []
            )
        except CertificateError:
            return "the certificate names no host that it is for"
        except VerificationError:
            names = ", ".join(_names(certificate.to_cryptography()))
            return f"the certificate is for {names}, not for {self._host}"
        return None


def _identity(host: str) -> DNS_ID | IPAddress_ID:
    try:
        ip_address(host)
    except ValueError:
        return DNS_ID(host)
    return IPAddress_ID(host)
