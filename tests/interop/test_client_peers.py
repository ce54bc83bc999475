"""Our client with servers that others wrote, and with ours."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor  # noqa: TID251  # real sockets
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from typing_extensions import override

from tests.interop.launch import LOOPBACK, Launch
from tests.interop.messages import LARGE, LARGE_LIMIT
from tests.interop.servers import HERE, ServerProcess, running_server
from txengineio import (
    CloseReason,
    ConnectCause,
    ConnectFailed,
    EngineIOClientService,
    EngineIOProtocol,
    ErrorCode,
    SessionClosed,
    connect,
)

pytestmark = pytest.mark.socket

# python-engineio tells whole seconds only.
PING_INTERVALS = {"python": 1.0}
PING_INTERVAL = 0.3
ENGINE = {
    "ping_timeout": 10.0,
    "max_http_buffer_size": LARGE_LIMIT,
}
ORDERED = 1000
DEADLINE = 30.0

SERVERS: dict[str, tuple[list[str | Path] | None, int]] = {
    "node": (["node", HERE / "node" / "echo.cjs", "engine.io"], 4),
    "node-3": (["node", HERE / "node" / "echo.cjs", "engine.io-3"], 3),
    "python": ([sys.executable, HERE / "aiohttp_server.py"], 4),
    "ours": (None, 4),
    "ours-3": (None, 3),
}
MODES: dict[str, dict[str, Any]] = {
    "polling": {"transports": ("polling",)},
    "websocket": {"transports": ("websocket",)},
    "upgrade": {},
}


class Recorder(EngineIOProtocol):
    """Keeps what it receives; lets a test wait for it."""

    factory: Recorders

    def __init__(self) -> None:
        self.messages: list[str | bytes] = []
        self.lost: Deferred[CloseReason] = Deferred()
        self.heartbeats = 0
        self._wanted: tuple[int, Deferred[None]] | None = None

    @override
    def connectionMade(self) -> None:
        self.session.on("heartbeat", self._heartbeat)
        self.factory.built.append(self)

    def _heartbeat(self) -> None:
        self.heartbeats += 1

    @override
    def messageReceived(self, message: str | bytes) -> None:
        self.messages.append(message)
        if self._wanted is not None and len(self.messages) >= self._wanted[0]:
            (_, waiting), self._wanted = self._wanted, None
            waiting.callback(None)

    @override
    def connectionLost(self, reason: Any = None) -> None:
        self.lost.callback(reason.value.reason)

    async def received(self, count: int) -> list[str | bytes]:
        """Wait for so many messages; return them all."""
        if len(self.messages) < count:
            waiting: Deferred[None] = Deferred()
            self._wanted = count, waiting
            await in_time(waiting)
        return self.messages


class Recorders(Factory):
    noisy = False
    protocol: Any = Recorder

    def __init__(self) -> None:
        self.built: list[Recorder] = []


def in_time(deferred: Deferred[Any], seconds: float = DEADLINE) -> Deferred[Any]:
    return deferred.addTimeout(seconds, reactor)


async def sleep(seconds: float) -> None:
    await deferLater(reactor, seconds)


@dataclass(frozen=True, slots=True)
class Peer:
    name: str
    process: ServerProcess
    revision: int

    async def open(self, **options: Any) -> Recorder:
        options.setdefault("revision", self.revision)
        protocol = await in_time(connect(self.process.url, Recorders(), **options))
        assert isinstance(protocol, Recorder)
        return protocol


@contextmanager
def running_peer(name: str) -> Iterator[Peer]:
    command, revision = SERVERS[name]
    interval = PING_INTERVALS.get(name, PING_INTERVAL)
    options = ENGINE | {"ping_interval": interval}
    if command is None:
        options["allow_eio3"] = revision == 3
    with running_server(Launch(engine=options), command) as process:
        yield Peer(name, process, revision)


@pytest.fixture(scope="module", params=SERVERS)
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    if request.param.startswith("node"):
        request.getfixturevalue("node")
    with running_peer(request.param) as running:
        yield running


each_mode = pytest.mark.parametrize("mode", MODES)


@each_mode
@pytest_twisted.ensureDeferred
async def test_messages_come_back_unchanged(peer: Peer, mode: str) -> None:
    client = await peer.open(**MODES[mode])
    sent = [
        "hello",
        "石室詩士施氏",
        "😀",
        b"\0\1\2",
        b"\xff" * 1000,
        "4",
        "bAQ==",
        "a\nb",
    ]
    for message in sent:
        assert client.session.send(message)
    assert await client.received(len(sent)) == sent
    assert await in_time(client.session.close()) is CloseReason.FORCED_CLOSE
    assert await client.lost is CloseReason.FORCED_CLOSE


@each_mode
@pytest_twisted.ensureDeferred
async def test_large_messages_come_back(peer: Peer, mode: str) -> None:
    client = await peer.open(**MODES[mode])
    # python-engineio 4.15 on aiohttp reads no more of a POST than its first chunk.
    size = 50_000 if peer.name == "python" and mode != "websocket" else LARGE
    sent = ["0123456789" * (size // 10), bytes(range(250)) * (size // 250)]
    for message in sent:
        client.session.send(message)
    assert await client.received(2) == sent
    await in_time(client.session.close())


@each_mode
@pytest_twisted.ensureDeferred
async def test_a_thousand_messages_keep_their_order(peer: Peer, mode: str) -> None:
    client = await peer.open(**MODES[mode])
    sent = [f"m{number}" for number in range(ORDERED)]
    for position in range(0, ORDERED, 50):
        for message in sent[position : position + 50]:
            client.session.send(message)
        # The move to WebSocket happens meanwhile.
        await sleep(0.002)
    assert await client.received(ORDERED) == sent
    expected = "polling" if mode == "polling" else "websocket"
    assert client.session.transport.name == expected
    assert client.session.upgraded is (mode == "upgrade")
    await in_time(client.session.close())


@each_mode
@pytest_twisted.ensureDeferred
async def test_heartbeats_keep_the_session_open(peer: Peer, mode: str) -> None:
    client = await peer.open(**MODES[mode])
    await sleep(3.8 * client.session.ping_interval)
    assert client.heartbeats >= 3
    client.session.send("alive")
    assert await client.received(1) == ["alive"]
    await in_time(client.session.close())


@each_mode
@pytest_twisted.ensureDeferred
async def test_the_server_closes(peer: Peer, mode: str) -> None:
    client = await peer.open(**MODES[mode])
    client.session.send("before")
    await client.received(1)
    client.session.send("!close")
    reason = await in_time(client.lost)
    if peer.name == "python" and mode != "websocket":
        # python-engineio forgets the session before a poll can take the goodbye.
        assert reason in (CloseReason.TRANSPORT_CLOSE, CloseReason.TRANSPORT_ERROR)
    else:
        assert reason is CloseReason.TRANSPORT_CLOSE


@each_mode
@pytest_twisted.ensureDeferred
async def test_a_session_may_be_closed_at_once(peer: Peer, mode: str) -> None:
    client = await peer.open(**MODES[mode])
    assert await in_time(client.session.close()) is CloseReason.FORCED_CLOSE


@pytest_twisted.ensureDeferred
async def test_what_the_server_sends_in_a_burst_arrives(peer: Peer) -> None:
    client = await peer.open(transports=("polling",))
    client.session.send("!count 500")
    assert await client.received(500) == [f"n{number}" for number in range(500)]
    await in_time(client.session.close())


# --- a server that comes and goes -----------------------------------------------------


@pytest.mark.parametrize("name", SERVERS)
@pytest_twisted.ensureDeferred
async def test_the_service_outlives_its_server(
    name: str, request: pytest.FixtureRequest
) -> None:
    if name.startswith("node"):
        request.getfixturevalue("node")
    factory = Recorders()
    happened: list[str] = []
    with running_peer(name) as peer:
        service = EngineIOClientService(
            peer.process.url,
            factory,
            revision=peer.revision,
            retry_policy=lambda _failures: 0.2,
            max_queued=100,
        )
        for event in ("connected", "disconnected", "connect_failed"):
            service.on(event, lambda *_, event=event: happened.append(event))
        service.startService()
        first = await in_time(service.when_connected())
        await service.send("before")
        await first.received(1)
        peer.process.kill()
        reason = await in_time(first.lost)
        assert reason in (CloseReason.TRANSPORT_CLOSE, CloseReason.TRANSPORT_ERROR)
        sent = [service.send(f"queued {number}") for number in range(50)]
        await sleep(0.5)
        peer.process.restart()
        second = await in_time(service.when_connected())
        for each in sent:
            await in_time(each)
        assert await second.received(50) == [f"queued {number}" for number in range(50)]
        await in_time(service.stopService())
        assert await second.lost is CloseReason.FORCED_CLOSE
    assert happened[:3] == ["connected", "disconnected", "connect_failed"]
    assert happened[-2:] == ["connected", "disconnected"]
    with pytest.raises(SessionClosed):
        await service.send("too late")


# --- no session -----------------------------------------------------------------------

each_transport = pytest.mark.parametrize("transport", ["polling", "websocket"])


async def failure_of(url: str, transport: str, **options: Any) -> ConnectFailed:
    connecting = connect(url, Recorders(), transports=(transport,), **options)
    with pytest.raises(ConnectFailed) as failed:
        await in_time(connecting)
    return failed.value


@each_transport
@pytest_twisted.ensureDeferred
async def test_a_wrong_path(peer: Peer, transport: str) -> None:
    error = await failure_of(peer.process.url, transport, path="/wrong/")
    if transport == "websocket" and error.status is None:
        # Node.js just drops a WebSocket that nobody wants.
        assert error.cause is ConnectCause.CONNECTION_LOST
    else:
        assert error.cause is ConnectCause.HTTP_STATUS
        assert error.status in (404, 501)


@each_transport
@pytest.mark.parametrize("name", ["node", "python", "ours"])
@pytest_twisted.ensureDeferred
async def test_a_wrong_revision(name: str, transport: str, node: str) -> None:
    with running_peer(name) as peer:
        error = await failure_of(peer.process.url, transport, revision=3)
    assert error.cause is ConnectCause.WRONG_VERSION
    assert error.status == 400


@pytest_twisted.ensureDeferred
async def test_a_server_that_knows_no_other_revision_than_3(node: str) -> None:
    with running_peer("node-3") as peer:
        error = await failure_of(peer.process.url, "polling", revision=4)
    assert error.cause is ConnectCause.WRONG_VERSION
    assert "revision=3" in str(error)


@each_transport
@pytest.mark.parametrize("name", ["node", "node-3", "python"])
@pytest_twisted.ensureDeferred
async def test_a_client_that_is_refused(name: str, transport: str, node: str) -> None:
    query = {"refuse": "yes"}
    with running_peer(name) as peer:
        options: dict[str, Any] = {"query": query, "revision": peer.revision}
        error = await failure_of(peer.process.url, transport, **options)
    if name == "python":
        assert (error.cause, error.status) == (ConnectCause.FORBIDDEN, 401)
        return
    assert error.message == "no entry"
    if transport == "polling":
        assert error.cause is ConnectCause.FORBIDDEN
        assert (error.status, error.code) == (403, ErrorCode.FORBIDDEN)
    else:
        # The reference server says no more than this to a WebSocket.
        assert (error.cause, error.status) == (ConnectCause.REJECTED, 400)


class Silent:
    """A server that accepts connections, and answers with a few bytes or nothing."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._socket = socket.create_server((LOOPBACK, 0))
        self.url = f"http://{LOOPBACK}:{self._socket.getsockname()[1]}"

    async def serve(self) -> None:
        self._socket.setblocking(False)
        while True:
            try:
                connection, _ = self._socket.accept()
            except BlockingIOError:
                await sleep(0.01)
            else:
                break
        connection.setblocking(False)
        await sleep(0.1)
        with closing(connection):
            connection.send(self._answer)
            await sleep(1.5)

    def close(self) -> None:
        self._socket.close()


HANDSHAKE = json.dumps(
    {"sid": "abc", "upgrades": [], "pingInterval": 100, "pingTimeout": 100}
)


@each_transport
@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (b"", ConnectCause.RESPONSE_TIMEOUT),
        (b"HTTP/1.1 200 OK\r\n", ConnectCause.RESPONSE_TIMEOUT),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n0{", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", None),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", ConnectCause.NOT_ENGINE_IO),
        (b"\x15\x03\x01\x00\x02\x02\x16\xff\r\n\r\n", ConnectCause.NOT_ENGINE_IO),
    ],
)
@pytest_twisted.ensureDeferred
async def test_a_server_that_is_none_or_stalls(
    transport: str, answer: bytes, cause: ConnectCause | None
) -> None:
    server = Silent(answer)
    serving = Deferred.fromCoroutine(server.serve())
    error = await failure_of(server.url, transport, open_timeout=0.6)
    if cause is not None:
        assert error.cause is cause, error
    else:
        assert error.cause in (
            ConnectCause.NOT_ENGINE_IO,
            ConnectCause.RESPONSE_TIMEOUT,
            ConnectCause.HTTP_STATUS,
        )
    await serving
    server.close()


@each_transport
@pytest_twisted.ensureDeferred
async def test_a_server_that_is_not_there(transport: str) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
    error = await failure_of(f"http://{LOOPBACK}:{port}", transport)
    assert error.cause is ConnectCause.REFUSED
    error = await failure_of("http://no-such-host.invalid", transport)
    assert error.cause is ConnectCause.DNS


@pytest_twisted.ensureDeferred
async def test_a_server_that_stalls_after_the_handshake() -> None:
    body = f"0{HANDSHAKE}".encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    server = Silent(head + body)
    serving = Deferred.fromCoroutine(server.serve())
    client: Any = await in_time(connect(server.url, Recorders()))
    assert await in_time(client.lost, 1.0) is CloseReason.PING_TIMEOUT
    await serving
    server.close()
