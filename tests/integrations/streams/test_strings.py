from __future__ import annotations

import re

import pytest
from twisted.internet.endpoints import clientFromString, serverFromString
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactorClock

from txengineio.integrations.streams.endpoints import (
    EngineIOClientEndpoint,
    EngineIOServerEndpoint,
)


@pytest.mark.parametrize(
    "description",
    [
        "engineio:8080",
        "engineio:8080:interface=127.0.0.1:path=/pipe/",
        r"engineio:tcp\:8080:ping_interval=5:transports=polling",
        "engineio:8080:allow_upgrades=False:max_sessions=None",
    ],
)
def test_strings_of_servers(description: str) -> None:
    endpoint = serverFromString(MemoryReactorClock(), description)
    assert isinstance(endpoint, EngineIOServerEndpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        r"tcp\:8080\:interface=127.0.0.1",
        r"tcp\:8080\:backlog=5\:interface=127.0.0.1",
        r"tcp\:port=8080\:interface\=127.0.0.1",
    ],
)
def test_the_endpoint_below_may_have_words_of_its_own(endpoint: str) -> None:
    reactor = MemoryReactorClock()
    description = f"engineio:{endpoint}:path=/pipe/:ping_interval=5"
    serverFromString(reactor, description).listen(Factory())
    ((port, _factory, _backlog, interface),) = reactor.tcpServers
    assert (port, interface) == (8080, "127.0.0.1")


@pytest.mark.parametrize(
    "description",
    [
        r"engineio:https\://example.com/pipe/",
        r"engineio:http\://127.0.0.1\:8080/pipe/:transports=polling,websocket",
    ],
)
def test_strings_of_clients(description: str) -> None:
    endpoint = clientFromString(MemoryReactorClock(), description)
    assert isinstance(endpoint, EngineIOClientEndpoint)


@pytest.mark.parametrize(
    ("description", "said"),
    [
        ("engineio:", "a port number or an endpoint"),
        ("engineio:1:2", "found 1:2"),
        (r"engineio:1:tcp\:2\:backlog=5", r"found 1:tcp:2:backlog=5"),
        (
            r"engineio:tcp\:80:interface=127.0.0.1",
            "interface= goes with a port number only",
        ),
        ("engineio:80:path=pipe", "path must be an absolute path"),
        ("engineio:80:ping_intervall=3", "ping_interval"),
        ("engineio:80:ping_interval=soon", "ping_interval"),
        ("engineio:80:reactor=1", "no option 'reactor'"),
        ("engineio:80:endpoint=1", "no option 'endpoint'"),
        ("engineio:80:self=1", "no option 'self'"),
        ("engineio:tcp", "tcp is no endpoint"),
    ],
)
def test_strings_of_servers_that_make_no_sense(description: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        serverFromString(MemoryReactorClock(), description)


@pytest.mark.parametrize(
    ("description", "said"),
    [
        ("engineio:a:b", "a URL"),
        (r"engineio:ftp\://example.com", "http"),
        (r"engineio:http\://example.com:transports=pigeon", "transports"),
        (r"engineio:http\://example.com:url=1", "no option 'url'"),
        (r"engineio:http\://example.com:reactor=1", "no option 'reactor'"),
    ],
)
def test_strings_of_clients_that_make_no_sense(description: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        clientFromString(MemoryReactorClock(), description)
