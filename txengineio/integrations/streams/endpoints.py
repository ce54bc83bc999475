"""Sessions behind Twisted's interfaces of endpoints.

With them, any code that listens or connects by an endpoint does so over Engine.IO,
through proxies that know nothing but HTTP.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from twisted.python.failure import Failure
from typing_extensions import Unpack
from zope.interface import implementer

from txengineio.application import BuildsProtocols
from txengineio.client.connect import connect
from txengineio.client.options import ClientArguments, ClientOptions
from txengineio.client.target import parse_target
from txengineio.integrations.streams.factory import StreamFactory, StreamSession
from txengineio.reactor import AnyReactor
from txengineio.server.engine import Engine
from txengineio.server.interfaces import ServerEndpoint
from txengineio.server.options.engine import EngineArguments, EngineOptions
from txengineio.server.web.site import DEFAULT_PATH, path_segments

__all__ = ["EngineIOClientEndpoint", "EngineIOServerEndpoint"]


@implementer(IStreamServerEndpoint)
class EngineIOServerEndpoint:
    """Listens for sessions that carry stream protocols.

    Args:
        reactor: The reactor.
        endpoint: Where to listen for HTTP.
        path: The path of the engine; everything else gets 501.
        options: As for `Engine`.

    Raises:
        InvalidOption: An option does not exist, or its value makes no sense.
    """

    def __init__(
        self,
        reactor: AnyReactor,
        endpoint: ServerEndpoint | IStreamServerEndpoint,
        path: str = DEFAULT_PATH,
        **options: Unpack[EngineArguments],
    ) -> None:
        # What is wrong is told here, not only when it listens.
        EngineOptions.from_mapping(dict(options))
        path_segments(path)
        self._reactor = reactor
        self._endpoint = endpoint
        self._path = path
        self._options = options

    def listen(
        self, protocolFactory: BuildsProtocols | IProtocolFactory
    ) -> Deferred[IListeningPort]:
        """Serve a factory of stream protocols.

        Returns:
            Fires with the port. As with TCP, sessions go on when it stops to listen;
            those that poll cannot.
        """
        factory = StreamFactory(protocolFactory)
        engine = Engine(factory, reactor=self._reactor, **self._options)
        listening: Deferred[Any] = engine.listen(self._endpoint, self._path)
        return listening.addCallback(StreamPort, factory)


@implementer(IListeningPort)
class StreamPort:
    """The port of a factory of stream protocols, which is started and stopped with it.

    Args:
        port: The port of the site.
        factory: The factory.
    """

    def __init__(self, port: IListeningPort, factory: StreamFactory) -> None:
        self._port = port
        self._factory = factory
        factory.doStart()

    def startListening(self) -> None:
        """Listen again."""
        self._port.startListening()
        self._factory.doStart()

    def stopListening(self) -> Deferred[None] | None:
        """Take no more connections."""
        self._factory.doStop()
        return self._port.stopListening()

    def getHost(self) -> IAddress:
        """Return the address that it listens on."""
        return self._port.getHost()


@implementer(IStreamClientEndpoint)
class EngineIOClientEndpoint:
    """Opens sessions that carry stream protocols.

    Args:
        reactor: The reactor.
        url: As for `connect`.
        options: As for `connect`.
    """

    def __init__(
        self, reactor: AnyReactor, url: str, **options: Unpack[ClientArguments]
    ) -> None:
        # What is wrong is told here, not only when it connects.
        ClientOptions.from_mapping(dict(options))
        parse_target(url)
        self._reactor = reactor
        self._url = url
        self._options = options

    def connect(
        self, protocolFactory: BuildsProtocols | IProtocolFactory
    ) -> Deferred[IProtocol]:
        """Open a session for a stream protocol.

        Returns:
            Fires with the protocol. It fails with `ConnectFailed`, and with
            ``NoProtocol`` if the factory builds none. It can be cancelled.
        """
        factory = StreamFactory(protocolFactory)
        factory.doStart()
        connecting: Deferred[Any] = connect(
            self._url, factory, reactor=self._reactor, **self._options
        )

        def stop(failure: Failure) -> Failure:
            factory.doStop()
            return failure

        def connected(session: StreamSession) -> IProtocol:
            session.session.when_closed().addCallback(lambda _: factory.doStop())
            return session.stream()

        return connecting.addCallbacks(connected, stop)
