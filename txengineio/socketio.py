"""Socket.IO servers for Twisted; see `txengineio.integrations.socketio`.

Needs the extra ``txengineio[socketio]``.
"""

from __future__ import annotations

from txengineio.integrations.socketio.async_server import AsyncServer
from txengineio.integrations.socketio.managers.async_manager import AsyncManager
from txengineio.integrations.socketio.managers.cluster import (
    AsyncClusterManager,
    ClusterManager,
)
from txengineio.integrations.socketio.managers.listening import ReactorPubSubManager
from txengineio.integrations.socketio.resource import SocketIOResource
from txengineio.integrations.socketio.server import Server
from txengineio.integrations.socketio.threaded_server import ThreadedServer

__all__ = [
    "AsyncClusterManager",
    "AsyncManager",
    "AsyncServer",
    "ClusterManager",
    "ReactorPubSubManager",
    "Server",
    "SocketIOResource",
    "ThreadedServer",
]
