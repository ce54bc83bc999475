"""Proxies that take servers in turn, and know nothing of sessions.

They look neither at cookies nor at addresses nor at ids: nearly every request comes to
a server that has not its session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.conftest import RequireProgram
from tests.interop.launch import LOOPBACK
from tests.interop.messages import ECHOES, LARGE, LARGE_LIMIT, digest
from tests.interop.servers import run_client
from tests.interop.test_proxies import Proxy, command, open_session, request, serving
from tests.ports import reserved_port

__all__ = ["ENGINE", "PROXIES", "check", "nodes_that_echo", "running_in_front"]

ENGINE: Final = {"ping_interval": 300.0, "max_http_buffer_size": LARGE_LIMIT}
"""Options of the engines for `check`."""

# Those that ask in a second session how the first one ended do not fit: it may be on
# another node.
SCENARIOS: Final = ["opening", "echoes", "ordered", "large"]


def haproxy(port: int, servers: list[int], folder: Path, reuse: str) -> str:
    lines = [f"    server s{each} {LOOPBACK}:{each}" for each in servers]
    return "\n".join(
        [
            "defaults",
            "    mode http",
            "    timeout connect 5s",
            "    timeout client 60s",
            "    timeout server 60s",
            "    timeout tunnel 60s",
            "frontend web",
            f"    bind {LOOPBACK}:{port}",
            "    default_backend nodes",
            "backend nodes",
            "    balance roundrobin",
            f"    http-reuse {reuse}",
            *lines,
            "",
        ]
    )


def nginx(port: int, servers: list[int], folder: Path, keep: str) -> str:
    temporary = "\n".join(
        f"{kind}_temp_path {folder / kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    lines = "\n".join(f"server {LOOPBACK}:{each};" for each in servers)
    return f"""
        events {{ worker_connections 1024; }}
        http {{
            {temporary}
            access_log off;
            upstream nodes {{ {lines} {keep} }}
            map $http_upgrade $upgrade {{ default upgrade; '' ''; }}
            server {{
                listen {LOOPBACK}:{port};
                location / {{
                    proxy_pass http://nodes;
                    proxy_http_version 1.1;
                    proxy_set_header Upgrade $http_upgrade;
                    proxy_set_header Connection $upgrade;
                    proxy_next_upstream off;
                    proxy_read_timeout 60s;
                    client_max_body_size 2m;
                }}
            }}
        }}
    """


Configuration = Callable[[int, list[int], Path, str], str]
PROXIES: dict[str, tuple[str, Configuration, str]] = {
    "haproxy never": ("haproxy", haproxy, "never"),
    "haproxy safe": ("haproxy", haproxy, "safe"),
    "haproxy always": ("haproxy", haproxy, "always"),
    "nginx": ("nginx", nginx, ""),
    "nginx keepalive": ("nginx", nginx, "keepalive 16;"),
}


@contextmanager
def running_in_front(
    name: str, require_program: RequireProgram, servers: list[int], folder: Path
) -> Iterator[Proxy]:
    """Run one of `PROXIES`; it is stopped at the end.

    Args:
        name: Which one.
        require_program: The fixture.
        servers: The ports of the servers.
        folder: Where its files are.
    """
    program_name, configuration, detail = PROXIES[name]
    program = require_program(program_name, f"the Debian package {program_name}")
    path, output = folder / "configuration", folder / "output"
    with reserved_port() as port:
        path.write_text(configuration(port, servers, folder, detail), "utf-8")
        with serving(command(program_name, program, path), port, output):
            yield Proxy(port, program_name, output)


def check(proxy: Proxy, program: list[str | Path], mode: str, **details: Any) -> None:
    """Run a client, and see that it gets every message, in order."""
    results = run_client(
        program,
        url=f"http://{LOOPBACK}:{proxy.port}",
        mode=mode,
        names=SCENARIOS,
        echoes=ECHOES,
        **details,
    )
    ends_on = "polling" if mode in ("polling", "keepalive") else "websocket"
    assert results["opening"]["transport"] == ends_on
    assert results["opening"]["trouble"] == []
    assert results["echoes"] == ECHOES
    assert results["ordered"]["echoed"] == [f"c{number}" for number in range(1000)]
    assert results["ordered"]["streamed"] == [f"s{number}" for number in range(1000)]
    assert results["ordered"]["trouble"] == []
    assert results["large"]["text"] == digest("€" * (LARGE // 3))
    assert results["large"]["text_from_server"] == digest("0123456789" * (LARGE // 10))


def nodes_that_echo(front: Proxy, openers: Sequence[Proxy] = ()) -> list[str]:
    """Let many clients get back what each says, and nothing else; list their nodes.

    Args:
        front: What they talk to.
        openers: Where they open their sessions, in turn; by default there, too.
    """
    places = openers or [front]

    def echoes(client: int) -> str:
        session, _ = open_session(places[client % len(places)])
        for number in range(20):
            said = f"4client{client} {number}"
            assert request(front, session, body=said).body == "ok"
            answer = request(front, session)
            assert (answer.status, answer.body) == (200, said)
        return session.rpartition("sid=")[2].partition("-")[0]

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(echoes, range(32)))
