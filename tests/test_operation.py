"""Flags and pages for those who run a server, in memory."""

from __future__ import annotations

import gc
import os
import signal
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.testing import MemoryReactorClock
from twisted.web.server import Site

from tests.connection import Connection, Response
from tests.doubles import has_fired
from tests.twistd.test_options import parse
from tests.wiring import Server
from txengineio.server.engine import Engine
from txengineio.testing import RecordingApplication
from txengineio.twistd.command_service import GC_THRESHOLD, CommandService
from txengineio.twistd.options import makeService
from txengineio.twistd.service import EngineIOService

APP = ["--app", "tests.twistd.test_options:APPLICATION"]


def ask(site: Site, path: str, **headers: str) -> Response:
    connection = Connection(site, lambda: None)
    return connection.request("GET", path, None, headers).answer


def pages(*arguments: str) -> dict[str, int]:
    """What the server's own site answers for the pages beside the engine."""
    site = makeService(parse(*arguments)).site
    paths = ("/", "/inspector/inspector.js", "/healthz", "/metrics")
    return {path: ask(site, path).status for path in paths}


@pytest.mark.parametrize(
    "arguments", [[], ["--interface", "::1"], ["-i", "localhost"], ["--port", "0"]]
)
def test_who_tries_the_server_out_sees_the_inspector(arguments: list[str]) -> None:
    assert pages(*arguments) == {
        "/": 200,
        "/inspector/inspector.js": 200,
        "/healthz": 200,
        "/metrics": 501,
    }


@pytest.mark.parametrize(
    "arguments",
    [
        APP,
        ["--no-inspector"],
        ["--interface", "0.0.0.0"],
        ["--interface", "name.example"],
        ["--listen", "tcp:0:interface=127.0.0.1"],
        ["--inspector", "tcp:0"],
    ],
)
def test_others_do_not(arguments: list[str]) -> None:
    assert pages(*arguments)["/"] == 501
    assert pages(*arguments)["/inspector/inspector.js"] == 501


def test_an_engine_at_the_root_is_alone() -> None:
    site = makeService(parse("--path", "/")).site
    assert ask(site, "/?EIO=4&transport=polling").status == 200
    assert ask(site, "/healthz?EIO=4&transport=polling").status == 200


def test_metrics_are_served_beside_the_engine_if_that_is_asked_for() -> None:
    assert pages("--metrics", *APP)["/metrics"] == 200


def test_the_inspector_of_an_application_has_a_site_of_its_own() -> None:
    service = makeService(parse(*APP, "--inspector", "tcp:0:interface=127.0.0.1"))
    (place,) = service.others

    page = ask(place.site, "/").text
    own = {"Host": "127.0.0.1", "X-Inspector": "1"}
    state = ask(place.site, "/inspector/state", **own).json

    assert 'data-engine="/engine.io/"' in page
    # It sends nothing by itself that the application has to understand.
    assert state["echoes"] is False
    assert ask(place.site, "/engine.io/?EIO=4&transport=polling").status == 200


def test_metrics_may_have_a_site_of_their_own() -> None:
    service = makeService(parse(*APP, "--metrics-listen", "tcp:0"))
    (place,) = service.others

    assert "engineio_sessions" in ask(place.site, "/metrics").text
    assert ask(place.site, "/healthz").text == "ok\n"
    assert ask(service.site, "/metrics").status == 501


# --- stopping -------------------------------------------------------------------------


class SignalReactor(MemoryReactorClock):
    """Calls from signal handlers come when time passes."""

    def callFromThread(  # noqa: N802  # Twisted's name
        self, callable: Any, *args: Any, **kwargs: Any
    ) -> None:
        self.callLater(0, callable, *args, **kwargs)


def running(drain_timeout: float, *, owns_process: bool = False) -> Any:
    reactor = SignalReactor()
    engine = Engine(RecordingApplication(), reactor=reactor)
    kind: type[EngineIOService] = CommandService if owns_process else EngineIOService
    service = kind(engine, [], "/engine.io/", drain_timeout=drain_timeout)
    service.startService()
    application: Any = engine.application
    server = Server(
        application=application, engine=engine, site=service.site, clock=reactor
    )
    return service, server


def test_stopping_takes_as_long_as_the_drain_timeout_at_most() -> None:
    service, server = running(10.0)
    server.open_polling()
    stopped = service.stopService()
    server.advance(9.9)
    assert not has_fired(stopped)
    server.advance(0.1)
    server.advance(0.1)
    assert has_fired(stopped)


def test_what_was_sent_arrives_after_the_server_was_told_to_stop() -> None:
    service, server = running(10.0)
    client = server.open_polling()
    client.session.send("the last words")
    stopped = service.stopService()

    assert client.poll().answer.packets == ["4the last words"]
    assert client.poll().answer.packets == ["6", "1"]
    server.advance(0.1)
    assert has_fired(stopped)


@pytest.fixture
def unfrozen() -> Iterator[None]:
    """Gives back to the garbage collector what the service has taken from it."""
    # Other tests have started services that own the process, too.
    gc.unfreeze()
    with warnings.catch_warnings():
        # Files that uploads in other tests have left are no fault of the next one.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.parametrize("missing", [["freeze"], ["freeze", "set_threshold"]])
def test_a_collector_that_cannot_be_kept_from_anything_is_left_alone(
    missing: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = gc.get_threshold()
    for name in missing:
        # As on PyPy.
        monkeypatch.delattr(gc, name)
    service, _ = running(10.0, owns_process=True)
    assert service.running
    assert gc.get_threshold() == before


@pytest.mark.usefixtures("unfrozen")
def test_only_who_owns_the_process_keeps_the_collector_from_what_is_loaded() -> None:
    before = gc.get_threshold()
    frozen = gc.get_freeze_count()
    running(10.0)
    assert gc.get_freeze_count() == frozen
    assert gc.get_threshold() == before
    running(10.0, owns_process=True)
    assert gc.get_freeze_count() > frozen
    assert gc.get_threshold() == (GC_THRESHOLD, *before[1:])


@pytest.mark.usefixtures("unfrozen")
@pytest.mark.parametrize("threshold", [0, GC_THRESHOLD + 1])
def test_who_has_chosen_less_of_the_collector_keeps_it(threshold: int) -> None:
    gc.set_threshold(threshold, 10, 10)
    running(10.0, owns_process=True)
    assert gc.get_threshold() == (threshold, 10, 10)


@pytest.mark.usefixtures("unfrozen")
def test_a_second_signal_drops_everything() -> None:
    before = signal.getsignal(signal.SIGTERM)
    service, server = running(10.0, owns_process=True)
    server.open_polling()
    stopped = service.stopService()
    assert signal.getsignal(signal.SIGTERM) is not before

    os.kill(os.getpid(), signal.SIGTERM)
    server.advance(0)
    server.advance(0.1)

    assert has_fired(stopped)
    assert signal.getsignal(signal.SIGTERM) is before
    server.assert_nothing_left()
