"""Where a client connects to: URLs, and what each request says in its query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from txengineio.errors import InvalidOption

__all__ = ["DEFAULT_PATH", "Target", "parse_target"]

DEFAULT_PATH: Final = "/engine.io/"

_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_SECURE: Final = ("https", "wss")
_SAFE_IN_PATH: Final = "/%:@!$&'()*+,;=~"
_EXPECTED: Final = "an http:, https:, ws: or wss: URL"
_PORT_EXPECTED: Final = "a URL whose port is a whole number from 1 to 65535"
# Parameters with a meaning of their own, which the client sets.
_RESERVED: Final = ("EIO", "transport", "sid", "t", "b64", "j")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One server's engine.

    Attributes:
        secure: Whether to use TLS.
        host: A name or an address, without brackets.
        port: The TCP port.
        path: Where the engine is, from one slash to the other, quoted.
        query: Parameters of the application's own.
        revision: The protocol revision to ask for.
    """

    secure: bool
    host: str
    port: int
    path: str
    query: tuple[tuple[str, str], ...]
    revision: int

    @property
    def netloc(self) -> str:
        """Host and port as they stand in a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        standard = self.port == (443 if self.secure else 80)
        return host if standard else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """The beginning of every URL for HTTP."""
        return f"{'https' if self.secure else 'http'}://{self.netloc}"

    def resource(self, transport: str, sid: str | None = None) -> str:
        """Return path and query of a request."""
        parameters = [
            *self.query,
            ("EIO", str(self.revision)),
            ("transport", transport),
        ]
        if sid is not None:
            parameters.append(("sid", sid))
        return f"{self.path}?{urlencode(parameters)}"


def parse_target(
    url: str,
    *,
    path: str = DEFAULT_PATH,
    query: Mapping[str, str] | None = None,
    revision: int = 4,
) -> Target:
    """Read a URL.

    Args:
        url: Its scheme says whether to use TLS, whatever the transport. A path in it
            may stand for ``path``, and a query is sent with each request.
        path: Where the engine is.
        query: More parameters for each request.
        revision: The protocol revision.

    Raises:
        InvalidOption: The URL, the path or the query makes no sense.
    """
    if not url.isprintable() or " " in url:
        raise InvalidOption("url", _EXPECTED, url)
    try:
        parts = urlsplit(url)
        default_port = _PORTS[parts.scheme]
        host = (parts.hostname or "").encode("idna" if _is_name(url) else "ascii")
    except (KeyError, ValueError) as exc:
        raise InvalidOption("url", _EXPECTED, url) from exc
    if not host or parts.username is not None or parts.fragment:
        raise InvalidOption("url", f"{_EXPECTED} without user and fragment", url)
    try:
        port = default_port if parts.port is None else parts.port
    except ValueError as exc:
        raise InvalidOption("url", _PORT_EXPECTED, url) from exc
    if not port:
        raise InvalidOption("url", _PORT_EXPECTED, url)
    return Target(
        secure=parts.scheme in _SECURE,
        host=host.decode("ascii"),
        port=port,
        path=_path(parts.path, path),
        query=_query(parts.query, query),
        revision=revision,
    )


def _is_name(url: str) -> bool:
    return not url.isascii()


def _path(in_url: str, option: str) -> str:
    if not option.startswith("/"):
        raise InvalidOption("path", "a path that begins with a slash", option)
    if not option.isprintable() or set(option) & set("?#"):
        raise InvalidOption("path", "a path without query and fragment", option)
    given, wanted = (
        quote(each, safe=_SAFE_IN_PATH).rstrip("/") + "/" for each in (in_url, option)
    )
    if given == "/":
        return wanted
    if wanted not in (DEFAULT_PATH, given):
        raise InvalidOption("path", f"{given!r}, as the URL says", option)
    return given


def _query(
    in_url: str, option: Mapping[str, str] | None
) -> tuple[tuple[str, str], ...]:
    given = parse_qsl(in_url, keep_blank_values=True)
    query = (*given, *((str(name), str(text)) for name, text in (option or {}).items()))
    for name, _ in query:
        if name in _RESERVED:
            raise InvalidOption("query", f"parameters without {name!r}", name)
    return query
