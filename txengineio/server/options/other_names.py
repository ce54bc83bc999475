"""The names of options in engine.io on Node.js and in python-engineio.

Names that differ only in their spelling, such as ``pingTimeout``, need no line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["OTHER_NAMES"]

_NOT_NEEDED: Final = "it is not needed here"

OTHER_NAMES: Final[Mapping[str, str]] = {
    # engine.io
    "allowEIO3": "it is allow_eio3 here",
    "addTrailingSlash": "paths are served with and without a slash here",
    "destroyUpgrade": "sites answer what is not for the engine here",
    "destroyUpgradeTimeout": "sites answer what is not for the engine here",
    "generateId": "it is generate_id here",
    "httpRequestBodyTimeout": "EngineIOSite.timeOut, in seconds, is for requests here",
    "path": "give it to engine.listen or EngineIOSite",
    "perMessageDeflate": "it is per_message_deflate here",
    "wsEngine": _NOT_NEEDED,
    # python-engineio
    "async_handlers": "return a Deferred from messageReceived, or make it async",
    "async_mode": "it is not needed here: Twisted's reactor does it all",
    "compression_threshold": 'it is http_compression={"threshold": …} here',
    "cors_allowed_origins": "it is cors here, or allowed_origins for WebSockets alone",
    "cors_credentials": 'it is cors={"origin": …, "credentials": True} here',
    "engineio_logger": "Twisted's own logging is used here",
    "json": "messages are str or bytes here: encode and decode them",
    "logger": "Twisted's own logging is used here",
    "max_decode_packets": "it is max_packets_per_payload here",
    "monitor_clients": _NOT_NEEDED,
    "cookie_name": 'it is cookie={"name": …} here',
}
"""What to do instead, by their names."""
