"""Engine.IO for Twisted: the transport under Socket.IO, as a server and a client."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from txengineio.application import AnySession, EngineIOProtocol
from txengineio.errors import (
    BufferOverflow,
    CloseReason,
    ConnectCause,
    ConnectFailed,
    EngineIOError,
    ErrorCode,
    InvalidOption,
    JoinFailed,
    LocalProtocolError,
    PacketDecodeError,
    PayloadTooLarge,
    ProtocolError,
    RemoteProtocolError,
    RequestRejected,
    SessionClosed,
    TransportError,
    UnknownOption,
)
from txengineio.integrations.client_script import ClientScript
from txengineio.observing.packet_log import log_packets
from txengineio.server.engine import Engine
from txengineio.server.health import HealthResource
from txengineio.server.options.admission import Admit
from txengineio.server.options.compression import HttpCompression
from txengineio.server.options.cookies import CookieOptions
from txengineio.server.options.cors import CorsOptions
from txengineio.server.options.deflate import DeflateOptions
from txengineio.server.requests.checks import ConnectionErrorEvent
from txengineio.server.session import Session
from txengineio.server.web.resource import EngineIOResource
from txengineio.server.web.site import EngineIOSite

# Loaded when asked for: a server starts 5 % faster without its client, and most are no
# cluster.
_LATER: Final = {
    "ClientSession": "txengineio.client.session",
    "EngineIOClientService": "txengineio.client.service",
    "RedisCluster": "txengineio.cluster.machines.joining",
    "WampCluster": "txengineio.cluster.machines.joining",
    "connect": "txengineio.client.connect",
}

__all__ = [  # see `_LATER`
    "Admit",
    "AnySession",
    "BufferOverflow",
    "ClientScript",
    "ClientSession",
    "CloseReason",
    "ConnectCause",
    "ConnectFailed",
    "ConnectionErrorEvent",
    "CookieOptions",
    "CorsOptions",
    "DeflateOptions",
    "Engine",
    "EngineIOClientService",
    "EngineIOError",
    "EngineIOProtocol",
    "EngineIOResource",
    "EngineIOSite",
    "ErrorCode",
    "HealthResource",
    "HttpCompression",
    "InvalidOption",
    "JoinFailed",
    "LocalProtocolError",
    "PacketDecodeError",
    "PayloadTooLarge",
    "ProtocolError",
    "RedisCluster",
    "RemoteProtocolError",
    "RequestRejected",
    "Session",
    "SessionClosed",
    "TransportError",
    "UnknownOption",
    "WampCluster",
    "__version__",
    "connect",
    "log_packets",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load what was not needed until now."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LATER[name]), name)
    return value
