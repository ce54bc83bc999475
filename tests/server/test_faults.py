"""Faults of the application and of the machine: they harm nobody else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest
from twisted.internet.defer import Deferred, fail

from tests.conftest import FlushLoggedErrors
from tests.server.conftest import NewServer
from tests.wiring import Server
from txengineio.testing import RecordingApplication


class Fault(Exception):
    pass


def break_down(*_arguments: object, **_details: object) -> NoReturn:
    raise Fault


def fail_later(*_arguments: object) -> Deferred[Any]:
    return fail(Fault())


async def fail_as_coroutine(*_arguments: object) -> NoReturn:
    raise Fault


faults = pytest.mark.parametrize(
    "fault",
    [break_down, fail_later, fail_as_coroutine],
    ids=["raises", "fails", "async"],
)


def exercise(server: Server) -> None:
    """Do everything that calls the application; another session looks on."""
    server.request()
    if not server.engine.sessions:
        return
    client = server.open_polling()
    poll = client.poll()
    client.post("4a")
    if poll.is_pending:
        client.session.send("b")
    websocket = client.open_websocket()
    if websocket.is_accepted:
        websocket.send("2probe")
        websocket.send("5")
        websocket.send("4c")
    for session in tuple(server.engine.sessions.values()):
        session.close(discard=True)


@faults
@pytest.mark.parametrize("callback", ["on_made", "on_message", "on_lost"])
def test_callbacks(
    new_server: NewServer,
    fault: Any,
    callback: str,
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    server = new_server(RecordingApplication(**{callback: fault}))
    exercise(server)
    assert flush_logged_errors(Fault)
    assert flush_logged_errors() == []
    for protocol in server.application.built:
        assert [event[0] for event in protocol.events].count("lost") == 1
    server.assert_nothing_left()


@faults
@pytest.mark.parametrize(
    "option", ["allow_request", "generate_id", "cors", "middleware", "cors origin"]
)
def test_options_that_are_callables(
    new_server: NewServer,
    fault: Any,
    option: str,
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    if option == "middleware":
        server = new_server()
        server.engine.use(fault)
    elif option == "cors origin":
        server = new_server(cors={"origin": fault})
    else:
        server = new_server(**{option: fault})
    for opening in (server.request(), server.open_websocket().opening):
        assert opening.answer.status in (400, 500)
    assert flush_logged_errors(Fault)
    assert server.application.built == []
    server.assert_nothing_left()


@faults
@pytest.mark.parametrize(
    "event", ["connection", "initial_headers", "headers", "flush", "drain"]
)
def test_handlers_of_the_engine(
    new_server: NewServer,
    fault: Any,
    event: str,
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    server = new_server()
    server.engine.on(event, fault)
    exercise(server)
    assert flush_logged_errors(Fault)
    assert flush_logged_errors() == []
    assert len(server.application.built) == 2
    server.assert_nothing_left()


@faults
@pytest.mark.parametrize(
    "event",
    [
        "packet",
        "data",
        "message",
        "packet_create",
        "flush",
        "drain",
        "upgrading",
        "upgrade",
        "close",
    ],
)
def test_handlers_of_sessions(
    new_server: NewServer,
    fault: Any,
    event: str,
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    server = new_server()
    server.engine.on("connection", lambda session: session.on(event, fault))
    exercise(server)
    assert flush_logged_errors(Fault)
    assert flush_logged_errors() == []
    assert all(
        protocol.events[-1][0] == "lost" for protocol in server.application.built
    )
    server.assert_nothing_left()


def test_callbacks_of_messages(
    new_server: NewServer, flush_logged_errors: FlushLoggedErrors
) -> None:
    server = new_server()
    client = server.open_polling()
    client.session.send("a", on_flushed=break_down)
    assert client.poll().answer.packets == ["4a"]
    assert len(flush_logged_errors(Fault)) == 1
    assert client.post("4b").answer.text == "ok"


def test_a_factory_that_fails(
    new_server: NewServer,
    flush_logged_errors: FlushLoggedErrors,
) -> None:
    server = new_server(max_sessions=1)
    server.engine.application = FailingFactory()
    for _ in range(3):
        assert server.request().answer.status == 500
    assert len(flush_logged_errors(Fault)) == 3
    server.engine.application = server.application
    assert server.request().answer.status == 200


class FailingFactory(RecordingApplication):
    buildProtocol = break_down


@pytest.mark.socket
def test_without_file_descriptors_accepting_pauses_and_recovers() -> None:
    program = Path(__file__).with_name("few_descriptors.py")
    run = subprocess.run(
        [sys.executable, program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    result = json.loads(run.stdout)
    # Those that were there went on meanwhile, and afterwards all is as before.
    assert result == {"during": "4during", "after": 200}, run.stderr
