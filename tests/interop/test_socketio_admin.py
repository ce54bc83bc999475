"""The Socket.IO Admin UI at each of our servers, on the wire."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.servers import HERE, run_client
from tests.interop.socketio_serve import KINDS
from tests.interop.test_socketio_nodes import twistd

pytestmark = pytest.mark.socket


@pytest.mark.parametrize("kind", KINDS)
def test_an_admin_sees_and_does_everything(
    kind: str, node: str, tmp_path: Path
) -> None:
    with twistd(kind, tmp_path / "log", SOCKETIO_ADMIN="secret") as url:
        facts = run_client([node, HERE / "node" / "socketio_admin.mjs"], url=url)
    assert dict(facts) == {
        "stranger": "authentication failed",
        "features": [
            "AGGREGATED_EVENTS",
            *("EMIT", "JOIN", "LEAVE", "DISCONNECT"),
            *("MJOIN", "MLEAVE", "MDISCONNECT"),
            "ALL_EVENTS",
        ],
        # Rooms: everybody is in one of their own.
        "all": [["/", "websocket", 1], ["/admin", "websocket", 1]],
        "connected": ["/", "websocket", False],
        "received": ["tell", None, "hello"],
        "sent": ["told", "hello"],
        "joined": ["/", "room"],
        "seen": ["by", "admin"],
        "left": ["/", "room"],
        "statistics": [0, [["/", 2], ["/admin", 1]]],
        "counted": [
            *("bytesIn", "bytesOut", "packetsIn", "packetsOut"),
            *("rawConnection", "rawDisconnection"),
        ],
        "gone": "io server disconnect",
        "disconnected": "server disconnect",
    }
