"""Sessions in tests that trial runs, whose janitor has the reactor watch nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.socket

TESTS = """
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory
from twisted.trial.unittest import TestCase

from txengineio import Engine, EngineIOProtocol, connect


class Echo(EngineIOProtocol):
    def messageReceived(self, message):
        self.session.send(message)


class Client(EngineIOProtocol):
    def connectionMade(self):
        self.received = Deferred()
        self.session.send("hello")

    def messageReceived(self, message):
        self.received.callback(message)


class Sessions(TestCase):
    timeout = 20

    async def open_session(self):
        engine = Engine(Factory.forProtocol(Echo), reactor=reactor)
        endpoint = serverFromString(reactor, "tcp:0:interface=127.0.0.1")
        port = await engine.listen(endpoint)
        url = f"http://127.0.0.1:{port.getHost().port}"
        factory = Factory.forProtocol(Client)
        client = await connect(url, factory, transports=["websocket"])
        self.assertEqual(await client.received, "hello")
        return engine, port, client

    async def test_1_leaves_its_session_open(self):
        await self.open_session()

    async def test_2_has_a_session_of_its_own(self):
        engine, port, client = await self.open_session()
        await client.session.close()
        await engine.close()
        await port.stopListening()
"""


def test_a_session_that_a_test_leaves_open_does_not_hurt_the_next(
    tmp_path: Path,
) -> None:
    (tmp_path / "test_sessions.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "twisted.trial", "test_sessions"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    said = " ".join(done.stdout.split())
    # The first one is told what it has left: its connections are named.
    assert "test_1_leaves_its_session_open ... [ERROR]" in said, done.stdout
    assert re.search(r"<Poller of \[<\w+Channel #0 on \d+>\]>", said), done.stdout
    assert "test_2_has_a_session_of_its_own ... [OK] ====" in said, done.stdout
    assert "successes=1)" in said
