"""The names of options in engine.io-client on Node.js and in python-engineio.

Names that differ only in their spelling, such as ``rememberUpgrade``, need no line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["OTHER_NAMES"]

_IN_THE_URL: Final = "the URL says it here"
_BY_TLS: Final = "it is tls here: an IPolicyForHTTPS"

OTHER_NAMES: Final[Mapping[str, str]] = {
    # engine.io-client
    "autoUnref": "it is not needed here",
    "ca": _BY_TLS,
    "cert": _BY_TLS,
    "extraHeaders": "it is headers here",
    "forceBase64": "it is not needed here",
    "host": _IN_THE_URL,
    "hostname": _IN_THE_URL,
    "key": _BY_TLS,
    "perMessageDeflate": "clients do not compress here",
    "pfx": _BY_TLS,
    "port": _IN_THE_URL,
    "protocols": "no WebSocket protocol can be asked for here",
    "rejectUnauthorized": _BY_TLS,
    "secure": _IN_THE_URL,
    "timestampParam": "it is not needed here: answers are not cached",
    "timestampRequests": "it is not needed here: answers are not cached",
    "withCredentials": "cookies are kept in any case; see cookies",
    # python-engineio
    "engineio_path": "it is path here",
    "handle_sigint": "it is not needed here",
    "http_session": "it is agent here: an IAgent",
    "json": "messages are str or bytes here: encode and decode them",
    "logger": "Twisted's own logging is used here",
    "ssl_verify": _BY_TLS,
    "timestamp_requests": "it is not needed here: answers are not cached",
    "wait_timeout": "it is open_timeout here, in seconds",
    "websocket_extra_options": "see headers, cookies, endpoints and tls",
    # of the server
    "ping_interval": "the server says it when a session opens",
    "ping_timeout": "the server says it when a session opens",
}
"""What to do instead, by their names."""
