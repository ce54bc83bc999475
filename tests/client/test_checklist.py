"""What the checklist says of clients, of this one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.client.network import World
from tests.doubles import echo, ended_with
from txengineio.errors import CloseReason
from txengineio.protocol.packets import PacketType
from txengineio.testing import RecordingApplication, RecordingProtocol

each_transport = pytest.mark.parametrize("transport", ["polling", "websocket"])
each_revision = pytest.mark.parametrize("revision", [3, 4])


def mute(world: World) -> None:
    for wire in world.network.connections:
        wire.is_cut = True


def after_a_heartbeat(
    revision: int, transport: str, **options: Any
) -> tuple[World, RecordingProtocol]:
    world = World(allow_eio3=True, **options)
    client = world.open(transports=[transport], revision=revision)
    beats: list[float] = []
    client.session.on("heartbeat", lambda: beats.append(world.clock.seconds()))
    while not beats:
        world.advance(0.005)
    return world, client


# --- heartbeats -----------------------------------------------------------------------


@pytest.mark.behaviour("B059")
@each_transport
@each_revision
def test_it_waits_for_the_interval_and_the_time_out(
    transport: str, revision: int
) -> None:
    world = World(ping_interval=0.3, ping_timeout=0.1, allow_eio3=True)
    client = world.open(transports=[transport], revision=revision)
    mute(world)
    world.advance(0.2)
    assert client.lost == []
    world.advance(0.3)
    assert ended_with(client) is CloseReason.PING_TIMEOUT


@pytest.mark.behaviour("B060")
@each_transport
@each_revision
def test_it_stays_for_its_time_out_after_a_heartbeat(
    transport: str, revision: int
) -> None:
    world, client = after_a_heartbeat(
        revision, transport, ping_interval=0.08, ping_timeout=0.05
    )
    mute(world)
    world.advance(0.1)
    assert client.lost == []


@pytest.mark.behaviour("B062", "B063")
@each_transport
@pytest.mark.parametrize(("revision", "later"), [(4, 0.0), (3, 0.15)])
def test_it_ends_in_time_when_the_server_falls_silent(
    transport: str, revision: int, later: float
) -> None:
    world, client = after_a_heartbeat(
        revision, transport, ping_interval=0.3, ping_timeout=0.1
    )
    world.advance(later)
    mute(world)
    world.advance(0.35 - later)
    assert client.lost == []
    world.advance(0.15)
    assert ended_with(client) is CloseReason.PING_TIMEOUT


# --- buffers and callbacks ------------------------------------------------------------


@pytest.mark.behaviour("B109")
def test_packets_wait_until_the_post_before_is_answered() -> None:
    client = (world := World()).open(transports=["polling"])
    session = client.session
    session.send("on its way")
    session.send("waits")
    assert session.write_buffer == [(PacketType.MESSAGE, "waits")]
    left: list[int] = []
    session.on("drain", lambda: left.append(len(session.write_buffer)))
    world.advance(0.2)
    assert session.write_buffer == []
    assert left[-1] == 0


@pytest.mark.behaviour("B044", "B110")
def test_packets_wait_for_a_websocket_that_takes_nothing() -> None:
    client = (world := World()).open(transports=["websocket"])
    session = client.session
    session.transport.pauseProducing()
    session.send("waits")
    assert len(session.write_buffer) == 1
    session.transport.resumeProducing()
    assert session.write_buffer == []
    session.transport.pauseProducing()
    session.send("is lost")
    seen: list[int] = []
    session.on("close", lambda *_: seen.append(len(session.write_buffer)))
    session.close(discard=True)
    assert seen == [1]
    assert session.write_buffer == []
    world.advance(6)
    world.assert_nothing_left()


@pytest.mark.behaviour("B111", "B112")
@each_transport
def test_callbacks_come_in_order_one_echo_at_a_time(transport: str) -> None:
    world = World(RecordingApplication(on_message=echo))
    client = world.open(transports=[transport])
    calls: list[int] = []
    for number in range(3):
        client.session.send(
            str(number), on_flushed=lambda _, number=number: calls.append(number)
        )
        world.advance(0.2)
        assert calls == list(range(number + 1))
        assert client.messages == [str(each) for each in range(number + 1)]


@pytest.mark.behaviour("B113", "B114")
@each_transport
def test_callbacks_of_one_batch_come_in_order(transport: str) -> None:
    world = World(RecordingApplication(on_message=echo))
    client = world.open(transports=[transport])
    calls: list[int] = []
    for number in range(3):
        client.session.send(
            str(number), on_flushed=lambda _, number=number: calls.append(number)
        )
    world.advance(0.3)
    assert calls == [0, 1, 2]
    assert client.messages == ["0", "1", "2"]
