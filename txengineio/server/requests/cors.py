"""Cross-origin requests: what an answer says about who may read it.

It is never a reason to refuse a request; it is browsers that heed the headers. The
semantics are those of the npm package ``cors``. Spec: WHATWG Fetch, "CORS protocol".
"""

from __future__ import annotations

import re
from typing import Any

from txengineio.server.options.cors import CorsOptions

__all__ = ["cors_headers", "preflight_headers"]

Headers = list[tuple[str, str]]


def cors_headers(options: CorsOptions, rule: Any, origin: str | None) -> Headers:
    """Return the headers of an answer that is no preflight's.

    Args:
        options: The options.
        rule: The origins that may read it: ``options.origin``, or what that returned.
        origin: The ``Origin`` of the request.
    """
    headers = _origin_headers(rule, origin)
    if options.credentials:
        headers.append(("Access-Control-Allow-Credentials", "true"))
    if options.exposed_headers:
        exposed = ",".join(options.exposed_headers)
        headers.append(("Access-Control-Expose-Headers", exposed))
    return headers


def preflight_headers(
    options: CorsOptions, rule: Any, origin: str | None, requested: str | None
) -> Headers:
    """Return the headers of the answer to a preflight.

    Args:
        options: The options.
        rule: The origins that may go on: ``options.origin``, or what that returned.
        origin: The ``Origin`` of the request.
        requested: The ``Access-Control-Request-Headers`` of the request.
    """
    headers = cors_headers(options, rule, origin)
    if options.methods:
        headers.append(("Access-Control-Allow-Methods", ",".join(options.methods)))
    allowed = requested
    if options.allowed_headers is not None:
        allowed = ",".join(options.allowed_headers)
    else:
        headers.append(("Vary", "Access-Control-Request-Headers"))
    if allowed:
        headers.append(("Access-Control-Allow-Headers", allowed))
    if options.max_age is not None:
        headers.append(("Access-Control-Max-Age", str(options.max_age)))
    return headers


def _origin_headers(rule: Any, origin: str | None) -> Headers:
    name = "Access-Control-Allow-Origin"
    if rule == "*":
        return [(name, "*")]
    if isinstance(rule, str):
        return [(name, rule), ("Vary", "Origin")]
    headers = [("Vary", "Origin")]
    if origin is not None and _allowed(rule, origin):
        headers.append((name, origin))
    return headers


def _allowed(rule: Any, origin: str) -> bool:
    if isinstance(rule, str):
        return rule == origin
    if isinstance(rule, re.Pattern):
        return rule.search(origin) is not None
    if isinstance(rule, tuple):
        return any(_allowed(each, origin) for each in rule)
    return rule is True
