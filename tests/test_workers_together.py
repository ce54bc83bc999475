"""``twistd engineio --workers``: one server to its clients, and to who runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.connection import make_request, parse_response
from tests.supervised import DEADLINE, PAUSE, Workers, until
from tests.test_plugin import POLLING, receive
from tests.test_workers import run

__all__ = ["run"]

pytestmark = pytest.mark.socket

APP = """
from txengineio import EngineIOProtocol

class Everybody(EngineIOProtocol):
    async def messageReceived(self, message):
        engine = self.session.engine
        if message == "count":
            self.session.send(str(engine.cluster.sessions))
        elif message.startswith("close "):
            closed = await engine.close_session(message[6:])
            self.session.send(str(closed))
        else:
            engine.broadcast(message)
"""

SAMPLE = re.compile(
    r'^engineio_(worker_up|worker_restarts_total)\{worker="([^"]+)"\} (\S+)$',
    re.MULTILINE,
)


@pytest.fixture
def everybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An application that sends what one says to all."""
    project = str(Path(__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), project)))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (tmp_path / "app_for_everybody.py").write_text(APP, "utf-8")
    return "app_for_everybody:Everybody"


def test_there_is_one_engine_to_the_application(
    everybody: str, run: Callable[..., Workers]
) -> None:
    server = run("--app", everybody, "--metrics")
    sessions = [server.open_on(slot) for slot in range(3)]
    for number, session in enumerate(sessions):
        assert server.ask(session, b"4%d" % number) == (200, "ok")
        for each in sessions:
            assert server.ask(each) == (200, f"4{number}")
    one, _, last = sessions

    def all_are_counted() -> bool:
        _, metrics = server.ask("/metrics")
        counts = re.findall(r"^engineio_sessions\{.*\} (\S+)$", metrics, re.MULTILINE)
        return int(server.say(one, "count")) == sum(map(float, counts)) >= 3

    until(all_are_counted, lambda: "not all sessions are counted")
    sid = last.partition("sid=")[2]
    assert server.say(one, f"close {sid}") == "True"
    until(
        lambda: server.say(one, f"close {sid}") == "False",
        lambda: "a session is not closed",
    )
    assert server.say(one, "close w9-nobody") == "False"
    assert "Traceback" not in server.stopped()


def test_there_are_no_more_sessions_than_the_machine_may_have(
    run: Callable[..., Workers],
) -> None:
    server = run("--max-sessions", "7")
    opened = 0
    deadline = time.monotonic() + DEADLINE
    # Who is full knows as of a second ago who is not.
    while opened < 7:
        assert time.monotonic() < deadline
        status, _ = server.ask(POLLING)
        assert status in (200, 503)
        opened += status == 200
        time.sleep(PAUSE if status == 503 else 0)
    assert {server.ask(POLLING)[0] for _ in range(30)} == {503}


def test_there_is_one_server_to_who_runs_it(run: Callable[..., Workers]) -> None:
    server = run("--metrics")
    healthy = "ok\nworker 0: open\nworker 1: open\nworker 2: open\n"
    until(
        lambda: server.ask("/healthz") == (200, healthy),
        lambda: f"not healthy: {server.ask('/healthz')}",
    )
    sessions = [server.open_on(slot) for slot in range(3)]

    def samples(name: str) -> dict[str, float]:
        status, text = server.ask("/metrics")
        assert status == 200
        return {
            worker: float(value)
            for found, worker, value in SAMPLE.findall(text)
            if found == name
        }

    assert samples("worker_up") == {"0": 1, "1": 1, "2": 1}
    assert samples("worker_restarts_total") == {"0": 0, "1": 0, "2": 0}
    listed = ask_inspector(server)
    assert {session.partition("sid=")[2][:10] for session in sessions} <= {
        row["id"] for row in listed
    }
    (row,) = (row for row in listed if row["id"] in sessions[2])
    with server.connect() as connection:
        target = f"/inspector/sessions/{row['handle']}"
        headers = {"X-Inspector": "1", "Host": "127.0.0.1"}
        connection.sendall(make_request("DELETE", target, None, headers))
        closed = parse_response(receive(connection, parse_response))
        assert closed is not None
        assert closed[0].status == 204
    os.kill(server.pid_of(1), signal.SIGKILL)
    until(
        lambda: samples("worker_restarts_total") == {"0": 0, "1": 1, "2": 0},
        lambda: "the restart is not counted",
    )
    until(
        lambda: samples("worker_up") == {"0": 1, "1": 1, "2": 1},
        lambda: "the worker is not back",
    )


def ask_inspector(server: Workers) -> list[dict[str, Any]]:
    headers = {"X-Inspector": "1", "Host": "127.0.0.1"}
    with server.connect() as connection:
        connection.sendall(make_request("GET", "/inspector/sessions", None, headers))
        answer = parse_response(receive(connection, parse_response))
    assert answer is not None
    listed: list[dict[str, Any]] = json.loads(answer[0].text)["sessions"]
    return listed
