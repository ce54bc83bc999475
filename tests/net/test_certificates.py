"""Who is at the other end: TLS is asked, and nothing else."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import ISSLTransport
from zope.interface import directlyProvides

from txengineio.net.certificates import certificate_of
from txengineio.testing import MemoryTransport


def test_tls_is_asked() -> None:
    transport: Any = MemoryTransport()
    directlyProvides(transport, ISSLTransport)
    certificate = object()
    transport.getPeerCertificate = lambda: certificate
    assert certificate_of(transport) is certificate


def test_nothing_else_is() -> None:
    assert certificate_of(MemoryTransport()) is None
    assert certificate_of(None) is None
