"""Mistakes that users make, each refused at once with what would be right."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.web.resource import Resource

from tests.wiring import Server
from txengineio.application import AnySession, EngineIOProtocol
from txengineio.client.connect import connect
from txengineio.client.options import ClientOptions
from txengineio.client.service import EngineIOClientService
from txengineio.errors import InvalidOption, LocalProtocolError, UnknownOption
from txengineio.integrations import crossbar
from txengineio.server.engine import Engine
from txengineio.server.options.engine import EngineOptions
from txengineio.server.web.resource import EngineIOResource
from txengineio.server.web.site import EngineIOSite


class Chat(EngineIOProtocol):
    pass


ADDRESS = IPv4Address("TCP", "192.0.2.1", 50000)
FACTORY = Factory.forProtocol(Chat)


def engine(application: Any = FACTORY, **options: Any) -> Engine:
    return Engine(application, reactor=Clock(), **options)


# --- applications ---------------------------------------------------------------------

TAKERS: dict[str, Callable[[Any], Any]] = {
    "Engine": engine,
    "connect": lambda given: connect("http://127.0.0.1", given, reactor=Clock()),
    "service": lambda given: EngineIOClientService("http://127.0.0.1", given),
    "crossbar": lambda given: crossbar.EngineIOResource(
        {"app": given}, reactor=Clock()
    ),
}
each_taker = pytest.mark.parametrize("take", TAKERS.values(), ids=list(TAKERS))


@each_taker
@pytest.mark.parametrize(
    "application",
    [
        None,
        5,
        Chat(),
        Protocol,
        Factory,
        len,
        EngineIOProtocol[AnySession],
        Factory.forProtocol(Protocol),
    ],
)
def test_what_is_no_application_is_refused(
    take: Callable[[Any], Any], application: Any
) -> None:
    right = re.escape("an EngineIOProtocol subclass, or a factory of such protocols")
    with pytest.raises(InvalidOption, match=right):
        take(application)


@pytest.mark.parametrize("application", [Chat, FACTORY])
def test_a_class_is_an_application_as_a_factory_is(application: Any) -> None:
    made = crossbar.EngineIOResource({"app": application}, reactor=Clock()).engine
    for each in (engine(application), made):
        built: object = each.application.buildProtocol(ADDRESS)
        assert isinstance(built, Chat)
    EngineIOClientService("http://127.0.0.1", application, reactor=Clock())
    opening = connect("http://127.0.0.1", application, reactor=Clock())
    opening.addErrback(lambda failure: None)
    opening.cancel()


def test_a_factory_that_is_not_twisteds_is_an_application() -> None:
    class Duck:
        def buildProtocol(self, addr: object) -> Chat:
            return Chat()

    duck: Any = Duck()
    assert engine(duck).application is duck


# --- engines --------------------------------------------------------------------------


@pytest.mark.parametrize("given", [FACTORY, Chat, Engine, None])
def test_what_is_no_engine_is_refused(given: Any) -> None:
    right = re.escape("an Engine, as Engine(YourProtocol) makes it")
    with pytest.raises(InvalidOption, match=f"engine must be {right}"):
        EngineIOResource(given)
    with pytest.raises(InvalidOption, match=f"the engine at /eio must be {right}"):
        EngineIOSite(Resource(), {"/eio": given}, reactor=Clock())


@pytest.mark.parametrize("path", ["engine.io", "", b"/engine.io/", "/a?b", "/a//b", 5])
def test_a_path_that_no_request_has_is_refused(path: Any) -> None:
    with pytest.raises(InvalidOption, match="path must be an absolute path such as"):
        EngineIOSite(Resource(), {path: engine()}, reactor=Clock())


@pytest.mark.parametrize("middleware", [None, 5, "cors"])
def test_what_is_no_middleware_is_refused(middleware: Any) -> None:
    with pytest.raises(InvalidOption, match="middleware must be a callable"):
        engine().use(middleware)


def test_what_is_no_handler_is_refused() -> None:
    handler: Any = None
    with pytest.raises(LocalProtocolError, match="handler must be callable, not None"):
        engine().on("connection", handler)


# --- options --------------------------------------------------------------------------

ORIGINS = ["example.com", "example.com:8080", "https://example.com/", "*.example.com"]


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("several", [True, False])
def test_an_origin_has_a_scheme_and_no_path(origin: str, several: bool) -> None:
    right = "a scheme and a host, such as 'https://example.com', and no path"
    with pytest.raises(InvalidOption, match=right):
        engine(cors={"origin": [origin] if several else origin})
    with pytest.raises(InvalidOption, match=right):
        engine(allowed_origins=["https://example.com", origin])


@pytest.mark.parametrize(
    "origin",
    ["http://localhost:3000", "https://[::1]", "capacitor://localhost", "null"],
)
def test_other_origins_are_taken(origin: str) -> None:
    options = engine(cors={"origin": origin}, allowed_origins=[origin]).options
    assert options.allowed_origins == (origin,)


@pytest.mark.parametrize(
    "cors", [{"credentials": True}, {"credentials": True, "origin": "*"}]
)
def test_credentials_for_everybody_are_refused(cors: Any) -> None:
    with pytest.raises(InvalidOption, match="name the origins, or True to allow"):
        engine(cors=cors)


@pytest.mark.parametrize("option", ["ping_interval", "ping_timeout", "upgrade_timeout"])
def test_milliseconds_are_refused(option: str) -> None:
    right = re.escape("at most 3600 seconds (25 if 25000 ms are meant), not 25000")
    with pytest.raises(InvalidOption, match=f"{option} must be {right}"):
        engine(**{option: 25000})


def test_an_hour_is_no_mistake() -> None:
    assert engine(ping_interval=3600).options.ping_interval == 3600


def test_a_message_that_is_none_says_what_is() -> None:
    server = Server.new()
    session: Any = server.open_polling().session
    right = "a message is a str or bytes-like, not dict: .* json.dumps"
    with pytest.raises(TypeError, match=right):
        session.send({"a": 1})
    with pytest.raises(TypeError, match=right):
        server.engine.broadcast({"a": 1})  # type: ignore[arg-type]  # that is the test


# --- names of options -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("ping_intervall", "did you mean ping_interval?"),
        ("pingInterval", "it is ping_interval here, in seconds"),
        ("pingTimeout", "it is ping_timeout here, in seconds"),
        ("upgradeTimeout", "it is upgrade_timeout here, in seconds"),
        ("maxHttpBufferSize", "it is max_http_buffer_size here"),
        ("httpCompression", "it is http_compression here"),
        ("perMessageDeflate", "it is per_message_deflate here"),
        ("allowRequest", "it is allow_request here"),
        ("allowUpgrades", "it is allow_upgrades here"),
        ("initialPacket", "it is initial_packet here"),
        ("allowEIO3", "it is allow_eio3 here"),
        ("generateId", "it is generate_id here"),
        ("cors_allowed_origins", "it is cors here, or allowed_origins for WebSockets"),
        ("cors_credentials", 'it is cors={"origin": …, "credentials": True} here'),
        ("compression_threshold", 'it is http_compression={"threshold": …} here'),
        ("async_mode", "it is not needed here: Twisted's reactor does it all"),
        ("logger", "Twisted's own logging is used here"),
        ("xyzzy", "the options are allow_eio3, allow_request"),
    ],
)
def test_a_name_of_an_option_leads_to_ours(name: str, advice: str) -> None:
    right = f"^there is no option {name!r}: {re.escape(advice)}"
    with pytest.raises(UnknownOption, match=right) as refused:
        EngineOptions.from_mapping({name: 1})
    assert refused.value.name == name


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("upgrad", "did you mean upgrade?"),
        ("rememberUpgrade", "it is remember_upgrade here"),
        ("requestTimeout", "it is request_timeout here, in seconds"),
        ("extraHeaders", "it is headers here"),
        ("rejectUnauthorized", "it is tls here: an IPolicyForHTTPS"),
        ("ssl_verify", "it is tls here: an IPolicyForHTTPS"),
        ("http_session", "it is agent here: an IAgent"),
        ("ping_interval", "the server says it when a session opens"),
    ],
)
def test_a_name_of_a_clients_option_leads_to_ours(name: str, advice: str) -> None:
    right = f"^there is no option {name!r}: {re.escape(advice)}"
    with pytest.raises(UnknownOption, match=right):
        ClientOptions.from_mapping({name: 1})


def test_a_name_in_a_group_says_which() -> None:
    right = re.escape("there is no option 'origins' in cors: did you mean origin?")
    with pytest.raises(UnknownOption, match=right):
        engine(cors={"origins": "*"})
    right = re.escape("'maxAge' in cors: it is max_age here")
    with pytest.raises(UnknownOption, match=right):
        engine(cors={"maxAge": 5})
