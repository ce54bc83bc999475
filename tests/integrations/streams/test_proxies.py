"""Stream protocols through proxies that know only HTTP, some without WebSocket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import pytest_twisted

from tests.conftest import RequireProgram
from tests.integrations.streams.scenarios import SCENARIOS
from tests.integrations.streams.test_endpoints import connect, listen
from tests.interop.test_proxies import command, serving
from tests.ports import reserved_port
from txengineio.errors import ConnectFailed

pytestmark = pytest.mark.socket

HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend web
    bind 127.0.0.1:{port}
    {more}
    default_backend pipe
backend pipe
    server pipe 127.0.0.1:{server}
"""

NGINX = """
events {{ }}
http {{
    access_log off;
    {folders}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{server};
            {more}
        }}
    }}
}}
"""

FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")

# What lets WebSockets pass; without it nginx forgets that somebody has asked for one.
NGINX_WEBSOCKETS = """\
proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";"""

# HAProxy lets them pass by itself.
HAPROXY_POLLING = "http-request deny if { hdr(Upgrade) -m found }"


def configuration(
    name: str, port: int, server: int, websockets: bool, folder: Path
) -> str:
    if name == "haproxy":
        more = "" if websockets else HAPROXY_POLLING
        return HAPROXY.format(port=port, server=server, more=more)
    more = NGINX_WEBSOCKETS if websockets else ""
    folders = " ".join(f"{kind}_temp_path {folder / kind};" for kind in FOLDERS)
    return NGINX.format(port=port, server=server, more=more, folders=folders)


@contextmanager
def running_proxy(
    name: str, program: str, server: int, websockets: bool, folder: Path
) -> Iterator[int]:
    """Run a proxy in front of a port; yield the port that it listens on."""
    path, output = folder / "configuration", folder / "output"
    with reserved_port() as port:
        path.write_text(configuration(name, port, server, websockets, folder), "utf-8")
        with serving(command(name, program, path), port, output):
            yield port


each_proxy = pytest.mark.parametrize("proxy", ["nginx", "haproxy"])
with_and_without = pytest.mark.parametrize(
    "websockets", [True, False], ids=["websockets", "polling"]
)


@with_and_without
@each_proxy
@pytest.mark.parametrize("name", SCENARIOS)
@pytest_twisted.ensureDeferred
async def test_every_protocol(
    name: str,
    proxy: str,
    websockets: bool,
    require_program: RequireProgram,
    tmp_path: Path,
) -> None:
    program = require_program(proxy, f"the Debian package {proxy}")
    make_server, talk = SCENARIOS[name]
    port, number = await listen(make_server())
    with running_proxy(proxy, program, number, websockets, tmp_path) as front:
        await talk(partial(connect, front, transports="polling,websocket"))
    await port.stopListening()


@with_and_without
@each_proxy
@pytest_twisted.ensureDeferred
async def test_websockets_pass_only_where_they_may(
    proxy: str, websockets: bool, require_program: RequireProgram, tmp_path: Path
) -> None:
    program = require_program(proxy, f"the Debian package {proxy}")
    make_server, talk = SCENARIOS["LineReceiver"]
    port, number = await listen(make_server())
    with running_proxy(proxy, program, number, websockets, tmp_path) as front:
        talking = talk(partial(connect, front, transports="websocket"))
        if websockets:
            await talking
        else:
            with pytest.raises(ConnectFailed):
                await talking
    await port.stopListening()
