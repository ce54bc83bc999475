"""Whose pages may open sessions: the ``Origin`` of requests.

Browsers send it with every WebSocket, and let pages of any origin open one: CORS does
not apply to them. Without this check, every page that a user visits could use their
cookies (CVE-2019-13611). Other clients send no ``Origin``, and have no user to betray.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from txengineio.errors import ErrorCode, RequestRejected
from txengineio.server.options.origins import ANY_ORIGIN
from txengineio.server.options.proxies import TrustedProxies
from txengineio.server.web.incoming_request import IncomingRequest

__all__ = ["OriginCheck", "is_same_origin"]

_PORTS: Final = {"http": 80, "https": 443}
_ORIGIN: Final = ("origin",)
_HOST: Final = ("host",)
_FORWARDED: Final = ("x-forwarded-host", "x-forwarded-proto")
_ALLOWED: Final = "Access-Control-Allow-Origin"


def is_same_origin(origin: str, host: str, secure: bool) -> bool:
    """Whether a page of an origin has come from the server that it talks to.

    Args:
        origin: The ``Origin`` of the request.
        host: The ``Host`` of the request: what the browser calls this server.
        secure: Whether the connection is known to be TLS. If not, there may be a proxy
            in front that does TLS, so that pages of both schemes are taken.
    """
    try:
        page, server = urlsplit(origin), urlsplit(f"//{host}")
        port = page.port or _PORTS.get(page.scheme)
        server_port = server.port or _PORTS.get(page.scheme)
    except ValueError:
        return False
    if page.scheme not in (("https",) if secure else ("http", "https")):
        return False
    return bool(page.hostname) and (page.hostname, port) == (
        server.hostname,
        server_port,
    )


class OriginCheck:
    """Refuses requests of pages that have no business here.

    Args:
        rules: The other origins that may come in, as `check_origins` returns them.
        proxies: The proxies whose word is taken for the name that the browser uses for
            this server.
    """

    def __init__(
        self, rules: Iterable[str | re.Pattern[str]], proxies: TrustedProxies
    ) -> None:
        self._rules = tuple(rules)
        self._proxies = proxies

    def check(self, request: IncomingRequest) -> None:
        """Check a request that opens a session, or a WebSocket for one.

        It runs after the middlewares: a page that they allow to read the answer may
        also ask.

        Raises:
            RequestRejected: It comes from a page of another origin.
        """
        if not request.has_origin or ANY_ORIGIN in self._rules:
            return
        for origin in request.select_headers(_ORIGIN)["origin"]:
            if not self._is_allowed(origin, request):
                host, secure = self._host_of(request)
                scheme = "https" if secure else "http(s)"
                raise RequestRejected(
                    ErrorCode.FORBIDDEN,
                    name="ORIGIN_NOT_ALLOWED",
                    context={
                        "origin": origin,
                        "expected": f"{scheme}://{host}",
                        "hint": "see the options cors, allowed_origins and, behind a "
                        "proxy, trusted_proxies",
                    },
                )

    def _is_allowed(self, origin: str, request: IncomingRequest) -> bool:
        for rule in self._rules:
            if isinstance(rule, str):
                if rule == origin:
                    return True
            elif rule.search(origin) is not None:
                return True
        allowed: Any = request.answer_headers.getRawHeaders(_ALLOWED, ())
        if ANY_ORIGIN in allowed or origin in allowed:
            return True
        host, secure = self._host_of(request)
        return host is not None and is_same_origin(origin, host, secure)

    def _host_of(self, request: IncomingRequest) -> tuple[str | None, bool]:
        """Return what the browser calls this server, and whether it uses TLS."""
        host, secure = _last(request.select_headers(_HOST)["host"]), request.is_secure()
        if self._proxies.trusts(getattr(request.peer(), "host", None)):
            said = request.select_headers(_FORWARDED)
            host = _last(said["x-forwarded-host"]) or host
            scheme = _last(said["x-forwarded-proto"])
            secure = secure if scheme is None else scheme.lower() in ("https", "wss")
        return host, secure


def _last(values: list[str]) -> str | None:
    """Return the last of the values in a header: what the nearest proxy has said."""
    return ",".join(values).rpartition(",")[2].strip() or None
