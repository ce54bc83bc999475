"""The inspector in Chromium, on a server that was started as the README says."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import RequireProgram
from tests.interop.browsers import Browser, running_browser
from tests.interop.servers import HERE, ROOT, port_is_free, run_client

pytestmark = pytest.mark.socket

DEADLINE = 60.0
CASE_DEADLINE = 150.0
RUN_TWISTD = "from twisted.scripts.twistd import run; run()"
COMMAND = [sys.executable, "-c", RUN_TWISTD, "-n", "--pidfile=", "engineio"]
LISTENS = re.compile(r"(?:Look inside with a browser|The inspector): (\S+)")
ENGINE = re.compile(r"Engine\.IO is served at (\S+)")


class Twistd:
    """A server that was started as the README says.

    Attributes:
        url: Where its log says that the inspector is.
        engine: Where its log says that the engine is.
    """

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        watchdog = threading.Timer(DEADLINE, self._process.kill)
        watchdog.start()
        self.engine = self._logged(ENGINE)
        self.url = self._logged(LISTENS)
        watchdog.cancel()

    def _logged(self, pattern: re.Pattern[str]) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if found := pattern.search(line):
                return found[1]
        pytest.fail("the server has ended", pytrace=False)

    def kill(self) -> None:
        """End it without letting it clean up."""
        self._process.kill()
        self._process.communicate(timeout=DEADLINE)

    def stop(self) -> None:
        """End it as an operator would, if it runs; look at what it has logged."""
        if self._process.poll() is not None:
            return
        self._process.terminate()
        output, _ = self._process.communicate(timeout=DEADLINE)
        assert "Traceback" not in output
        assert "Unhandled" not in output


StartTwistd = Callable[..., Twistd]


@pytest.fixture
def start_twistd() -> Iterator[StartTwistd]:
    """Start servers; those that still run at the end of the test are stopped."""
    servers: list[Twistd] = []

    def start(*arguments: str) -> Twistd:
        servers.append(Twistd(*arguments))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def url(start_twistd: StartTwistd) -> str:
    """The inspector of a server that sends each message back."""
    return start_twistd("--port", "0").url


@pytest.fixture
def inspected(start_twistd: StartTwistd) -> Twistd:
    """A server with an application, and the inspector beside it."""
    return start_twistd(*inspected_at("0"))


def inspected_at(port: str) -> list[str]:
    """Return the arguments for an application, with the inspector on this port."""
    return [
        *("--app", "tests.interop.inspected:FACTORY", "--port", "0"),
        *("--inspector", f"tcp:{port}:interface=127.0.0.1"),
    ]


def wait_for_port(server: Twistd) -> str:
    """Return the port of an inspector that was killed, once it is free again."""
    port = urlsplit(server.url).port
    assert port is not None
    deadline = time.monotonic() + DEADLINE
    while not port_is_free(port):
        assert time.monotonic() < deadline, f"port {port} is in use"
        time.sleep(0.1)
    return str(port)


RunCase = Callable[[str, str, str], AbstractContextManager[Browser]]


@pytest.fixture
def run_case(require_program: RequireProgram, node: str, tmp_path: Path) -> RunCase:
    """Look at an inspector with a case of ``inspector_cases.mjs``."""
    chromium = require_program("chromium", "Chromium (Debian: chromium)")
    command: list[str | Path] = [node, HERE / "node" / "inspector_cases.mjs"]

    def run(case: str, url: str, engine: str) -> AbstractContextManager[Browser]:
        profile = str(tmp_path / "profile")
        arguments = {"case": case, "url": url, "engine": engine, "profile": profile}
        return running_browser(command, CASE_DEADLINE, executable=chromium, **arguments)

    return run


def test_the_inspector_shows_and_does_what_it_says(
    url: str, require_program: RequireProgram, node: str, tmp_path: Path
) -> None:
    chromium = require_program("chromium", "Chromium (Debian: chromium)")

    results = run_client(
        [node, HERE / "node" / "inspector.mjs"],
        executable=str(chromium),
        url=url,
        profile=str(tmp_path / "profile"),
    )

    facts = dict(results)
    assert facts["trouble"] == []
    assert facts["elsewhere"] == []
    # Its own session: handshake, upgrade, messages of both kinds, round trips.
    assert re.match(r"Moved to WebSocket \d+(\.\d)? ms after", facts["note"])
    assert facts["track"] == "upgraded"
    assert "1.0 MB" in facts["handshake"]
    assert facts["first"][:3] == ["in open", "out ping", "in pong"]
    assert "out upgrade" in facts["first"]
    assert facts["binary"] == [["websocket", "4 B"]] * 2
    assert "1,000,001 bytes; the server takes 1,000,000" in facts["tooLarge"]
    assert re.fullmatch(r"\d+(\.\d)? ms", facts["roundTrip"])
    assert facts["polling"] == "polling"
    assert facts["disabled"] is True
    # The sessions of the server.
    assert (facts["sessions"], facts["own"]) == (2, 1)
    assert facts["address"] == "127.0.0.1"
    assert facts["sids"]
    assert [sid for sid in facts["sids"] if sid in facts["html"]] == []
    # Nothing is cut off, on a desk or on a phone.
    assert (facts["wide"], facts["narrow"]) == (0, 0)


def test_many_messages_at_once_are_drawn_once_a_frame(
    inspected: Twistd, run_case: RunCase
) -> None:
    with run_case("flood", inspected.url, inspected.engine) as browser:
        for transport in ("websocket", "polling"):
            facts = browser.stage(transport)
            assert facts["changes"] <= facts["frames"] + 1
            # To draw, and to see whether somebody has scrolled.
            assert facts["layouts"] <= 2 * facts["frames"] + 2
            assert facts["kept"] == 500
            assert re.fullmatch(r"1,00\d in, .* · 1 out, 11 B", facts["totals"])
            assert re.fullmatch(
                r"50\d earlier rows cut; the last 500 are kept\.", facts["cut"]
            )
            assert facts["inSight"] < 40
            assert facts["trouble"] == []


def test_an_application_gets_no_messages_unasked(
    inspected: Twistd, run_case: RunCase
) -> None:
    with run_case("unasked", inspected.url, inspected.engine) as browser:
        facts = browser.stage("unasked")

    assert facts["before"] == []
    assert re.fullmatch(r"inspector round trip \d+", facts["after"])
    assert facts["trouble"] == []


def test_nor_does_one_that_is_served_where_messages_came_back_before(
    start_twistd: StartTwistd, run_case: RunCase
) -> None:
    server = start_twistd("--port", "0")
    with run_case("another", server.url, server.engine) as browser:
        browser.stage("measured")
        server.kill()
        start_twistd(*inspected_at(wait_for_port(server)))
        browser.tell("started")
        assert browser.stage("another") == {"seen": []}


def test_whole_messages_are_seen_and_copied(
    inspected: Twistd, run_case: RunCase
) -> None:
    with run_case("whole", inspected.url, inspected.engine) as browser:
        facts = browser.stage("whole")

    sent, tail = facts["sent"], "x" * 400 + " the end"
    assert facts["row"].startswith("<b>one</b>⏎say RLOexe.gnpPDF xxx")
    assert facts["shown"] == f"<b>one</b>⏎\nsay RLOexe.gnpPDF {tail}"
    assert facts["copied"] == sent
    assert facts["focused"] == "log"
    assert facts["long"] == 200_000
    assert facts["binary"].splitlines() == [
        "000000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  0123456789abcdef",
        f"000010  {'00 ff':47}  ..",
    ]
    assert facts["trouble"] == []


def test_all_sessions_are_found_sorted_and_counted(
    inspected: Twistd, run_case: RunCase
) -> None:
    with run_case("crowd", inspected.url, inspected.engine) as browser:
        facts = browser.stage("crowd")

    assert (facts["shown"], facts["place"]) == (100, "1\u2013100 of 301")
    assert facts["found"] == ["1 of 301 match"] * 3
    assert facts["own"] == "1 of 301 match"
    assert facts["everybody"] == 301
    assert facts["counts"] == [True, []]
    assert facts["trouble"] == []


def test_the_focus_stays_when_rows_go_and_move(
    inspected: Twistd, run_case: RunCase
) -> None:
    with run_case("focus", inspected.url, inspected.engine) as browser:
        facts = browser.stage("focus")

    assert facts == {
        "afterClosing": True,
        "afterLast": True,
        "afterSorting": True,
        "whilePointedAt": True,
        "trouble": [],
    }


def test_a_server_that_goes_is_said_and_the_page_comes_back(
    start_twistd: StartTwistd, run_case: RunCase
) -> None:
    server = start_twistd("--port", "0")
    with run_case("gone", server.url, server.engine) as browser:
        facts = browser.stage("before")
        assert (facts["badge"], facts["stale"], facts["usable"]) == ("1", 0, 1)

        server.kill()
        browser.tell("killed")
        facts = browser.stage("gone")
        assert (facts["badge"], facts["stale"]) == ("?", 1)
        assert (facts["rows"], facts["usable"]) == (1, 0)
        assert facts["news"].startswith("No answer from the server since ")
        assert (facts["focused"], facts["closed"]) == ("Close", [])

        start_twistd("--port", wait_for_port(server))
        browser.tell("started")
        facts = browser.stage("back")
        assert (facts["badge"], facts["stale"], facts["usable"]) == ("1", 0, 1)
        assert facts["news"].startswith("The server is back since ")
        assert any(each.startswith("connected again, ") for each in facts["events"])
        # For a moment there was no row.
        assert facts["focused"] in ("Close", "search")


def test_nothing_wraps_that_should_not(inspected: Twistd, run_case: RunCase) -> None:
    with run_case("narrow", inspected.url, inspected.engine) as browser:
        facts = browser.stage("narrow")

    assert {view: each["broken"] for view, each in facts["found"].items()} == {
        "connection at 390": [],
        "sessions at 390": [],
        "connection at 1400": [],
        "sessions at 1400": [],
    }
    assert [each["wider"] for each in facts["found"].values()] == [0] * 4
    assert facts["trouble"] == []
