"""Engine.IO for Twisted: the transport under Socket.IO, as a server and a client."""

from __future__ import annotations

from txengineio.application import EngineIOProtocol
from txengineio.errors import (
    CloseReason,
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
from txengineio.server.engine import Engine
from txengineio.server.resource import EngineIOResource
from txengineio.server.session import Session

__all__ = [
    "CloseReason",
    "Engine",
    "EngineIOError",
    "EngineIOProtocol",
    "EngineIOResource",
    "ErrorCode",
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
]

__version__ = "0.1.0"
