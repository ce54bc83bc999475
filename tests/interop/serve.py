"""Serve the application of the tests: ``python -m tests.interop.serve JSON``.

The argument is a `Launch` as JSON. One line of JSON with the port goes to standard
output when the server listens; the log goes to standard error. The server ends on
SIGTERM, and when its standard input closes: it cannot outlive the tests.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from OpenSSL import crypto
from prometheus_client import CollectorRegistry
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    SSL4ServerEndpoint,
    TCP4ServerEndpoint,
    UNIXServerEndpoint,
)
from twisted.internet.error import ReactorNotRunning
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.internet.protocol import Protocol
from twisted.internet.ssl import Certificate, CertificateOptions
from twisted.internet.stdio import StandardIO
from twisted.internet.task import react
from twisted.logger import globalLogBeginner, textFileLogObserver
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import File
from typing_extensions import override

from tests.interop.application import CommandsFactory
from tests.interop.launch import LOOPBACK, TLS, Launch
from txengineio import Engine, EngineIOResource
from txengineio.cluster.workers import Workers
from txengineio.integrations.inspector.pages import inspector_pages
from txengineio.integrations.metrics import EngineMetrics, MetricsResource
from txengineio.server.health import HealthResource
from txengineio.server.interfaces import ListeningPort
from txengineio.server.web.site import engine_site


class _UntilEndOfInput(Protocol):
    """Stops the reactor when standard input closes."""

    def __init__(self, stop: Callable[[], object]) -> None:
        self._stop = stop

    @override
    def connectionLost(self, reason: Failure | None = None) -> None:
        # The reactor closes its pipes too when it stops for another reason.
        with suppress(ReactorNotRunning):
            self._stop()


def _tls_context(tls: TLS) -> CertificateOptions:
    key = crypto.load_privatekey(crypto.FILETYPE_PEM, Path(tls.key).read_bytes())
    certificate = Certificate.loadPEM(Path(tls.certificate).read_bytes())
    if tls.client_ca is None:
        return CertificateOptions(privateKey=key, certificate=certificate.original)
    authority = Certificate.loadPEM(Path(tls.client_ca).read_bytes())
    return CertificateOptions(
        privateKey=key,
        certificate=certificate.original,
        # With a trust root, which is the newer way, a certificate is always required.
        verify=True,
        caCerts=[authority.original],
        requireCertificate=tls.client_required,
    )


def _endpoint(reactor: Any, launch: Launch) -> IStreamServerEndpoint:
    if launch.unix is not None:
        return UNIXServerEndpoint(reactor, launch.unix)
    if launch.tls is not None:
        context = _tls_context(launch.tls)
        return SSL4ServerEndpoint(reactor, launch.port, context, interface=LOOPBACK)
    return TCP4ServerEndpoint(reactor, launch.port, interface=LOOPBACK)


def _site(engine: Engine, other: Engine, folders: dict[str, str]) -> Site:
    root = File(folders[""]) if "" in folders else Resource()
    for path, folder in folders.items():
        if path:
            root.putChild(path.encode(), File(folder))
    root.putChild(b"engine.io", EngineIOResource(engine))
    root.putChild(b"other", EngineIOResource(other))
    root.putChild(b"healthz", HealthResource(engine))
    return Site(root)


def _pages(engine: Engine) -> dict[bytes, Resource]:
    """What people who run several nodes look at."""
    registry = CollectorRegistry()
    registry.register(EngineMetrics(engine))
    return {
        b"healthz": HealthResource(engine),
        b"metrics": MetricsResource(registry, engine),
        **inspector_pages(engine, "/engine.io/", echoes=True),
    }


async def _serve(reactor: Any, launch: Launch) -> None:
    engine = Engine(CommandsFactory(reactor), reactor=reactor, **launch.engine)
    engine.websockets.short_path = launch.short_path
    endpoint = _endpoint(reactor, launch)
    port: ListeningPort
    if launch.nodes is not None:
        workers = Workers(engine, Path(launch.nodes), reactor)
        reactor.addSystemEventTrigger("before", "shutdown", workers.stop)
        if launch.static is None:
            own = engine_site(engine, beside=_pages(engine), reactor=reactor)
            workers.serve(own)
            workers.start()
            port = await endpoint.listen(own)
        else:
            other = Engine(CommandsFactory(reactor), reactor=reactor)
            workers.start()
            port = await endpoint.listen(_site(engine, other, launch.static))
    elif launch.static is None and launch.short_path:
        port = await engine.listen(endpoint)
    elif launch.static is None:
        site = engine_site(engine, reactor=reactor)
        site.short_path = False
        port = await endpoint.listen(site)
    else:
        other = Engine(CommandsFactory(reactor), reactor=reactor)
        port = await endpoint.listen(_site(engine, other, launch.static))
    reactor.addSystemEventTrigger("before", "shutdown", port.stopListening)
    reactor.addSystemEventTrigger("before", "shutdown", engine.close)
    # A failure that nobody handled is logged when its Deferred is collected.
    reactor.addSystemEventTrigger("after", "shutdown", gc.collect)
    host = port.getHost()
    sys.stdout.write(json.dumps({"port": getattr(host, "port", None)}) + "\n")
    sys.stdout.flush()
    # This takes standard output too, so it comes after the line above.
    StandardIO(_UntilEndOfInput(reactor.stop), reactor=reactor)
    await Deferred()


def _main(reactor: Any, argument: str) -> Deferred[None]:
    globalLogBeginner.beginLoggingTo(
        [textFileLogObserver(sys.stderr)], redirectStandardIO=False
    )
    return Deferred.fromCoroutine(_serve(reactor, Launch.from_json(argument)))


if __name__ == "__main__":
    react(_main, sys.argv[1:])
