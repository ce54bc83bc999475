"""Engine.IO for Twisted: the transport under Socket.IO, as a server and a client."""

from __future__ import annotations

from txengineio.application import EngineIOProtocol
from txengineio.client.connect import connect
from txengineio.client.service import EngineIOClientService
from txengineio.client.session import ClientSession
from txengineio.errors import (
    BufferOverflow,
    CloseReason,
    ConnectCause,
    ConnectFailed,
    EngineIOError,
    ErrorCode,
    InvalidOption,
    LocalProtocolError,
    PacketDecodeError,
    PayloadTooLarge,
    ProtocolError,
    RemoteProtocolError,
    RequestRejected,
    SessionClosed,
    TransportError,
)
from txengineio.server.admission import ConnectionErrorEvent
from txengineio.server.compression import HttpCompression
from txengineio.server.cookies import CookieOptions
from txengineio.server.cors import CorsOptions
from txengineio.server.deflate import DeflateOptions
from txengineio.server.engine import Engine
from txengineio.server.health import HealthResource
from txengineio.server.resource import EngineIOResource
from txengineio.server.session import Session
from txengineio.server.site import EngineIOSite

__all__ = [
    "BufferOverflow",
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
    "LocalProtocolError",
    "PacketDecodeError",
    "PayloadTooLarge",
    "ProtocolError",
    "RemoteProtocolError",
    "RequestRejected",
    "Session",
    "SessionClosed",
    "TransportError",
    "__version__",
    "connect",
]

__version__ = "0.1.0"
