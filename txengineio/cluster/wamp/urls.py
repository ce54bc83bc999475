"""Where a router of WAMP is: URLs, and what may be shown of them.

====================================  ================================================
``wamp:ws://HOST:PORT/PATH@REALM``    a router's WebSocket, and the realm
``wamp:wss://HOST:PORT/PATH@REALM``   by TLS; ``?ca=FILE`` names who signs for it
====================================  ================================================

Before the host, ``USER:PASSWORD@`` may stand: the user proves by WAMP-CRA that it knows
the password. With ``?auth=ticket`` it shows it instead. What is special in a URL is
written as ``%XX`` there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote

from typing_extensions import override

from txengineio.cluster.broker.urls import BadBrokerURL

__all__ = ["BadWampURL", "WampURL", "parse_wamp_url"]

_EXPECTED: Final = (
    "a URL of a router of WAMP is wamp:ws://HOST:PORT/PATH@REALM or "
    "wamp:wss://HOST:PORT/PATH@REALM; what is special in it, as / and @ and # in a "
    "password, is written as %XX"
)
_URL: Final = re.compile(
    r"wamp:(?P<scheme>wss?)://(?:(?P<credentials>[^/?#@]*)@)?"
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[\w.-]+))(?::(?P<port>\d{1,5}))?"
    r"(?P<path>/[^?#@]*)?@(?P<realm>[^?#@/]+)(?:\?(?P<query>[^#]*))?",
    re.ASCII,
)
_PORTS: Final = {"ws": 80, "wss": 443}
_MAX_PORT: Final = 0xFFFF
_METHODS: Final = ("wampcra", "ticket")


class BadWampURL(BadBrokerURL):
    """A URL of a router makes no sense. It is not shown: a password may be in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WampURL:
    """Where a router is, and as whom to talk to it.

    Attributes:
        host: The host.
        port: The port.
        path: The path of the WebSocket.
        realm: The realm.
        tls: Whether to use TLS.
        ca: The file with the certificate of who signs the router's; None: those that
            the system trusts.
        username: As whom; None for anonymous.
        password: With which password; None for none.
        method: How to prove that: ``wampcra`` or ``ticket``.
    """

    host: str
    port: int
    path: str
    realm: str
    tls: bool = False
    ca: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    method: str = _METHODS[0]

    @property
    def address(self) -> str:
        """The URL of the WebSocket, without what is secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'wss' if self.tls else 'ws'}://{host}:{self.port}{self.path}"

    @override
    def __str__(self) -> str:
        """Return it without what is secret."""
        return f"{self.address}@{self.realm}"


def parse_wamp_url(url: str) -> WampURL:
    """Read a URL.

    Raises:
        BadWampURL: It is none; the text says why, in one line, without the URL.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise BadWampURL(_EXPECTED)
    scheme = found["scheme"]
    port = int(found["port"] or _PORTS[scheme])
    if not 0 < port <= _MAX_PORT:
        raise BadWampURL(f"a port in it is from 1 to {_MAX_PORT}")
    username, password = _credentials(found["credentials"])
    query = _query(scheme, found["query"] or "")
    method = query.get("auth", _METHODS[0])
    if method not in _METHODS or ("auth" in query and username is None):
        raise BadWampURL(
            "?auth= is wampcra or ticket, and goes with USER:PASSWORD@ before the host"
        )
    return WampURL(
        host=found["ipv6"] or found["name"],
        port=port,
        path=found["path"] or "/",
        realm=unquote(found["realm"]),
        tls=scheme == "wss",
        ca=query.get("ca"),
        username=username,
        password=password,
        method=method,
    )


def _credentials(text: str | None) -> tuple[str | None, str | None]:
    if text is None:
        return None, None
    username, _, password = text.partition(":")
    if not username or not password:
        raise BadWampURL("before the host and its @ stands USER:PASSWORD")
    return unquote(username), unquote(password)


def _query(scheme: str, text: str) -> dict[str, str]:
    known = {"auth", "ca"} if scheme == "wss" else {"auth"}
    query = dict(parse_qsl(text, keep_blank_values=True))
    for name in query.keys() - known:
        names = " and ".join(sorted(known))
        raise BadWampURL(f"after ? in a {scheme}: URL comes {names}, not {name[:20]!r}")
    return query
