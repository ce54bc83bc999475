"""Certificates for the tests: an authority, a server and a client."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import (
    serialize_key_and_certificates,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.interop.launch import LOOPBACK

__all__ = ["PASSPHRASE", "Certificates", "make_certificates"]

PASSPHRASE = "open sesame"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """Files: PEM, and for the client PKCS #12 too, encrypted with `PASSPHRASE`.

    The ones for another host or no host, expired, not yet valid and signed by itself
    are good in every other way.
    """

    authority: str
    server_key: str
    server: str
    other_host_key: str
    other_host: str
    expired_key: str
    expired: str
    future_key: str
    future: str
    self_signed_key: str
    self_signed: str
    nameless_key: str
    nameless: str
    client_key: str
    client: str
    client_pkcs12: str


@dataclass(frozen=True, slots=True)
class _Issued:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def write(self, folder: Path, name: str) -> tuple[str, str]:
        key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
        key.write_bytes(
            self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        certificate.write_bytes(self.certificate.public_bytes(Encoding.PEM))
        return str(key), str(certificate)


def _issue(
    name: str,
    extensions: list[x509.ExtensionType],
    issuer: _Issued | None = None,
    first_day: int = -1,
) -> _Issued:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = issuer.key if issuer else key
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=first_day))
        .not_valid_after(now + timedelta(days=first_day + 8))
    )
    identifiers = [
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
    ]
    for extension in [*extensions, *identifiers]:
        critical = isinstance(extension, x509.BasicConstraints | x509.KeyUsage)
        builder = builder.add_extension(extension, critical)
    return _Issued(key, builder.sign(signer, hashes.SHA256()))


def _signing_only() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )


def make_certificates(folder: Path) -> Certificates:
    """Make an authority, and a server and a client that it vouches for."""
    constraints = x509.BasicConstraints(ca=True, path_length=0)
    authority = _issue("Test authority", [constraints, _signing_only()])
    leaf = x509.BasicConstraints(ca=False, path_length=None)
    names = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), x509.IPAddress(ip_address(LOOPBACK))]
    )
    for_server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    server = _issue("localhost", [leaf, names, for_server], authority)
    elsewhere = x509.SubjectAlternativeName([x509.DNSName("elsewhere.example")])
    other = _issue("elsewhere.example", [leaf, elsewhere, for_server], authority)
    for_client = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    good = [leaf, names, for_server]
    others = {
        "expired": _issue("localhost", good, authority, first_day=-30),
        "future": _issue("localhost", good, authority, first_day=30),
        "self_signed": _issue("localhost", good),
        "nameless": _issue("localhost", [leaf, for_server], authority),
    }
    client = _issue("Test client", [leaf, for_client], authority)

    _, authority_file = authority.write(folder, "authority")
    server_key, server_file = server.write(folder, "server")
    other_key, other_file = other.write(folder, "other")
    client_key, client_file = client.write(folder, "client")
    pkcs12 = folder / "client.p12"
    encryption = BestAvailableEncryption(PASSPHRASE.encode())
    pkcs12.write_bytes(
        serialize_key_and_certificates(
            b"client", client.key, client.certificate, None, encryption
        )
    )
    files: dict[str, str] = {}
    for name, issued in others.items():
        files[f"{name}_key"], files[name] = issued.write(folder, name)
    return Certificates(
        **files,
        authority=authority_file,
        server_key=server_key,
        server=server_file,
        other_host_key=other_key,
        other_host=other_file,
        client_key=client_key,
        client=client_file,
        client_pkcs12=str(pkcs12),
    )
