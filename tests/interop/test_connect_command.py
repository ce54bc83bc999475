"""``python -m txengineio connect`` as a process, with a server in another one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.interop.certificates import make_certificates
from tests.interop.launch import LOOPBACK, TLS, Launch
from tests.interop.servers import ROOT, ServerProcess, running_server
from tests.ports import reserved_port

pytestmark = pytest.mark.socket

COMMAND = [sys.executable, "-m", "txengineio", "connect"]
DEADLINE = 60.0

each_transport = pytest.mark.parametrize("transport", ["polling", "websocket"])


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server(Launch(engine={"ping_interval": 300.0})) as running:
        yield running


def run(
    typed: bytes, *arguments: str, environment: Mapping[str, str] | None = None
) -> tuple[int, bytes, str]:
    """Run the command; return its exit status, its output and its progress."""
    process = subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        input=typed,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    progress = process.stderr.decode()
    assert "Traceback" not in progress
    assert "Unhandled" not in progress
    return process.returncode, process.stdout, progress


def test_lines_go_out_and_messages_come_back(server: ServerProcess) -> None:
    typed = "hello\nwörld\n!binary 3\nno end of the line".encode()
    status, printed, progress = run(typed, server.url)
    assert status == 0
    assert printed == "hello\nwörld\nbAAEC\nno end of the line\n".encode()
    said = progress.splitlines()
    assert said[0].startswith("connected by polling, session ")
    assert said[1:] == ["moved to websocket", "closed: forced close"]


@each_transport
def test_one_transport_only(server: ServerProcess, transport: str) -> None:
    arguments = (server.url, "--transport", transport)
    status, printed, progress = run(b"!transport\n!request\n", *arguments)
    assert (status, printed) == (0, f"{transport}\n{transport}\n".encode())
    assert f"connected by {transport}" in progress
    assert "moved" not in progress


@each_transport
def test_binary(server: ServerProcess, transport: str) -> None:
    arguments = ("--binary", "--transport", transport, server.url)
    status, printed, _ = run(b"\xff\x00\xfe\n!text\n", *arguments)
    assert (status, printed) == (0, b"\xff\x00\xfe\n!text\n")


def test_a_thousand_lines_from_a_pipe(server: ServerProcess) -> None:
    typed = b"".join(b"line %d\n" % number for number in range(1000))
    status, printed, _ = run(typed, server.url)
    assert (status, printed) == (0, typed)


@each_transport
def test_no_session_is_status_1(server: ServerProcess, transport: str) -> None:
    arguments = ("--path", "/wrong/", "--transport", transport, server.url)
    status, printed, progress = run(b"lost\n", *arguments)
    assert (status, printed) == (1, b"")
    assert progress.startswith("not connected: the server answered with an HTTP error")


def test_a_bad_certificate_is_told_in_one_line(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    tls = TLS(key=certificates.nameless_key, certificate=certificates.nameless)
    with running_server(Launch(tls=tls)) as server:
        url = f"https://localhost:{server.port}"
        trusting = {"SSL_CERT_FILE": certificates.authority}
        outcomes = [run(b"", url), run(b"", url, environment=trusting)]
    assert [(status, printed) for status, printed, _ in outcomes] == [(1, b"")] * 2
    untrusted, nameless = (progress for _, _, progress in outcomes)
    failed = "not connected: the TLS connection failed: the certificate"
    assert untrusted == (
        f"{failed} of 'CN=localhost' was issued by 'CN=Test authority', which is not "
        "trusted here\n"
    )
    assert nameless == f"{failed} names no host that it is for\n"


def test_no_server_is_status_1() -> None:
    with reserved_port() as port:
        status, _, progress = run(b"", f"http://{LOOPBACK}:{port}")
    assert status == 1
    assert "the connection was refused" in progress


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--unknown", f"http://{LOOPBACK}"],
        ["--transport", "pigeon", f"http://{LOOPBACK}"],
        ["ftp://server"],
    ],
)
def test_a_wrong_command_line_is_status_2(arguments: list[str]) -> None:
    status, printed, progress = run(b"", *arguments)
    assert (status, printed) == (2, b"")
    (line,) = progress.splitlines()
    assert line.endswith("; see python -m txengineio connect --help")


@each_transport
def test_a_session_that_the_server_ends_is_status_3(
    server: ServerProcess, transport: str
) -> None:
    arguments = (server.url, "--transport", transport)
    status, printed, progress = run(b"first\n!close\n", *arguments)
    assert (status, printed) == (3, b"first\n")
    assert progress.endswith("closed: transport close\n")
