"""Where a node listens for others, and where these connect to.

An address is ``HOST:PORT``, or ``tls:HOST:PORT`` where the node listens with TLS.
"""

from __future__ import annotations

import re
from functools import cache
from ipaddress import ip_address
from typing import Any, Final

from OpenSSL import SSL
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    wrapClientTLS,
)
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IStreamClientEndpoint,
)
from twisted.internet.ssl import CertificateOptions
from zope.interface import implementer

from txengineio.errors import InvalidOption
from txengineio.net.endpoints import MAX_PORT

__all__ = [
    "address_of",
    "check_advertised",
    "check_listen",
    "client_endpoint",
    "is_loopback",
    "speaks_tls",
]

_TLS: Final = "tls:"
_KINDS: Final = ("tcp", "tcp6", "ssl")
_CONNECT_TIMEOUT: Final = 5.0

_ADVERTISED: Final = re.compile(
    r"(?P<host>[\w.-]+|\[[\da-fA-F:.]+\])(?::(?P<port>\d+))?", re.ASCII
)
_INTERFACE: Final = re.compile(r"(?<!\\):interface=((?:\\:|[^:])*)")
_EXPECTED: Final = "where other nodes connect to, as HOST or HOST:PORT"


def speaks_tls(address: str) -> bool:
    """Whether a node listens with TLS."""
    return address.startswith(_TLS)


def check_advertised(advertise: str) -> tuple[str, int | None]:
    """Return the host and the port of what is advertised; None if no port is named.

    Raises:
        InvalidOption: It makes no sense.
    """
    found = _ADVERTISED.fullmatch(advertise)
    port = None if found is None or found["port"] is None else int(found["port"])
    if found is None or (port is not None and not 0 < port <= MAX_PORT):
        raise InvalidOption("advertise", _EXPECTED, advertise)
    host = found["host"]
    if _is_unspecified(host):
        raise InvalidOption("advertise", f"{_EXPECTED}, not all addresses", advertise)
    return host, port


def check_listen(listen: str, advertise: str | None, has_secret: bool) -> None:
    """Check the description of an endpoint, before it listens.

    Args:
        listen: The description.
        advertise: What is advertised, if anything is.
        has_secret: Whether there is a secret.

    Raises:
        InvalidOption: It makes no sense for other nodes.
    """
    kind = listen.partition(":")[0]
    if kind in ("unix", "haproxy"):
        expected = "a TCP or TLS endpoint, such as tcp:7000:interface=10.0.0.1"
        raise InvalidOption("listen", expected, listen)
    if kind not in _KINDS:
        # What it is, is known once it listens.
        return
    found = _INTERFACE.search(listen)
    interface = "" if found is None else found[1].replace("\\:", ":")
    _check_reachable(interface, advertise, has_secret)


def address_of(host: Any, advertise: str | None, is_tls: bool, has_secret: bool) -> str:
    """Return the address of a node that listens.

    Args:
        host: Where it listens, as its port tells.
        advertise: What others are told instead, if anything is.
        is_tls: Whether it listens with TLS.
        has_secret: Whether there is a secret.

    Raises:
        InvalidOption: Others cannot connect there, or must not.
    """
    interface, number = getattr(host, "host", None), getattr(host, "port", None)
    if interface is None or number is None:
        raise InvalidOption("listen", "a TCP or TLS endpoint", host)
    _check_reachable(interface, advertise, has_secret)
    scheme = _TLS if is_tls else ""
    if advertise is None:
        shown = f"[{interface}]" if ":" in interface else interface
        return f"{scheme}{shown}:{number}"
    shown, port = check_advertised(advertise)
    return f"{scheme}{shown}:{number if port is None else port}"


def _check_reachable(interface: str, advertise: str | None, has_secret: bool) -> None:
    if advertise is None and _is_unspecified(interface or "0.0.0.0"):
        expected = "given, as this node listens on all addresses: HOST or HOST:PORT"
        raise InvalidOption("advertise", expected, advertise)
    if not has_secret and not is_loopback(interface):
        expected = "given, as other machines can connect to this node"
        raise InvalidOption("secret", expected, None)


def client_endpoint(reactor: Any, address: str) -> IStreamClientEndpoint:
    """Return where another node is.

    With TLS, certificates are not checked here: `challenge` makes sure that the node
    has shown the one that it has, whoever has signed it.

    Args:
        reactor: The reactor.
        address: The node's address.

    Raises:
        InvalidOption: It is none.
    """
    is_tls = speaks_tls(address)
    shown, port = check_advertised(address.removeprefix(_TLS))
    if port is None:
        raise InvalidOption("advertise", _EXPECTED, address)
    host = shown.strip("[]")
    timeout = _CONNECT_TIMEOUT
    endpoint: IStreamClientEndpoint
    match _version_of(host):
        case 4:
            endpoint = TCP4ClientEndpoint(reactor, host, port, timeout)
        case 6:
            endpoint = TCP6ClientEndpoint(reactor, host, port, timeout)
        case _:
            endpoint = HostnameEndpoint(reactor, host, port, timeout)
    if not is_tls:
        return endpoint
    wrapped: IStreamClientEndpoint = wrapClientTLS(_Unchecked(host), endpoint)
    return wrapped


@implementer(IOpenSSLClientConnectionCreator)
class _Unchecked:
    """Begins connections of TLS on which no certificate is checked.

    Args:
        host: The name of the host, for those that have several certificates.
    """

    def __init__(self, host: str) -> None:
        self._host = host

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:  # noqa: N802, N803
        """Begin one; Twisted calls this."""
        connection = SSL.Connection(_unchecked_context(), None)
        if _version_of(self._host) is None:
            connection.set_tlsext_host_name(self._host.encode("idna"))
        return connection


@cache
def _unchecked_context() -> SSL.Context:
    """Make what all connections share; it costs as much as some of them."""
    return CertificateOptions().getContext()


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to an address."""
    if _version_of(host) is None:
        return host == "localhost"
    return ip_address(host.strip("[]")).is_loopback


def _is_unspecified(host: str) -> bool:
    return _version_of(host) is not None and ip_address(host.strip("[]")).is_unspecified


def _version_of(host: str) -> int | None:
    """Return 4 or 6 for an address, None for a name."""
    try:
        return ip_address(host.strip("[]")).version
    except ValueError:
        return None
