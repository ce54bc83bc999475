"""Where Redis is: URLs, and what may be shown of them.

=========================================  ===========================================
``redis://HOST:PORT/DB``                   a server; without them, port 6379, database 0
``rediss://HOST:PORT/DB``                  by TLS; ``?ca=FILE`` names who signs for it
``unix:/PATH``                             a socket on this machine, ``?db=DB``
``redis+sentinel://H1:P1,H2:P2/NAME/DB``   the master that these Sentinels name, port
                                           26379 if left out; ``rediss+sentinel``: all
                                           by TLS; ``?sentinel_password=``: theirs
=========================================  ===========================================

Before the hosts, or a path that begins with ``//``, ``USER:PASSWORD@`` or
``:PASSWORD@`` may stand. What is special in a URL is written as ``%XX`` there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote

from typing_extensions import override

from txengineio.cluster.broker.urls import BadBrokerURL

__all__ = ["Address", "BadRedisURL", "RedisURL", "parse_redis_url"]

Address = tuple[str, int]
"""A host, and a port."""

PORT: Final = 6379
SENTINEL_PORT: Final = 26379

_MAX_PORT: Final = 0xFFFF
_SCHEMES: Final = (
    "redis://HOST:PORT/DB, rediss://HOST:PORT/DB, unix:/PATH or "
    "redis+sentinel://HOST:PORT,HOST:PORT/NAME/DB"
)
_URL: Final = re.compile(
    r"(?P<scheme>[a-z+]+):"
    r"(?://(?:(?P<credentials>[^/?#]*)@)?(?P<hosts>[^/?#@]*))?"
    r"(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?"
)
_HOST: Final = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.%]+)\]|(?P<name>[\w.-]+))(?::(?P<port>\d+))?"
)
_TLS: Final = {"rediss", "rediss+sentinel"}
_SENTINEL: Final = {"redis+sentinel", "rediss+sentinel"}
_KNOWN: Final = {"redis", "rediss", "unix", *_SENTINEL}


class BadRedisURL(BadBrokerURL):
    """A URL of Redis makes no sense. It is not shown: a password may be in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisURL:
    """Where Redis is, and as whom to talk to it.

    Attributes:
        hosts: The host and port of the server, or those of the Sentinels; none for a
            socket of this machine.
        path: The path of the socket.
        service: What the Sentinels call the master; None without Sentinels.
        db: The number of the database.
        tls: Whether to use TLS.
        ca: The file with the certificate of who signs the server's; None: those that
            the system trusts.
        username: As whom; None for the default user.
        password: With which password; None for none.
        sentinel_password: The Sentinels' own; None for none.
    """

    hosts: tuple[Address, ...] = ()
    path: str | None = None
    service: str | None = None
    db: int = 0
    tls: bool = False
    ca: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_password: str | None = field(default=None, repr=False)

    @override
    def __str__(self) -> str:
        """Return it without what is secret."""
        if self.path is not None:
            return f"unix:{self.path}?db={self.db}"
        scheme = "rediss" if self.tls else "redis"
        hosts = ",".join(_shown(*each) for each in self.hosts)
        if self.service is None:
            return f"{scheme}://{hosts}/{self.db}"
        return f"{scheme}+sentinel://{hosts}/{self.service}/{self.db}"


def parse_redis_url(url: str) -> RedisURL:
    """Read a URL.

    Raises:
        BadRedisURL: It is none; the text says why, in one line, without the URL.
    """
    found = _URL.fullmatch(url)
    scheme = found["scheme"] if found else url.partition(":")[0]
    if scheme not in _KNOWN:
        raise BadRedisURL(f"a URL of Redis is {_SCHEMES}")
    if found is None:
        raise BadRedisURL(
            f"this {scheme}: URL cannot be read; what is special in a URL, as / and @ "
            "and # in a password, is written as %XX"
        )
    query = _query(scheme, found["query"] or "")
    username, password = _credentials(found["credentials"])
    path = found["path"] or ""
    if scheme == "unix":
        if found["hosts"] or len(path) == 1 or not path:
            raise BadRedisURL("unix: is followed by the path of a socket: unix:/PATH")
        hosts: tuple[Address, ...] = ()
        service, db = None, query.pop("db", "0")
    else:
        service, db = _service_and_db(scheme, path)
        hosts = _hosts(scheme, found["hosts"] or "")
    return RedisURL(
        hosts=hosts,
        path=unquote(path) if scheme == "unix" else None,
        service=service,
        db=_number(db),
        tls=scheme in _TLS,
        ca=query.get("ca"),
        username=username,
        password=password,
        sentinel_password=query.get("sentinel_password"),
    )


def _query(scheme: str, text: str) -> dict[str, str]:
    known = {"db"} if scheme == "unix" else set()
    known |= {"ca"} if scheme in _TLS else set()
    known |= {"sentinel_password"} if scheme in _SENTINEL else set()
    query = dict(parse_qsl(text, keep_blank_values=True))
    for name in query.keys() - known:
        names = " and ".join(sorted(known)) or "nothing"
        raise BadRedisURL(
            f"after ? in a {scheme}: URL comes {names}, not {name[:20]!r}"
        )
    return query


def _credentials(text: str | None) -> tuple[str | None, str | None]:
    if text is None:
        return None, None
    username, separator, password = text.partition(":")
    if not separator or not password:
        raise BadRedisURL(
            "before @ in a URL of Redis stands USER:PASSWORD, or :PASSWORD"
        )
    return unquote(username) or None, unquote(password)


def _hosts(scheme: str, text: str) -> tuple[Address, ...]:
    is_sentinel = scheme in _SENTINEL
    texts = text.split(",") if is_sentinel else [text]
    return tuple(
        _host(scheme, each, SENTINEL_PORT if is_sentinel else PORT) for each in texts
    )


def _host(scheme: str, text: str, default: int) -> Address:
    found = _HOST.fullmatch(text)
    port = int(found["port"] or default) if found else 0
    if found is None or not 0 < port <= _MAX_PORT:
        # What stands there may be a password without its @.
        raise BadRedisURL(
            f"{scheme}:// is followed by HOST:PORT, with a port from 1 to {_MAX_PORT}"
        )
    return found["ipv6"] or found["name"], port


def _service_and_db(scheme: str, path: str) -> tuple[str | None, str]:
    parts = path.strip("/").split("/") if path.strip("/") else []
    service = None
    if scheme in _SENTINEL:
        if not parts:
            raise BadRedisURL(
                f"{scheme}: wants the name of the master after the hosts: /NAME/DB"
            )
        service = unquote(parts.pop(0))
    if len(parts) > 1:
        raise BadRedisURL(f"the path of a {scheme}: URL ends with a database: /DB")
    return service, parts[0] if parts else "0"


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise BadRedisURL("the database in a URL of Redis is a number: /0")
    return int(text)


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
