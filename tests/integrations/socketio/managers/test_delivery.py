"""One event to those who are in a room: encoded once, and sent at once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integrations.socketio.harness import connected, wired
from txengineio.integrations.socketio.managers import delivery
from txengineio.integrations.socketio.managers.delivery import (
    Audience,
    event_parts,
    values_of,
)
from txengineio.server.broadcast import EncodedMessage
from txengineio.socketio import Server


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (None, []),
        ("x", ["x"]),
        ([1, 2], [[1, 2]]),
        ((1, 2), [1, 2]),
        ((), []),
        (False, [False]),
    ],
)
def test_a_tuple_is_several_values(data: Any, values: list[Any]) -> None:
    assert values_of(data) == values


def test_an_event_is_one_message_and_its_attachments() -> None:
    manager = wired(Server)[0].manager
    assert event_parts(manager, "x", 1, "/") == ['2["x",1]']
    assert event_parts(manager, "x", None, "/a") == ['2/a,["x"]']
    placeholder = '{"_placeholder":true,"num":0}'
    expected = [f'51-["x",{placeholder}]', b"\x01"]
    assert event_parts(manager, "x", b"\x01", "/") == expected


def test_an_audience_without_a_namespace_is_of_the_main_one() -> None:
    assert Audience.of(None, "room", None) == Audience("/", "room", [None])
    assert Audience.of("/a", None, ["x"]) == Audience("/a", None, ["x"])


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """All messages to rooms that have been made."""
    found: list[Any] = []

    class Counted(EncodedMessage):
        def __init__(self, message: Any) -> None:
            found.append(message)
            super().__init__(message)

    monkeypatch.setattr(delivery, "EncodedMessage", Counted)
    return found


def test_each_part_is_encoded_once(made: list[Any]) -> None:
    sio, server = wired(Server)
    clients = [connected(server) for _ in range(3)]
    sio.emit("news", b"\x01")
    server.settle()
    assert len(made) == 2
    assert all(len(client.packets()) == 2 for client in clients)


def test_nothing_is_made_for_clients_that_all_leave(made: list[Any]) -> None:
    sio, server = wired(Server)
    left: list[str] = []

    def tell(sid: str, _reason: str) -> None:
        left.append(sid)
        sio.emit("left", sid)

    sio.on("disconnect", tell)
    clients = [connected(server) for _ in range(5)]
    clients[0].close()
    server.settle()
    assert len(made) == len(left) == 1
    assert all(len(client.packets()) == 1 for client in clients[1:])
    sio.engine.drain(5.0)
    server.settle()
    assert (len(made), len(left)) == (1, 5)


def test_who_has_to_answer_gets_a_number_of_its_own() -> None:
    sio, server = wired(Server)
    sids: list[str] = []
    sio.on("connect", lambda sid, environ: sids.append(sid))
    clients = [connected(server) for _ in range(2)]
    answers: list[Any] = []
    for _ in range(2):
        sio.emit("ask", room=sids, skip_sid=[sids[1]], callback=answers.append)
    server.settle()
    assert clients[0].packets() == ['421["ask"]', '422["ask"]']
    assert clients[1].packets() == []
    clients[0].send('432["second"]', '431["first"]')
    server.settle()
    assert answers == ["second", "first"]


def test_a_namespace_that_nobody_is_in_costs_nothing() -> None:
    sio, _ = wired(Server)
    # It would be an error to encode this.
    sio.emit("news", object(), namespace="/nobody")


def test_a_client_of_several_rooms_gets_an_event_once() -> None:
    sio, server = wired(Server)
    sids: list[str] = []
    sio.on("connect", lambda sid, environ: sids.append(sid))
    client = connected(server)
    for room in ("a", "b"):
        sio.enter_room(sids[0], room)
    sio.emit("news", room=["a", "b"])
    server.settle()
    assert client.packets() == ['42["news"]']
