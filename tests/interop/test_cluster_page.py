"""The set-up of the guide's page about several machines, as it stands there."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.conftest import RequireProgram
from tests.interop.redis_server import require_redis
from tests.interop.test_proxies import Proxy, open_session, request
from tests.ports import reserved_port
from tests.supervised import until

pytestmark = pytest.mark.socket

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "cluster.md"
WEB = "8080"
PORTS = ("6400", "8081", "8082", "7081", "7082", WEB)


def block(kind: str, contains: str) -> str:
    found = re.findall(rf"^```{kind}\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    (text,) = [each for each in found if contains in each]
    return str(text)


@pytest.fixture
def site(require_program: RequireProgram, tmp_path: Path) -> Iterator[Proxy]:
    """The balancer, with all that is behind it."""
    require_redis(require_program)
    require_program("haproxy", "the Debian package haproxy")
    script, configuration = block("sh", "redis-server"), block("cfg", "# haproxy.cfg")
    with ExitStack() as stack:
        ports = {each: str(stack.enter_context(reserved_port())) for each in PORTS}
        yield stack.enter_context(running_site(script, configuration, ports, tmp_path))


@contextmanager
def running_site(
    script: str, configuration: str, ports: dict[str, str], tmp_path: Path
) -> Iterator[Proxy]:
    """Run what the page shows, on other ports."""
    for known, free in ports.items():
        assert f":{known}" in script + configuration or f"port {known}" in script
        script = re.sub(rf"\b{known}\b", free, script)
        configuration = re.sub(rf"\b{known}\b", free, configuration)
    (tmp_path / "haproxy.cfg").write_text(configuration, "utf-8")
    programs = Path(sys.executable).parent
    path = os.pathsep.join([str(programs), "/usr/sbin", os.environ["PATH"]])
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["sh", "-ec", script],
            cwd=tmp_path,
            env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=output,
            # All of it ends together.
            start_new_session=True,
        )
    proxy = Proxy(int(ports[WEB]), "haproxy", log)
    try:
        until(lambda: is_ready(proxy), lambda: log.read_text("utf-8", "replace"))
        yield proxy
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
        assert "Traceback" not in log.read_text("utf-8", "replace")


def is_ready(proxy: Proxy) -> bool:
    """Whether both nodes are there, as the balancer sees it."""
    try:
        answers = [request(proxy, "/healthz") for _ in range(4)]
    except (OSError, http.client.HTTPException):
        return False
    return all(each.body == "ok\ncluster: ok\n" for each in answers)


def test_it_works(site: Proxy) -> None:
    began = time.monotonic()
    nodes: set[str] = set()
    while len(nodes) < 2:
        session, _ = open_session(site)
        nodes.add(session.rpartition("sid=")[2].partition("-")[0])
        for number in range(6):
            assert request(site, session, body=f"4{number}").body == "ok"
            assert request(site, session).body == f"4{number}"
        assert time.monotonic() - began < 60
    assert nodes == {"n1", "n2"}
