"""The examples that need more than the others, each run as its first lines say."""

from __future__ import annotations

import re
import socketserver
import sqlite3
import ssl
import subprocess
import sys
from base64 import b64encode
from contextlib import closing
from pathlib import Path
from threading import Thread

import engineio
import pytest
from typing_extensions import override

from tests.conftest import RequireProgram
from tests.examples import DEADLINE, EXAMPLES, RunExample, connected, converse, read
from tests.interop.certificates import make_certificates
from tests.interop.servers import HERE, run_client

pytestmark = pytest.mark.socket

EACH_WAY = [["polling"], ["websocket"], ["polling", "websocket"]]
MAX_LINES = 60


def programs() -> list[str]:
    return sorted(
        path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("*.py")
    )


@pytest.mark.parametrize("name", programs())
def test_example_is_short_and_listed(name: str) -> None:
    text = (EXAMPLES / name).read_text("utf-8")
    table = (EXAMPLES / "README.md").read_text("utf-8")

    assert len(text.splitlines()) <= MAX_LINES
    assert f"]({name})" in table


def test_list_of_examples_names_only_what_is_there() -> None:
    table = (EXAMPLES / "README.md").read_text("utf-8")

    links = re.findall(r"\]\(([^)#:]+)\)", table)

    assert links
    assert [link for link in links if not (EXAMPLES / link).exists()] == []


def test_latency_page_shows_round_trips(
    run_example: RunExample,
    require_program: RequireProgram,
    node: str,
    tmp_path: Path,
) -> None:
    chromium = require_program("chromium", "the Debian package chromium")
    url = run_example("latency/server.py")

    facts = run_client(
        [node, HERE / "node" / "latency.mjs"],
        executable=str(chromium),
        url=url,
        profile=str(tmp_path / "profile"),
    )["latency"]

    assert facts["errors"] == []
    assert facts["state"] == "connected"
    assert re.fullmatch(r"\d+\.\d ms", facts["now"])
    assert re.fullmatch(r"\d+\.\d ms", facts["median"])
    assert facts["points"] >= 5


def test_klein_app_keeps_its_routes_and_gains_sessions(
    run_example: RunExample,
) -> None:
    url = run_example("klein_app.py")

    for transports in EACH_WAY:
        with connected(url, transports=transports) as (client, received):
            assert read(f"{url}/") == "1 are reading the news"
            assert read(f"{url}/news", b"it is snowing") == "told 1"
            assert received.get(timeout=DEADLINE) == "it is snowing"
            client.send("how many?")
            assert received.get(timeout=DEADLINE) == "1 are reading"


def test_flask_app_reaches_the_sessions_beside_it(run_example: RunExample) -> None:
    url = run_example("flask_app.py")

    for transports in EACH_WAY:
        with connected(url, transports=transports) as (_, received):
            assert read(f"{url}/say/hello") == "told 1"
            assert received.get(timeout=DEADLINE) == "hello"


def test_tls_example_makes_a_certificate_of_its_own(run_example: RunExample) -> None:
    url = run_example("tls.py")

    address = url.removeprefix("https://").split(":")
    pem = ssl.get_server_certificate((address[0], int(address[1])))
    assert "BEGIN CERTIFICATE" in pem


def test_tls_example_serves_with_the_certificate_that_it_is_given(
    run_example: RunExample, tmp_path: Path
) -> None:
    certificates = make_certificates(tmp_path)
    files = certificates.server_key, certificates.server
    pem = tmp_path / "server.pem"
    pem.write_text("".join(Path(name).read_text("ascii") for name in files), "ascii")

    url = run_example("tls.py", "0", str(pem))

    for transports in EACH_WAY:
        with connected(url, ca=certificates.authority, transports=transports) as (
            client,
            received,
        ):
            client.send("hello")
            assert received.get(timeout=DEADLINE) == "hello"


def basic(user: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(user.encode('latin-1')).decode()}"}


def test_users_of_the_database_are_let_in(run_example: RunExample) -> None:
    url = run_example("authentication.py")

    for transports in EACH_WAY:
        answers = converse(
            url, greetings=1, headers=basic("ada:lovelace"), transports=transports
        )
        assert answers == ["Hello ada"]


def test_anybody_else_is_kept_out(run_example: RunExample) -> None:
    url = run_example("authentication.py")
    others = ["ada:", "ada:babbage", "charles:lovelace", "' OR 1=1 --:x", "\xff:x"]

    for headers in [{}, *map(basic, others)]:
        with pytest.raises(engineio.exceptions.ConnectionError) as caught:
            converse(url, "hello", headers=headers)
        refusal = {"code": 4, "message": "wrong name or password"}
        assert caught.value.args[1] == refusal


def test_users_are_kept_in_the_database(
    run_example: RunExample, tmp_path: Path
) -> None:
    database = tmp_path / "users.sqlite"
    url = run_example("authentication.py", "0", str(database))

    assert converse(url, "hello", headers=basic("ada:lovelace"))
    with closing(sqlite3.connect(database)) as connection:
        ((name, hashed),) = connection.execute("SELECT name, hash FROM users")
    assert name == "ada"
    assert b"lovelace" not in hashed


def test_ticker_tells_everybody_the_same(run_example: RunExample) -> None:
    url = run_example("ticker.py")

    with (
        connected(url, transports=["polling"]) as (_, polling),
        connected(url, transports=["websocket"]) as (_, websocket),
    ):
        prices = [websocket.get(timeout=DEADLINE)["price"] for _ in range(2)]
        # Who came first has seen some more.
        while polling.get(timeout=DEADLINE)["price"] != prices[0]:
            pass
        assert polling.get(timeout=DEADLINE)["price"] == prices[1]


def test_library_for_asyncio_is_called(run_example: RunExample) -> None:
    page = run_example("existing_site.py")
    latency = run_example("latency/server.py")
    url = run_example("asyncio_inside.py")

    answers = converse(url, f"{latency}/", f"{page}/nowhere", "http://127.0.0.1:9/")

    assert answers[:2] == ["200 Latency", "404 404 - No Such Resource"]
    assert str(answers[2]).startswith("failed: ")


class EchoesLines(socketserver.StreamRequestHandler):
    @override
    def handle(self) -> None:
        self.wfile.write(b"hello\n")
        for line in self.rfile:
            self.wfile.write(line.upper())


def test_tunnel_leads_to_a_tcp_port(run_example: RunExample) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), EchoesLines) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        url = run_example("tunnel.py", "serve", str(server.server_address[1]), "0")
        command = [sys.executable, str(EXAMPLES / "tunnel.py"), "connect", url]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            assert client.stdout.readline() == b"hello\n"
            for line in (b"a line\n", b"x" * 500_000 + b"\n"):
                client.stdin.write(line)
                client.stdin.flush()
                assert client.stdout.readline() == line.upper()
            client.stdin.close()
            assert client.wait(DEADLINE) == 0
        server.shutdown()
