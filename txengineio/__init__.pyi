"""What type checkers know of the package's names; `__init__.py` loads some later."""

from txengineio.application import AnySession as AnySession
from txengineio.application import EngineIOProtocol as EngineIOProtocol
from txengineio.client.connect import connect as connect
from txengineio.client.service import EngineIOClientService as EngineIOClientService
from txengineio.client.session import ClientSession as ClientSession
from txengineio.cluster.machines.joining import RedisCluster as RedisCluster
from txengineio.cluster.machines.joining import WampCluster as WampCluster
from txengineio.errors import BufferOverflow as BufferOverflow
from txengineio.errors import CloseReason as CloseReason
from txengineio.errors import ConnectCause as ConnectCause
from txengineio.errors import ConnectFailed as ConnectFailed
from txengineio.errors import EngineIOError as EngineIOError
from txengineio.errors import ErrorCode as ErrorCode
from txengineio.errors import InvalidOption as InvalidOption
from txengineio.errors import JoinFailed as JoinFailed
from txengineio.errors import LocalProtocolError as LocalProtocolError
from txengineio.errors import PacketDecodeError as PacketDecodeError
from txengineio.errors import PayloadTooLarge as PayloadTooLarge
from txengineio.errors import ProtocolError as ProtocolError
from txengineio.errors import RemoteProtocolError as RemoteProtocolError
from txengineio.errors import RequestRejected as RequestRejected
from txengineio.errors import SessionClosed as SessionClosed
from txengineio.errors import TransportError as TransportError
from txengineio.errors import UnknownOption as UnknownOption
from txengineio.integrations.client_script import ClientScript as ClientScript
from txengineio.observing.packet_log import log_packets as log_packets
from txengineio.server.engine import Engine as Engine
from txengineio.server.health import HealthResource as HealthResource
from txengineio.server.options.admission import Admit as Admit
from txengineio.server.options.compression import HttpCompression as HttpCompression
from txengineio.server.options.cookies import CookieOptions as CookieOptions
from txengineio.server.options.cors import CorsOptions as CorsOptions
from txengineio.server.options.deflate import DeflateOptions as DeflateOptions
from txengineio.server.requests.checks import (
    ConnectionErrorEvent as ConnectionErrorEvent,
)
from txengineio.server.session import Session as Session
from txengineio.server.web.resource import EngineIOResource as EngineIOResource
from txengineio.server.web.site import EngineIOSite as EngineIOSite

__version__: str

__all__ = [
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
