"""What can happen to a client in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.doubles import ended_with
from tests.testing.applications import Chat
from txengineio import BufferOverflow, CloseReason
from txengineio.testing import MemoryClient, MemoryEngine, RecordingApplication

each_transport = pytest.mark.parametrize("transport", ["polling", "websocket"])


@pytest.fixture
def memory() -> Iterator[MemoryEngine]:
    with MemoryEngine(Chat) as memory:
        yield memory


def closed_by(
    client: MemoryClient,
) -> tuple[CloseReason | None, CloseReason | None]:
    """Why the session is over, for the client and for the server."""
    client_side, server_side = client.session.closed, client.server_session.closed
    return (
        None if client_side is None else client_side.reason,
        None if server_side is None else server_side.reason,
    )


@each_transport
def test_connections_that_break(memory: MemoryEngine, transport: str) -> None:
    client, other = memory.connect(transports=[transport]), memory.connect()
    client.drop()
    assert client.protocol.close_reason is not None
    assert client.server_session.closed is not None
    assert other.session.closed is None


@each_transport
def test_a_cable_that_is_pulled(memory: MemoryEngine, transport: str) -> None:
    client = memory.connect(transports=[transport])
    client.cut()
    memory.advance(10)
    assert closed_by(client) == (None, None)
    memory.advance(40)
    assert closed_by(client) == (CloseReason.PING_TIMEOUT, CloseReason.PING_TIMEOUT)


@each_transport
def test_a_cable_that_is_put_back(memory: MemoryEngine, transport: str) -> None:
    client = memory.connect(transports=[transport])
    client.cut()
    client.send("late")
    memory.advance(3)
    assert client.messages == ["welcome"]
    client.mend()
    assert client.messages == ["welcome", "late"]


def test_there_is_no_new_connection_without_a_cable(memory: MemoryEngine) -> None:
    client = memory.connect(upgrade=False)
    client.cut()
    connections = len(client.endpoints.connections)
    client.send("1")
    memory.advance(3)
    assert len(client.endpoints.connections) == connections


@each_transport
def test_a_reader_that_is_slow(memory: MemoryEngine, transport: str) -> None:
    client, other = memory.connect(transports=[transport]), memory.connect()
    client.stop_reading()
    for number in range(10):
        other.send(str(number) * 100_000)
    assert client.messages == ["welcome"]
    assert not client.server_session.writable
    assert client.server_session.buffered_bytes > 500_000
    client.start_reading()
    assert len(client.messages) == 11
    assert client.server_session.writable


@each_transport
def test_a_reader_that_is_too_slow(transport: str) -> None:
    with MemoryEngine(Chat, max_buffered_bytes=100_000) as memory:
        client, other = memory.connect(transports=[transport]), memory.connect()
        client.stop_reading()
        for _ in range(4):
            other.send(b"x" * 70_000)
        closed = client.server_session.closed
        assert closed is not None
        assert isinstance(closed.description, BufferOverflow)
        assert other.session.closed is None


def test_a_poll_that_is_lost() -> None:
    application = RecordingApplication()
    with MemoryEngine(application) as memory:
        client = memory.connect(upgrade=False)
        client.lose_poll()
        assert ended_with(application.only) is CloseReason.TRANSPORT_ERROR
        assert ended_with(client.protocol) is CloseReason.TRANSPORT_ERROR


def test_a_post_that_goes_on_is_no_poll(memory: MemoryEngine) -> None:
    client = memory.connect(upgrade=False)
    client.send("1")
    assert len(client.endpoints.open_connections) == 2
    client.lose_poll()
    assert len(client.endpoints.open_connections) <= 1


def test_the_answer_to_a_poll_that_is_lost(memory: MemoryEngine) -> None:
    client = memory.connect(upgrade=False)
    client.cut()
    client.server_session.send("lost")
    client.drop()
    assert client.messages == ["welcome"]
    assert client.session.closed is not None


def test_there_is_no_poll_to_lose_on_websocket(memory: MemoryEngine) -> None:
    client = memory.connect()
    with pytest.raises(AssertionError, match=r"no poll is waiting.*websocket"):
        client.lose_poll()


def test_an_upgrade_can_be_watched(memory: MemoryEngine) -> None:
    client = memory.start_connecting()
    assert client.session.transport.name == "polling"
    client.send("on the way")
    client.upgrade()
    assert client.session.transport.name == "websocket"
    assert client.messages == ["welcome", "on the way"]


def test_an_upgrade_that_does_not_happen_is_told() -> None:
    with MemoryEngine(Chat, transports=["polling"]) as memory:
        client = memory.connect()
        with pytest.raises(AssertionError, match="stays on polling, and is open"):
            client.upgrade()


def test_closing(memory: MemoryEngine) -> None:
    client = memory.connect()
    client.close()
    assert ended_with(client.protocol) is CloseReason.FORCED_CLOSE
    assert client.server_session.closed is not None
    assert not memory.engine.sessions
