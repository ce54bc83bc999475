"""The move to WebSocket, the client's side: every way to fail."""

from __future__ import annotations

from typing import Any

import pytest

from tests.client.network import World, result_of
from tests.doubles import echo
from txengineio.errors import CloseReason
from txengineio.testing import RecordingApplication, RecordingProtocol


class Upgrading(World):
    """A session by polling whose WebSocket is on its way.

    Attributes:
        errors: Why upgrades were cancelled.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(RecordingApplication(on_message=echo), **options)
        self.errors: list[Any] = []

    def begin_upgrade(self, **options: Any) -> RecordingProtocol:
        self.protocols.on_made = lambda client: client.session.on(
            "upgrade_error", self.errors.append
        )
        client = self.open(**options)
        assert not client.session.upgraded
        return client

    @property
    def websocket(self) -> Any:
        """The last connection: polling needs two at the most."""
        return self.network.connections[-1]

    def assert_polling(self, client: RecordingProtocol) -> None:
        assert client.session.upgrade_attempt is None
        assert client.session.transport.name == "polling"
        client.session.send("still here")
        self.advance(1)
        assert client.messages[-1] == "still here"


def test_a_websocket_that_is_lost_is_no_harm() -> None:
    world = Upgrading()
    client = world.begin_upgrade()
    world.websocket.lose()
    world.network.flush()
    world.assert_polling(client)
    assert "closed the WebSocket" in str(world.errors[0])


def test_a_websocket_that_stalls_is_given_up() -> None:
    world = Upgrading()
    client = world.begin_upgrade(upgrade_timeout=0.01)
    world.advance(0.02)
    assert "within 0.01 seconds" in str(world.errors[0])
    world.assert_polling(client)


def test_a_websocket_that_is_never_connected_is_given_up() -> None:
    world = Upgrading()
    world.network.stalls_from = 1
    client = world.begin_upgrade(upgrade_timeout=1)
    world.advance(2)
    assert len(world.errors) == 1
    world.network.stalls_from = None
    world.assert_polling(client)


def test_closing_cancels_the_upgrade() -> None:
    world = Upgrading()
    client = world.begin_upgrade()
    client.session.send("last")
    closing = client.session.close()
    world.advance(1)
    assert result_of(closing) is CloseReason.FORCED_CLOSE
    assert world.peer(client).messages == ["last"]
    world.assert_nothing_left()


@pytest.mark.parametrize(
    "frame", ["4early", "x", "2", "6", b"early"], ids=["text", "x", "2", "6", "binary"]
)
def test_anything_but_the_answer_to_the_probe_cancels(frame: str | bytes) -> None:
    world = Upgrading()
    client = world.begin_upgrade()
    attempt: Any = client.session.upgrade_attempt
    websocket = attempt._websocket
    if isinstance(frame, str):
        websocket.text_received(frame)
    else:
        websocket.binary_received(frame)
    world.network.flush()
    assert len(world.errors) == 1
    world.assert_polling(client)


def test_the_session_may_end_meanwhile() -> None:
    world = Upgrading()
    client = world.begin_upgrade()
    client.session.close(discard=True)
    world.advance(60)
    world.assert_nothing_left()


def test_an_upgrade_is_announced() -> None:
    world = Upgrading()
    events: list[str] = []

    def listen(client: RecordingProtocol) -> None:
        for event in ("upgrading", "upgrade"):
            client.session.on(
                event, lambda transport, event=event: events.append(event)
            )

    world.protocols.on_made = listen
    world.open()
    world.advance(1)
    assert events == ["upgrading", "upgrade"]
