"""Our client with servers that do not let it in, that stall, or that are none."""

from __future__ import annotations

import json
import socket
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing
from hashlib import sha1
from typing import Any, TypeVar, cast

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import TCP4ServerEndpoint

from tests.interop.client_peers import Peer, running_peer
from tests.interop.launch import LOOPBACK
from tests.interop.recorder import (
    Recorders,
    each_transport,
    failure_of,
    in_time,
    reactor,
    sleep,
)
from tests.ports import reserved_port
from txengineio import (
    CloseReason,
    ConnectCause,
    ConnectFailed,
    Engine,
    EngineIOProtocol,
    ErrorCode,
    connect,
)

pytestmark = pytest.mark.socket

Result = TypeVar("Result")


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


# --- our own engine -------------------------------------------------------------------


class Doorman:
    """An engine in this process that lets nobody in."""

    def __init__(self, **options: Any) -> None:
        self.engine = Engine(EngineIOProtocol, reactor=reactor, **options)

    async def failure(self, transport: str, **options: Any) -> ConnectFailed:
        endpoint = TCP4ServerEndpoint(reactor, 0, interface=LOOPBACK)
        port: Any = await self.engine.listen(endpoint)
        try:
            url = f"http://{LOOPBACK}:{port.getHost().port}"
            return await failure_of(url, transport, **options)
        finally:
            assert not self.engine.sessions
            await in_time(self.engine.close())
            await port.stopListening()


@each_transport
@pytest.mark.parametrize(
    ("answer", "message"),
    [("no entry", "no entry"), (False, "Forbidden"), (succeed("not you"), "not you")],
)
@pytest_twisted.ensureDeferred
async def test_our_engine_refuses(transport: str, answer: Any, message: str) -> None:
    doorman = Doorman(allow_request=lambda _request: answer)
    error = await doorman.failure(transport)
    assert error.cause is ConnectCause.FORBIDDEN
    assert (error.status, error.code) == (403, ErrorCode.FORBIDDEN)
    assert error.message == message


@each_transport
@pytest_twisted.ensureDeferred
async def test_our_engine_takes_no_client_of_revision_3(transport: str) -> None:
    error = await Doorman(allow_eio3=False).failure(transport, revision=3)
    assert error.cause is ConnectCause.WRONG_VERSION
    assert (error.status, error.code) == (400, ErrorCode.UNSUPPORTED_PROTOCOL_VERSION)


@each_transport
@pytest_twisted.ensureDeferred
async def test_our_engine_is_somewhere_else(transport: str) -> None:
    error = await Doorman().failure(transport, path="/socket.io/")
    assert (error.cause, error.status) == (ConnectCause.HTTP_STATUS, 501)


@pytest_twisted.ensureDeferred
async def test_our_engine_has_not_this_transport() -> None:
    error = await Doorman(transports=["polling"]).failure("websocket")
    assert error.cause is ConnectCause.REJECTED
    assert (error.status, error.code) == (400, ErrorCode.UNKNOWN_TRANSPORT)


@each_transport
@pytest_twisted.ensureDeferred
async def test_our_engine_takes_its_time(transport: str) -> None:
    doorman = Doorman(allow_request=lambda _request: Deferred())
    error = await doorman.failure(transport, open_timeout=0.5)
    assert error.cause is ConnectCause.RESPONSE_TIMEOUT


# --- servers that are none, or stall --------------------------------------------------

OPEN_TIMEOUT = 0.6
HOOK_TIMEOUT = 30.0
ACCEPT_WEBSOCKET = b"""HTTP/1.1 101 Switching Protocols\r
Upgrade: websocket\r
Connection: Upgrade\r
Sec-WebSocket-Accept: ACCEPT\r
\r
"""
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Silent:
    """A server that accepts a connection, and answers with a few bytes or nothing."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._socket = socket.create_server((LOOPBACK, 0))
        self._socket.setblocking(False)
        self.address = f"{LOOPBACK}:{self._socket.getsockname()[1]}"
        self.serving = Deferred.fromCoroutine(self._serve())

    async def _serve(self) -> None:
        with closing(self._socket):
            connection, _ = await patiently(self._socket.accept)
            connection.setblocking(False)
            with closing(connection):
                request = await patiently(lambda: connection.recv(65536))
                connection.send(self._answer_to(request))
                # Whatever else it asks for, the client hangs up in the end.
                while await patiently(lambda: connection.recv(65536)):
                    pass

    def _answer_to(self, request: bytes) -> bytes:
        _, _, key = request.partition(b"Sec-WebSocket-Key: ")
        digest = sha1(key.partition(b"\r\n")[0] + _GUID).digest()
        return self._answer.replace(b"ACCEPT", b64encode(digest))


async def patiently(receive: Callable[[], Result]) -> Result:
    """Call something that would block until it does not."""
    for _ in range(int(HOOK_TIMEOUT / 0.01)):
        try:
            return receive()
        except BlockingIOError:
            await sleep(0.01)
        except ConnectionResetError:
            # An abort is another way to hang up.
            return cast(Result, b"")
    raise AssertionError("it blocks")


async def failure_in_time(scheme: str, transport: str, answer: bytes) -> ConnectFailed:
    """Connect to a server that stalls; return how that ended, in time."""
    server = Silent(answer)
    url = f"{scheme}://{server.address}"
    began = reactor.seconds()
    error = await failure_of(url, transport, open_timeout=OPEN_TIMEOUT)
    # By default it would be 20 seconds.
    assert reactor.seconds() - began < OPEN_TIMEOUT + 10
    await server.serving
    return error


STALLS = [
    ("polling", b"", ConnectCause.RESPONSE_TIMEOUT),
    ("polling", b"HTTP/1.1 200 OK\r\n", ConnectCause.RESPONSE_TIMEOUT),
    (
        "polling",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        ConnectCause.RESPONSE_TIMEOUT,
    ),
    (
        "polling",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n0{",
        ConnectCause.RESPONSE_TIMEOUT,
    ),
    (
        "polling",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n0{\r\n",
        ConnectCause.RESPONSE_TIMEOUT,
    ),
    (
        "polling",
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\n{",
        ConnectCause.RESPONSE_TIMEOUT,
    ),
    ("websocket", b"", ConnectCause.RESPONSE_TIMEOUT),
    (
        "websocket",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n",
        ConnectCause.RESPONSE_TIMEOUT,
    ),
    (
        "websocket",
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\n{",
        ConnectCause.RESPONSE_TIMEOUT,
    ),
    ("websocket", ACCEPT_WEBSOCKET, ConnectCause.OPEN_TIMEOUT),
    ("websocket", ACCEPT_WEBSOCKET + b"\x81\x7e", ConnectCause.OPEN_TIMEOUT),
]


@pytest.mark.parametrize(("transport", "answer", "cause"), STALLS)
@pytest_twisted.ensureDeferred
async def test_a_server_that_stalls(
    transport: str, answer: bytes, cause: ConnectCause
) -> None:
    error = await failure_in_time("http", transport, answer)
    assert error.cause is cause, error


@each_transport
@pytest_twisted.ensureDeferred
async def test_a_server_that_stalls_before_it_speaks_tls(transport: str) -> None:
    error = await failure_in_time("https", transport, b"")
    assert error.cause is ConnectCause.RESPONSE_TIMEOUT


@pytest.mark.parametrize(
    ("scheme", "answer", "cause"),
    [
        ("http", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", ConnectCause.NOT_ENGINE_IO),
        ("http", b"\x15\x03\x01\0\2\2\x16\xff\r\n\r\n", ConnectCause.NOT_ENGINE_IO),
        ("https", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", ConnectCause.TLS),
        ("https", b"HTTP/1.1 400 Bad Request\r\n\r\n", ConnectCause.TLS),
    ],
)
@each_transport
@pytest_twisted.ensureDeferred
async def test_a_server_that_is_none(
    transport: str, scheme: str, answer: bytes, cause: ConnectCause
) -> None:
    error = await failure_in_time(scheme, transport, answer)
    assert error.cause is cause, error


@each_transport
@pytest_twisted.ensureDeferred
async def test_a_server_of_something_else(transport: str) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    error = await failure_in_time("http", transport, answer)
    if transport == "polling":
        assert error.cause is ConnectCause.NOT_ENGINE_IO
    else:
        assert (error.cause, error.status) == (ConnectCause.HTTP_STATUS, 200)


@each_transport
@pytest_twisted.ensureDeferred
async def test_a_server_that_is_not_there(transport: str) -> None:
    with reserved_port() as port:
        error = await failure_of(f"http://{LOOPBACK}:{port}", transport)
    assert error.cause is ConnectCause.REFUSED
    error = await failure_of("http://no-such-host.invalid", transport)
    assert error.cause is ConnectCause.DNS


HANDSHAKE = json.dumps(
    {"sid": "abc", "upgrades": [], "pingInterval": 100, "pingTimeout": 100}
)


@pytest_twisted.ensureDeferred
async def test_a_server_that_stalls_after_the_handshake() -> None:
    body = f"0{HANDSHAKE}".encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    server = Silent(head + body)
    url = f"http://{server.address}"
    client: Any = await in_time(connect(url, Recorders()))
    assert await in_time(client.lost) is CloseReason.PING_TIMEOUT
    await server.serving
