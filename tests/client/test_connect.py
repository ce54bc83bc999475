"""Opening sessions: with an engine, and with servers that are none."""

from __future__ import annotations

import pytest

from tests.client.network import World, result_of
from tests.doubles import RecordingApplication, RecordingProtocol, ended_with
from txengineio.errors import CloseReason


def echo(protocol: RecordingProtocol, message: str | bytes) -> None:
    protocol.session.send(message)


MODES = {
    "polling": {"transports": ["polling"]},
    "websocket": {"transports": ["websocket"]},
    "upgrade": {},
}
each_mode = pytest.mark.parametrize("mode", MODES)


@each_mode
@pytest.mark.parametrize("revision", [3, 4])
def test_messages_come_back(mode: str, revision: int) -> None:
    world = World(RecordingApplication(on_message=echo), allow_eio3=True)
    client = world.open(revision=revision, **MODES[mode])
    sent = ["hello", b"\0\1", "", b"", "é" * 1000, *map(str, range(50))]
    for message in sent:
        assert client.session.send(message)
    world.advance(1)
    assert client.messages == sent
    assert client.session.transport.name == (
        "polling" if mode == "polling" else "websocket"
    )
    assert client.session.upgraded is (mode == "upgrade")
    closing = client.session.close()
    world.network.settle()
    assert result_of(closing) is CloseReason.FORCED_CLOSE
    assert ended_with(client) is CloseReason.FORCED_CLOSE
    assert ended_with(world.peer(client)) is CloseReason.TRANSPORT_CLOSE
    world.assert_nothing_left()
