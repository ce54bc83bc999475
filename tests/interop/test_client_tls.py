"""Our client over TLS: https and wss, and certificates that are not trusted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.ssl import (
    Certificate,
    PrivateCertificate,
    optionsForClientTLS,
)
from twisted.web.client import BrowserLikePolicyForHTTPS
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from tests.interop.certificates import Certificates, make_certificates
from tests.interop.client_peers import Peer, running_peer
from tests.interop.launch import TLS
from tests.interop.recorder import (
    MODES,
    each_mode,
    each_transport,
    failure_of,
    in_time,
    open_session,
)
from txengineio import CloseReason, ConnectCause

pytestmark = pytest.mark.socket

MESSAGES: list[str | bytes] = ["hello", b"\0\xff", "x" * 100_000, b"\1" * 100_000]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def trusting(certificates: Certificates) -> BrowserLikePolicyForHTTPS:
    """Trusts the authority of the tests, and no other."""
    authority = Certificate.loadPEM(Path(certificates.authority).read_bytes())
    return BrowserLikePolicyForHTTPS(trustRoot=authority)


@pytest.fixture(scope="module", params=["ours", "node"])
def peer(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[Peer]:
    if request.param == "node":
        request.getfixturevalue("node")
    tls = TLS(key=certificates.server_key, certificate=certificates.server)
    with running_peer(request.param, tls) as running:
        yield running


@pytest.fixture(scope="module", params=["ours", "node"])
def mistaken(
    request: pytest.FixtureRequest, certificates: Certificates
) -> Iterator[Peer]:
    """A server whose certificate is for another host."""
    if request.param == "node":
        request.getfixturevalue("node")
    tls = TLS(key=certificates.other_host_key, certificate=certificates.other_host)
    with running_peer(request.param, tls) as running:
        yield running


@each_mode
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("scheme", ["https", "wss"])
@pytest_twisted.ensureDeferred
async def test_messages_come_back(
    peer: Peer, trusting: BrowserLikePolicyForHTTPS, mode: str, scheme: str, host: str
) -> None:
    url = f"{scheme}://{host}:{peer.process.port}"
    client = await open_session(url, tls=trusting, **MODES[mode])
    if mode == "upgrade":
        await in_time(client.upgraded())
    for message in MESSAGES:
        client.session.send(message)
    assert await client.received(len(MESSAGES)) == MESSAGES
    assert client.session.upgraded is (mode == "upgrade")
    assert await in_time(client.session.close()) is CloseReason.FORCED_CLOSE


@each_transport
@pytest.mark.parametrize("scheme", ["https", "wss"])
@pytest_twisted.ensureDeferred
async def test_an_authority_that_is_not_trusted(
    peer: Peer, transport: str, scheme: str
) -> None:
    error = await failure_of(f"{scheme}://localhost:{peer.process.port}", transport)
    assert error.cause is ConnectCause.TLS
    assert "was issued by 'CN=Test authority', which is not trusted here" in str(error)


@each_transport
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest_twisted.ensureDeferred
async def test_a_certificate_for_another_host(
    mistaken: Peer, trusting: BrowserLikePolicyForHTTPS, transport: str, host: str
) -> None:
    url = f"https://{host}:{mistaken.process.port}"
    error = await failure_of(url, transport, tls=trusting)
    assert error.cause is ConnectCause.TLS
    assert host in str(error)


@each_transport
@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("other_host", "the certificate is for elsewhere.example, not for localhost"),
        ("expired", "the certificate of 'CN=localhost' expired on "),
        ("future", "the certificate of 'CN=localhost' is not valid before "),
        ("self_signed", "'CN=localhost' is signed by itself, and is not trusted"),
        ("nameless", "the certificate names no host that it is for"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_what_is_wrong_with_a_certificate_is_said(
    certificates: Certificates,
    trusting: BrowserLikePolicyForHTTPS,
    transport: str,
    kind: str,
    problem: str,
) -> None:
    key, certificate = (getattr(certificates, kind + end) for end in ("_key", ""))
    with running_peer("ours", TLS(key=key, certificate=certificate)) as server:
        url = f"https://localhost:{server.process.port}"
        error = await failure_of(url, transport, tls=trusting)
    assert error.cause is ConnectCause.TLS
    assert problem in str(error)


@each_transport
@pytest_twisted.ensureDeferred
async def test_a_server_without_tls(transport: str) -> None:
    with running_peer("ours") as plain:
        url = f"https://localhost:{plain.process.port}"
        error = await failure_of(url, transport, open_timeout=0.6)
    # It waits for the end of what it takes for a line, which random bytes may be.
    assert error.cause in (ConnectCause.RESPONSE_TIMEOUT, ConnectCause.TLS)


@each_transport
@pytest_twisted.ensureDeferred
async def test_a_server_that_wants_tls(peer: Peer, transport: str) -> None:
    error = await failure_of(f"http://localhost:{peer.process.port}", transport)
    assert error.cause in (
        ConnectCause.CONNECTION_LOST,
        ConnectCause.HTTP_STATUS,
        ConnectCause.NOT_ENGINE_IO,
    )


@implementer(IPolicyForHTTPS)
class WithCertificate:
    """Shows the client's certificate."""

    def __init__(self, certificates: Certificates) -> None:
        files = (certificates.client_key, certificates.client)
        pem = b"".join(Path(file).read_bytes() for file in files)
        self._own = PrivateCertificate.loadPEM(pem)
        authority = Path(certificates.authority).read_bytes()
        self._authority = Certificate.loadPEM(authority)

    def creatorForNetloc(self, hostname: bytes, _port: int) -> Any:
        return optionsForClientTLS(
            hostname.decode("ascii"),
            trustRoot=self._authority,
            clientCertificate=self._own,
        )


@pytest.fixture(scope="module")
def demanding(certificates: Certificates) -> Iterator[Peer]:
    """A server that refuses a client without a certificate."""
    tls = TLS(
        key=certificates.server_key,
        certificate=certificates.server,
        client_ca=certificates.authority,
        client_required=True,
    )
    with running_peer("ours", tls) as running:
        yield running


@each_mode
@pytest_twisted.ensureDeferred
async def test_a_client_with_a_certificate(
    demanding: Peer, certificates: Certificates, mode: str
) -> None:
    policy = WithCertificate(certificates)
    client = await demanding.open(tls=policy, **MODES[mode])
    client.session.send("hello")
    assert await client.received(1) == ["hello"]
    await in_time(client.session.close())


@each_transport
@pytest_twisted.ensureDeferred
async def test_a_client_without_the_certificate_that_the_server_wants(
    demanding: Peer, trusting: BrowserLikePolicyForHTTPS, transport: str
) -> None:
    error = await failure_of(demanding.process.url, transport, tls=trusting)
    assert error.cause is ConnectCause.TLS
