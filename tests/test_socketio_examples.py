"""The examples of Socket.IO, each run as its first lines say."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
import requests
import socketio

from tests.conftest import RequireProgram
from tests.examples import DEADLINE, RunExample, read
from tests.interop.servers import HERE, run_client

pytestmark = pytest.mark.socket

CLIENT = HERE / "node_modules" / "socket.io-client"


@contextmanager
def connected(
    url: str, *events: str, **options: Any
) -> Iterator[tuple[socketio.Client, Queue[Any]]]:
    """Connect a client, which has a queue of what comes with some events."""
    received: Queue[Any] = Queue()
    with requests.Session() as http:
        http.trust_env = False
        client = socketio.Client(reconnection=False, http_session=http)
        for event in events:
            client.on(event, lambda *values: received.put(values))
        client.connect(url, wait_timeout=DEADLINE, **options)
        try:
            yield client, received
        finally:
            client.disconnect()


def test_people_meet_in_a_room_of_the_chat(
    run_example: RunExample, require_program: RequireProgram, node: str, tmp_path: Path
) -> None:
    chromium = require_program("chromium", "the Debian package chromium")
    url = run_example("socketio/chat/server.py", "0", str(CLIENT))

    facts = run_client(
        [node, HERE / "node" / "socketio_rooms.mjs"],
        executable=chromium,
        url=url,
        profile=str(tmp_path / "profile"),
    )

    assert facts["trouble"] == []
    assert facts["kitchen"] == [
        "Adaentered",
        "Graceentered",
        "Adahello <b>you</b>",
        "Gracehello yourself",
    ]
    assert facts["garden"] == ["Charlesentered", "Charlesanybody?"]


def test_klein_app_tells_those_who_read(run_example: RunExample) -> None:
    url = run_example("socketio/klein_app.py")

    with connected(url, "news") as (client, received):
        assert read(f"{url}/") == "1 are reading the news"
        assert client.call("news") == []
        assert read(f"{url}/news", b"it is snowing") == "told"
        assert received.get(timeout=DEADLINE) == ("it is snowing",)
        assert client.call("news") == ["it is snowing"]


def test_users_of_the_database_may_connect(run_example: RunExample) -> None:
    url = run_example("socketio/authentication.py")

    with connected(url, auth={"token": "ada's"}) as (client, _):
        assert client.call("whoami") == "ada"


@pytest.mark.parametrize(
    ("auth", "reason"),
    [
        (None, {"message": "a token, please"}),
        ({"token": 7}, {"message": "a token, please"}),
        (
            {"token": "' OR 1=1 --"},
            {"message": "wrong token", "data": {"address": "127.0.0.1"}},
        ),
    ],
)
def test_others_are_told_why_they_may_not(
    run_example: RunExample, auth: Any, reason: Any
) -> None:
    url = run_example("socketio/authentication.py")
    reasons: Queue[Any] = Queue()
    with requests.Session() as http:
        client = socketio.Client(reconnection=False, http_session=http)
        client.on("connect_error", reasons.put)

        # To wait here would take all of the time, as the client waits for a success.
        client.connect(url, auth=auth, wait=False)
        try:
            assert reasons.get(timeout=DEADLINE) == reason
        finally:
            client.disconnect()
    assert reasons.empty()


def test_ticks_come_by_themselves_until_they_are_paused(
    run_example: RunExample,
) -> None:
    url = run_example("socketio/ticker.py")

    with connected(url, "tick") as (client, received):
        assert received.get(timeout=DEADLINE) == (1,)
        assert received.get(timeout=DEADLINE) == (2,)
        last = client.call("pause")
        assert last >= 2
        assert client.call("go") == last


def test_what_blocks_holds_nobody_up(run_example: RunExample) -> None:
    url = run_example("socketio/blocking.py")

    with connected(url, "progress") as (client, received):
        client.on("question", lambda question: f"answer to {question}")
        digested: Queue[Any] = Queue()
        client.emit("digest", "secret", callback=digested.put)
        assert received.get(timeout=DEADLINE) == ("0 of 4",)
        # The hash takes its time; this does not wait for it.
        assert client.call("hello") == "hello"
        assert digested.empty()
        assert client.call("ask", "why?") == "why? answer to why?"
        expected = b"secret"
        for _ in range(4):
            expected = hashlib.pbkdf2_hmac("sha256", expected, b"salt", 100_000)
        assert digested.get(timeout=DEADLINE) == expected.hex()


def test_rooms_of_socketio(run_example: RunExample) -> None:
    url = run_example("socketio/rooms.py")
    client, said = socketio.Client(reconnection=False), Queue[Any]()
    client.on("said", lambda *values: said.put(values))
    client.on("tick", lambda: said.put("tick"))
    with pytest.raises(socketio.exceptions.ConnectionError):
        socketio.Client(reconnection=False).connect(url)

    client.connect(url, auth={"token": "secret"})
    assert client.call("join", "kitchen") == ["kitchen"]
    client.emit("say", ("kitchen", "hello"))
    heard: set[Any] = set()
    while len(heard) < 2:
        # There is a tick every second.
        heard.add(said.get(timeout=DEADLINE))
    client.disconnect()

    assert heard == {("kitchen", "hello"), "tick"}
