"""The chat that runs when no application is named, in memory."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.task import Clock

from tests.cluster.nodes import MemoryNode, acquainted
from tests.integrations.socketio.harness import opened
from tests.wiring import Server, WebSocketClient
from txengineio.integrations.socketio.demo.chat import (
    FIRST_ROOM,
    MAX_NAME,
    MAX_TEXT,
    chat_server,
)
from txengineio.server.web.site import engine_site
from txengineio.testing import RecordingApplication


def chat_site(**options: Any) -> Server:
    clock = Clock()
    sio = chat_server({"reactor": clock, **options})
    return Server(
        application=RecordingApplication(),
        engine=sio.engine,
        site=engine_site(sio.engine, reactor=clock),
        clock=clock,
    )


@pytest.fixture
def server() -> Server:
    return chat_site()


def enter(server: Server, name: Any = None) -> WebSocketClient:
    client = opened(server)
    client.send(f"40{json.dumps({'name': name})}")
    server.settle()
    assert client.packets()
    return client


def ask(client: WebSocketClient, event: str, *values: Any) -> Any:
    client.send(f"421{json.dumps([event, *values])}")
    (answer,) = client.packets()
    assert str(answer).startswith("431")
    (value,) = json.loads(str(answer)[3:])
    return value


def news(client: WebSocketClient) -> list[Any]:
    return [json.loads(str(each)[2:]) for each in client.packets()]


def test_people_of_a_room_hear_each_other(server: Server) -> None:
    ada, grace = enter(server, "Ada"), enter(server, "Grace")

    assert ask(ada, "join", "kitchen") == {"room": "kitchen", "people": ["Ada"]}
    both = {"room": "kitchen", "people": ["Ada", "Grace"]}
    assert ask(grace, "join", "kitchen") == both
    assert news(ada) == [["joined", {"name": "Grace", **both}]]

    assert ask(ada, "say", " hello ") is True
    assert news(grace) == [["said", {"name": "Ada", "text": "hello"}]]
    assert news(ada) == []


@pytest.mark.parametrize("way", ["another room", "disconnect", "lost"])
def test_who_leaves_is_missed(server: Server, way: str) -> None:
    ada, grace = enter(server, "Ada"), enter(server, "Grace")
    ask(ada, "join", "kitchen")
    ask(grace, "join", "kitchen")
    news(ada)

    if way == "another room":
        ask(grace, "join", "garden")
    elif way == "disconnect":
        grace.send("41")
    else:
        grace.connection.lose()
    server.settle()

    left = {"name": "Grace", "room": "kitchen", "people": ["Ada"]}
    assert news(ada) == [["left", left]]
    assert ask(ada, "say", "anybody?") is True
    assert grace.packets() == []


def test_names_and_texts_are_kept_short(server: Server) -> None:
    ada, grace = enter(server, "A" * 100), enter(server, "Grace")
    for each in (ada, grace):
        state = ask(each, "join", "k" * 100)
    news(ada)

    assert state == {"room": "k" * MAX_NAME, "people": ["A" * MAX_NAME, "Grace"]}
    assert ask(grace, "say", "x" * 2000)
    assert news(ada) == [["said", {"name": "Grace", "text": "x" * MAX_TEXT}]]


@pytest.mark.parametrize("name", [None, "", " ", 7, ["x"]])
def test_who_has_no_name_is_a_guest_in_the_first_room(
    server: Server, name: Any
) -> None:
    guest = enter(server, name)

    state = ask(guest, "join", name)

    assert state["room"] == FIRST_ROOM
    (called,) = state["people"]
    assert called.startswith("guest ")


@pytest.mark.parametrize("text", ["", "  ", None, 3, {"a": 1}])
def test_nothing_is_not_said(server: Server, text: Any) -> None:
    ada = enter(server, "Ada")
    assert ask(ada, "say", "too early") is False
    ask(ada, "join", "kitchen")

    assert ask(ada, "say", text) is False


def test_nobody_hears_another_by_a_room_called_like_its_id(server: Server) -> None:
    spy, ada = enter(server, "Spy"), opened(server)
    ada.send("40")
    (answer,) = ada.packets()
    sid = json.loads(str(answer)[2:])["sid"]

    ask(spy, "join", sid[:MAX_NAME])
    ada.send('421["join","kitchen"]')

    assert len(ada.packets()) == 1
    assert spy.packets() == []


class Nodes:
    """The chat in two processes of a cluster."""

    def __init__(self) -> None:
        self.nodes = [MemoryNode(name, chat_site(node_name=name)) for name in "ab"]
        acquainted(self.nodes)
        self.clients = [
            enter(node.server, name)
            for node, name in zip(self.nodes, ["Ada", "Grace"], strict=True)
        ]

    def settle(self) -> None:
        for _ in range(6):
            for node in self.nodes:
                node.deliver()
                node.server.settle()

    def ask(self, number: int, event: str, *values: Any) -> Any:
        client = self.clients[number]
        client.send(f"421{json.dumps([event, *values])}")
        self.settle()
        (answer,) = client.packets()
        assert str(answer).startswith("431")
        return json.loads(str(answer)[3:])[0]


def test_people_of_other_processes_are_in_the_same_room() -> None:
    nodes = Nodes()
    ada, _ = nodes.clients
    assert nodes.ask(0, "join", "kitchen")["people"] == ["Ada"]
    both = {"room": "kitchen", "people": ["Ada", "Grace"]}
    assert nodes.ask(1, "join", "kitchen") == both
    assert news(ada) == [["joined", {"name": "Grace", **both}]]
    assert nodes.ask(1, "say", "hello") is True
    assert news(ada) == [["said", {"name": "Grace", "text": "hello"}]]

    nodes.clients[1].send("41")
    nodes.settle()
    left = {"name": "Grace", "room": "kitchen", "people": ["Ada"]}
    assert news(ada) == [["left", left]]


def test_a_process_that_does_not_answer_is_not_waited_for_long() -> None:
    nodes = Nodes()
    nodes.ask(1, "join", "kitchen")
    ada, _ = nodes.clients
    ada.send('421["join","kitchen"]')
    nodes.nodes[0].server.settle()
    assert ada.packets() == []
    nodes.nodes[0].server.advance(1)
    (answer,) = ada.packets()
    assert json.loads(str(answer)[3:])[0]["people"] == ["Ada"]
