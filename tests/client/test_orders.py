"""All that can happen to a session, in any order: a random driver over seeds.

Client and server send numbered messages while pieces of what they send arrive, time
passes, the session moves to WebSocket, connections break or stall, and one side closes.
Whatever happens, no message is lost without a word, doubled, or out of order.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random

import pytest

from tests.client.network import World, result_of
from txengineio.errors import CloseReason
from txengineio.protocol.states import ReadyState
from txengineio.testing import RecordingProtocol

SEEDS = int(os.environ.get("TXENGINEIO_TEST_SEEDS", "40"))
STEPS = 400
PING = 0.5
# Enough for every time-out, one after the other.
LONG = 60.0


class Side:
    """One end of the session, and what it has sent."""

    def __init__(self, name: str, protocol: RecordingProtocol) -> None:
        self.name = name
        self.protocol = protocol
        self.sent: list[str | bytes] = []

    @property
    def is_open(self) -> bool:
        return self.protocol.session.ready_state is ReadyState.OPEN

    @property
    def reason(self) -> CloseReason | None:
        closed = self.protocol.session.closed
        return None if closed is None else closed.reason

    def send(self, random: Random) -> None:
        for _ in range(random.choice([1, 1, 1, 5, 20])):
            text = f"{self.name}{len(self.sent)}" + "é" * random.choice([0, 0, 0, 500])
            message = text.encode() if random.random() < 0.3 else text
            if self.protocol.session.send(message):
                self.sent.append(message)


class Drive:
    """One session, driven by one seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.revision = self.random.choice([3, 4, 4])
        patience = self.random.choice([0.15, 2.0])
        self.world = World(
            allow_eio3=True,
            ping_interval=PING,
            ping_timeout=PING,
            upgrade_timeout=patience,
        )
        client = self.world.open(
            revision=self.revision,
            transports=self.random.choice(
                [["polling", "websocket"]] * 3 + [["polling"], ["websocket"]]
            ),
            upgrade_timeout=self.random.choice([0.15, 2.0]),
            request_timeout=3.0,
            max_post_packets=self.random.choice([1, 3, 16]),
        )
        self.client = Side("c", client)
        self.server = Side("s", self.world.peer(client))
        # A server whose time is over as the upgrade packet is on its way closes the
        # WebSocket, and with it the session: the protocol has no answer to that packet.
        self.is_faulty = patience < 1
        self.closers: list[Side] = []

    def run(self) -> None:
        trouble = self.random.random() < 0.5
        for _ in range(STEPS):
            self.act(trouble)
        self.finish()

    def act(self, trouble: bool) -> None:
        usual: list[tuple[int, Callable[[], object]]] = [
            (5, lambda: self.client.send(self.random)),
            (5, lambda: self.server.send(self.random)),
            (80, lambda: self.world.network.step(self.random)),
            (10, self.pass_time),
            (3, self.world.network.flush),
        ]
        unusual: list[tuple[int, Callable[[], object]]] = [
            (1, self.lose_a_wire),
            (1, self.cut_a_wire),
            (1, lambda: self.close(self.client)),
            (1, lambda: self.close(self.server)),
        ]
        actions = usual + unusual if trouble and self.random.random() < 0.2 else usual
        weights = [weight for weight, _ in actions]
        _, action = self.random.choices(actions, weights)[0]
        action()

    def pass_time(self) -> None:
        # Never so long that a heartbeat fails because nothing arrives meanwhile.
        self.world.network.flush()
        self.world.clock.advance(self.random.choice([0.01, 0.05, 0.1]))

    def lose_a_wire(self) -> None:
        if self.world.network.open_connections:
            self.is_faulty = True
            self.random.choice(self.world.network.open_connections).lose()

    def cut_a_wire(self) -> None:
        if self.world.network.open_connections:
            self.is_faulty = True
            self.random.choice(self.world.network.open_connections).is_cut = True

    def close(self, side: Side) -> None:
        if side.is_open:
            self.closers.append(side)
            side.protocol.session.close()

    def finish(self) -> None:
        self.world.advance(5.0)
        if not self.is_faulty and not self.closers:
            assert self.client.is_open
            assert self.server.is_open
        self.close(self.client)
        self.world.advance(LONG)
        self.check(self.client, self.server)
        self.check(self.server, self.client)
        for side in (self.client, self.server):
            assert [kind for kind, *_ in side.protocol.events].count("lost") == 1
        self.world.assert_nothing_left()

    def check(self, sender: Side, receiver: Side) -> None:
        received = receiver.protocol.messages
        assert received == sender.sent[: len(received)]
        if self.is_faulty or self.closers[0] is not sender:
            # Lost messages are no secret: whoever has sent them knows that it is over.
            assert sender.reason is not None
            if self.closers[:1] == [sender] and sender.reason is (
                CloseReason.FORCED_CLOSE
            ):
                self.check_forced_close(sender, received)
        else:
            assert received == sender.sent

    def check_forced_close(self, sender: Side, received: list[str | bytes]) -> None:
        """A client that could close as it wanted to has got everything through."""
        if sender is self.client and self.closers == [sender]:
            assert received == sender.sent


@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_message_is_lost_or_doubled_and_nothing_is_left(seed: int) -> None:
    Drive(seed).run()


def test_a_session_that_nothing_happens_to_stays_open() -> None:
    world = World(ping_interval=PING, ping_timeout=PING)
    client = world.open()
    world.advance(20 * PING)
    assert client.session.transport.name == "websocket"
    assert client.session.ready_state is ReadyState.OPEN
    closing = client.session.close()
    world.network.flush()
    assert result_of(closing) is CloseReason.FORCED_CLOSE
    world.assert_nothing_left()
