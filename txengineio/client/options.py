"""The options of `connect`, checked once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from http.cookiejar import CookieJar
from typing import Any, Final, Protocol, TypedDict, cast

from twisted.internet.defer import Deferred
from twisted.web.client import URI
from twisted.web.http_headers import Headers
from twisted.web.iweb import (
    IAgent,
    IAgentEndpointFactory,
    IBodyProducer,
    IPolicyForHTTPS,
    IResponse,
)
from zope.interface import Interface

from txengineio.checks import (
    check_duration,
    check_flag,
    check_names,
    check_size,
    check_transports,
    check_whole_number,
    is_token,
)
from txengineio.client.other_names import OTHER_NAMES
from txengineio.errors import InvalidOption
from txengineio.protocol.revisions import CODECS

__all__ = ["TRANSPORTS", "ClientArguments", "ClientOptions"]

TRANSPORTS: Final = ("polling", "websocket")
"""The transports that a client has."""


def _check_headers(name: str, value: object) -> tuple[tuple[str, str], ...]:
    expected = "a mapping of header names to values without line breaks"
    if not isinstance(value, Mapping):
        raise InvalidOption(name, expected, value)
    for header, text in value.items():
        if not isinstance(header, str) or not isinstance(text, str):
            raise InvalidOption(name, expected, value)
        if not is_token(header) or not text.isprintable():
            # The text would end the header, and begin another one or a request.
            raise InvalidOption(name, expected, header)
    return tuple(value.items())


def _check_cookies(name: str, value: object) -> object:
    if value is None or isinstance(value, (CookieJar, Mapping)):
        return value
    raise InvalidOption(name, "a mapping of names to values, or a CookieJar", value)


def _check_revision(name: str, value: object) -> object:
    if isinstance(value, bool) or value not in CODECS:
        raise InvalidOption(name, " or ".join(map(str, CODECS)), value)
    return value


def _provides(interface: type[Interface]) -> Callable[[str, object], object]:
    def check(name: str, value: object) -> object:
        if value is not None and not interface.providedBy(value):
            raise InvalidOption(name, f"an {interface.__name__}, or None", value)
        return value

    return check


def _check_transports(name: str, value: object) -> tuple[str, ...]:
    return check_transports(name, value, TRANSPORTS)


def _check_packets(name: str, value: object) -> int:
    return check_whole_number(name, value, 1)


# Each returns the value in the form in which it is kept.
_CHECKS: Mapping[str, Callable[[str, object], object]] = {
    "transports": _check_transports,
    "upgrade": check_flag,
    "remember_upgrade": check_flag,
    "headers": _check_headers,
    "cookies": _check_cookies,
    "agent": _provides(IAgent),
    "endpoints": _provides(IAgentEndpointFactory),
    "tls": _provides(IPolicyForHTTPS),
    "revision": _check_revision,
    "connect_timeout": check_duration,
    "open_timeout": check_duration,
    "upgrade_timeout": check_duration,
    "request_timeout": check_duration,
    "max_http_buffer_size": check_size,
    "max_post_packets": _check_packets,
}


class MakesRequests(Protocol):
    """An ``IAgent``, for type checkers that know nothing of zope.interface."""

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Headers | None = None,
        bodyProducer: IBodyProducer | None = None,
    ) -> Deferred[IResponse]:
        """Make a request."""


class FindsEndpoints(Protocol):
    """The same for an ``IAgentEndpointFactory``."""

    def endpointForURI(self, uri: URI) -> object:
        """Return the endpoint to connect to."""


class VerifiesServers(Protocol):
    """The same for an ``IPolicyForHTTPS``."""

    def creatorForNetloc(self, hostname: bytes, port: int) -> object:
        """Return the object that makes TLS connections."""


class ClientArguments(TypedDict, total=False):
    """The options as type checkers know them: what may be given for each."""

    transports: Iterable[str]
    upgrade: bool
    remember_upgrade: bool
    headers: Mapping[str, str]
    cookies: Mapping[str, str] | CookieJar | None
    agent: IAgent | MakesRequests | None
    endpoints: IAgentEndpointFactory | FindsEndpoints | None
    tls: IPolicyForHTTPS | VerifiesServers | None
    revision: int
    connect_timeout: float
    open_timeout: float
    upgrade_timeout: float
    request_timeout: float
    max_http_buffer_size: int
    max_post_packets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """The options of one client.

    Attributes:
        transports: The transports that may be used, the one to start with first.
        upgrade: Whether to move from polling to WebSocket where that is possible.
        remember_upgrade: Whether to start with WebSocket when a session of the same
            factory with the same server has moved there before.
        headers: More headers for each request.
        cookies: Cookies to send, by name, or a jar. Cookies that the server sets are
            kept in the jar, as load balancers with sticky sessions require.
        agent: Makes the requests of polling, for example through a proxy. It must not
            repeat a request on its own: a poll that is repeated loses messages.
        endpoints: Where connections go: WebSocket and, without ``agent``, polling.
        tls: How servers are verified; by default as browsers do.
        revision: The protocol revision, 4 or 3.
        connect_timeout: Seconds to look a name up and to make a connection.
        open_timeout: Seconds until the session must be open.
        upgrade_timeout: Seconds after which an unfinished upgrade is cancelled.
        request_timeout: Seconds that the server has to answer a POST.
        max_http_buffer_size: Bytes of the body of an answer, or of a WebSocket message,
            at most.
        max_post_packets: Packets in one POST, at most. python-engineio takes no more
            than 16 unless it is told to.

    Raises:
        InvalidOption: A value makes no sense.
    """

    transports: tuple[str, ...] = TRANSPORTS
    upgrade: bool = True
    remember_upgrade: bool = False
    headers: Mapping[str, str] | tuple[tuple[str, str], ...] = field(
        default_factory=dict
    )
    cookies: Mapping[str, str] | CookieJar | None = None
    agent: IAgent | None = None
    endpoints: IAgentEndpointFactory | None = None
    tls: IPolicyForHTTPS | None = None
    revision: int = 4
    connect_timeout: float = 10.0
    open_timeout: float = 20.0
    upgrade_timeout: float = 10.0
    request_timeout: float = 30.0
    max_http_buffer_size: int = 16 * 1024 * 1024
    max_post_packets: int = 16

    def __post_init__(self) -> None:
        for name, check in _CHECKS.items():
            object.__setattr__(self, name, check(name, getattr(self, name)))

    @classmethod
    def from_mapping(cls, options: Mapping[str, object]) -> ClientOptions:
        """Build the options from names and values.

        Raises:
            InvalidOption: A name does not exist, or a value makes no sense.
        """
        check_names(options, [each.name for each in fields(cls)], "", OTHER_NAMES)
        # Each is checked as it is built.
        return cls(**cast(dict[str, Any], options))
