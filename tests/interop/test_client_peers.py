"""Our client with servers that others wrote, and with ours."""

from __future__ import annotations

import pytest
import pytest_twisted

from tests.interop.client_peers import SERVERS, Peer, running_peer
from tests.interop.messages import LARGE
from tests.interop.recorder import (
    MODES,
    Recorders,
    each_mode,
    in_time,
    sleep,
)
from txengineio import (
    CloseReason,
    EngineIOClientService,
    SessionClosed,
)

pytestmark = pytest.mark.socket

ORDERED = 1000


@each_mode
@pytest_twisted.ensureDeferred
async def test_messages_come_back_unchanged(peer: Peer, mode: str) -> None:
    client = await peer.open(**MODES[mode])
    sent: list[str | bytes] = [
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
    sent: list[str | bytes] = [
        "0123456789" * (size // 10),
        bytes(range(250)) * (size // 250),
    ]
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
    await in_time(client.has_heartbeats(3))
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
