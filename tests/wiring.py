"""A whole server in memory: an engine in a site, reached through its bytes.

`Server` has an engine whose time is a `Clock`. Its clients share no code with it:
`PollingClient` and `WebSocketClient` are sessions, `Exchange` is one request and its
answer, `Connection` the client's end of a connection.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Any, Final, Self

from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.task import Clock
from twisted.web.resource import Resource
from twisted.web.server import Site

from tests.connection import SEPARATOR, Connection, Exchange, make_request
from tests.frames import BINARY, CLOSE, TEXT, frame_size, make_frame, parse_frames
from txengineio.server.engine import Engine
from txengineio.server.session import Session
from txengineio.server.web.resource import EngineIOResource
from txengineio.server.web.site import engine_site
from txengineio.testing import RecordingApplication, RecordingProtocol

__all__ = [
    "WEBSOCKET_KEY",
    "PollingClient",
    "Server",
    "WebSocketClient",
    "opening_headers",
]

WEBSOCKET_KEY: Final = b64encode(b"sixteen bytes ok").decode()
_GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class WebSocketClient:
    """A WebSocket; the opening request was sent, see ``opening`` for the answer."""

    def __init__(self, connection: Connection, opening: Exchange) -> None:
        self.connection = connection
        self.opening = opening
        self._close_frame: bytes | None = None

    @property
    def sid(self) -> str:
        """The session's id; takes the open packet, which must come first."""
        (opcode, payload), *_ = self.frames(1)
        assert opcode == TEXT
        assert payload[:1] == b"0", payload
        sid = json.loads(payload[1:])["sid"]
        assert isinstance(sid, str)
        return sid

    @property
    def is_accepted(self) -> bool:
        if self.opening.is_pending or self.opening.answer.status != 101:
            return False
        expected = b64encode(sha1((WEBSOCKET_KEY + _GUID).encode()).digest()).decode()
        assert self.opening.answer.header("Sec-WebSocket-Accept") == expected
        return True

    def send(self, *packets: str | bytes) -> None:
        """Send each packet in a frame, all in one segment."""
        self.connection.send(
            b"".join(
                make_frame(TEXT, packet.encode())
                if isinstance(packet, str)
                else make_frame(BINARY, packet)
                for packet in packets
            )
        )

    def send_frame(self, opcode: int, payload: bytes = b"", **details: Any) -> None:
        self.connection.send(make_frame(opcode, payload, **details))

    def frames(self, limit: int | None = None) -> list[tuple[int, bytes]]:
        """Take the frames that have come, the close frame excepted."""
        assert self.is_accepted, self.opening.response
        frames, size = parse_frames(self.connection.peek())
        if limit is not None:
            frames = frames[:limit]
            size = sum(frame_size(payload) for _, payload in frames)
        self.connection.take(size)
        if frames and frames[-1][0] == CLOSE:
            self._close_frame = frames.pop()[1]
        assert all(opcode != CLOSE for opcode, _ in frames)
        return frames

    def packets(self) -> list[str | bytes]:
        """Take the packets that have come."""
        packets: list[str | bytes] = []
        for opcode, payload in self.frames():
            assert opcode in (TEXT, BINARY), opcode
            packets.append(payload.decode() if opcode == TEXT else payload)
        return packets

    def close_frame(self) -> bytes | None:
        """The payload of the close frame, if one has come; what came before is lost."""
        self.frames()
        return self._close_frame

    def close_code(self) -> int | None:
        """The code of the close frame, 1005 for one without; None if none has come."""
        frame = self.close_frame()
        if frame is None:
            return None
        return int.from_bytes(frame[:2], "big") if frame else 1005

    def close(self, code: int | None = None) -> None:
        """Send a close frame."""
        self.send_frame(CLOSE, b"" if code is None else code.to_bytes(2, "big"))


def opening_headers(**changes: str | None) -> dict[str, str]:
    """Return a WebSocket client's headers; None leaves one out, _ stands for -."""
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": WEBSOCKET_KEY,
        "Sec-WebSocket-Version": "13",
    }
    for key, value in changes.items():
        name = key.replace("_", "-")
        headers.pop(name, None)
        if value is not None:
            headers[name] = value
    return headers


@dataclass(kw_only=True)
class Server:
    """An engine in a site, both in memory.

    Attributes:
        application: Builds the protocols.
        engine: The engine.
        clock: The engine's time, and the site's.
        site: The site.
    """

    application: RecordingApplication
    engine: Engine
    site: IProtocolFactory
    clock: Clock
    path: str = "/engine.io/"
    connections: list[Connection] = field(default_factory=list)

    @classmethod
    def new(
        cls,
        application: RecordingApplication | None = None,
        *,
        own_site: bool = False,
        short_path: bool = True,
        **options: Any,
    ) -> Self:
        """Make an engine with these options at ``/engine.io/``.

        Args:
            own_site: Use the package's site; a `twisted.web.server.Site` otherwise.
            short_path: As in `EngineWebSocketFactory` and `EngineIOSite`.
        """
        application = application or RecordingApplication()
        clock = Clock()
        engine = Engine(application, reactor=clock, **options)
        engine.websockets.short_path = short_path
        site: Site
        if own_site:
            site = own = engine_site(engine, reactor=clock)
            own.short_path = short_path
        else:
            root = Resource()
            root.putChild(b"engine.io", EngineIOResource(engine))
            site = Site(root, reactor=clock)
        return cls(application=application, engine=engine, site=site, clock=clock)

    def connect(self) -> Connection:
        connection = Connection(self.site, self.settle)
        self.connections.append(connection)
        return connection

    def settle(self) -> None:
        """Let everything happen that is due without time passing."""
        while sum(each.transport.settle() for each in self.connections) or any(
            call.getTime() <= self.clock.seconds()
            for call in self.clock.getDelayedCalls()
        ):
            self.clock.advance(0)

    def advance(self, seconds: float) -> None:
        """Let time pass, in steps that are smaller than any duration in a test."""
        self.clock.advance(seconds)
        self.settle()

    def target(
        self, transport: str | None = "polling", sid: str | None = None, **query: Any
    ) -> str:
        parameters = {"EIO": "4"}
        if transport is not None:
            parameters["transport"] = transport
        if sid is not None:
            parameters["sid"] = sid
        parameters |= query
        return f"{self.path}?" + "&".join(
            f"{name}={value}" for name, value in parameters.items()
        )

    def request(
        self,
        method: str = "GET",
        *,
        transport: str | None = "polling",
        sid: str | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> Exchange:
        """Send a request on a connection of its own."""
        target = self.target(transport, sid, **query)
        return self.connect().request(method, target, body, headers)

    def open_polling(self, **query: Any) -> PollingClient:
        """Open a session by polling."""
        handshake = self.request(**query)
        assert handshake.answer.status == 200, handshake.answer
        first, *_ = handshake.answer.packets
        assert first[:1] == "0"
        return PollingClient(self, json.loads(first[1:])["sid"], handshake)

    def open_websocket(
        self,
        sid: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        early: bytes = b"",
        **query: Any,
    ) -> WebSocketClient:
        """Send a WebSocket's opening request, and ``early`` in the same segment."""
        connection = self.connect()
        opening = connection.expect("GET")
        target = self.target("websocket", sid, **query)
        request = make_request(
            "GET", target, None, {**opening_headers(), **(headers or {})}
        )
        connection.send(request + early)
        return WebSocketClient(connection, opening)

    def session(self, sid: str) -> Session:
        return self.engine.sessions[sid]

    def assert_nothing_left(self) -> None:
        """Assert that no session is there, and nothing that waits for one."""
        self.settle()
        assert dict(self.engine.sessions) == {}
        for connection in self.connections:
            connection.read_responses()
            for exchange in connection.exchanges:
                assert exchange.response is not None or connection.is_closed
        # A site's own time-outs end with the connections.
        for connection in self.connections:
            connection.lose()
        assert self.engine.websockets.connections == set()
        assert self.clock.getDelayedCalls() == []


class PollingClient:
    """A session by polling."""

    def __init__(self, server: Server, sid: str, handshake: Exchange) -> None:
        self.server = server
        self.sid = sid
        self.handshake = handshake

    def poll(self, **query: Any) -> Exchange:
        return self.server.request(sid=self.sid, **query)

    def post(self, *packets: str, headers: Mapping[str, str] | None = None) -> Exchange:
        body = SEPARATOR.join(packets).encode()
        return self.server.request("POST", sid=self.sid, body=body, headers=headers)

    def start_post(self, size: int | None) -> Exchange:
        """Send the head of a POST only; its body is chunked if it has no size."""
        connection = self.server.connect()
        target = self.server.target(sid=self.sid)
        fields = {"Content-Length": str(size)}
        if size is None:
            fields = {"Transfer-Encoding": "chunked"}
        return connection.request("POST", target, None, fields)

    @property
    def session(self) -> Session:
        return self.server.session(self.sid)

    def is_upgraded(self) -> bool:
        return self.session.upgraded

    @property
    def protocol(self) -> RecordingProtocol:
        """The application's side of the session, which may be over."""
        (protocol,) = (
            each
            for each in self.server.application.built
            if each.session.id == self.sid
        )
        return protocol

    def open_websocket(self, early: bytes = b"", **query: Any) -> WebSocketClient:
        """Open the WebSocket of an upgrade."""
        return self.server.open_websocket(self.sid, early=early, **query)

    def upgrade(self) -> WebSocketClient:
        """Upgrade as a client does; no poll may be pending."""
        websocket = self.open_websocket()
        websocket.send("2probe")
        assert websocket.packets() == ["3probe"]
        websocket.send("5")
        return websocket
