from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.error import TimeoutError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.web.client import URI

from tests.client.network import error_of
from txengineio.client.http.endpoints import Endpoints


class SlowNames(MemoryReactorClock):
    """Never finds a name."""

    class _Resolver:
        def resolveHostName(self, receiver: object, *_: object, **__: object) -> object:  # noqa: N802
            return receiver

    nameResolver: Any = _Resolver()  # noqa: N815


def test_an_endpoint_is_made_once() -> None:
    endpoints = Endpoints(MemoryReactorClock(), None, 5)
    plain = URI.fromBytes(b"http://a.example/")
    secure = URI.fromBytes(b"https://a.example/")
    assert endpoints.endpointForURI(plain) is endpoints.endpointForURI(plain)
    assert endpoints.endpointForURI(plain) is not endpoints.endpointForURI(secure)
    assert endpoints.endpointForURI(secure) is endpoints.endpointForURI(secure)


def test_looking_a_name_up_may_not_take_forever() -> None:
    reactor = SlowNames()
    endpoint = Endpoints(reactor, None, 5).endpointForURI(URI.fromBytes(b"http://a/"))
    connecting = endpoint.connect(Factory.forProtocol(Protocol))
    reactor.advance(5)
    with pytest.raises(TimeoutError):
        raise error_of(connecting)
    assert reactor.getDelayedCalls() == []
