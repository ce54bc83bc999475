"""Three nodes on Redis with one port, whose connections are spread by chance.

This process only binds the port: each node is a `benchmarks.apps.ours` that inherits
it, as from systemd. Redis and the nodes are its children, and end with it; what they
need is counted.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from secrets import token_hex

NODES = 3

_HOST = "127.0.0.1"
_BACKLOG = 1024
_INHERITED = 3
"""The first descriptor that systemd passes on."""

_PAUSE = 0.05
_START_SECONDS = 20.0
_ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL")

Process = subprocess.Popen[bytes]


def _start_redis(folder: Path) -> str:
    """Start Redis, and return its URL."""
    program = shutil.which("redis-server", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        sys.exit("redis-server is not installed")
    path = folder / "redis.sock"
    options = ["--port", "0", "--unixsocket", str(path), "--save", ""]
    subprocess.Popen(
        [*_ENDS_WITH_US, program, *options], cwd=folder, stdout=subprocess.DEVNULL
    )
    return f"unix:{path}"


def _start_node(number: int, url: str, folder: Path) -> Path:
    """Start a node, and return its log."""
    command = [
        *(sys.executable, "-m", "benchmarks.apps.ours", *sys.argv[1:]),
        *("--listen", "systemd:domain=INET:index=0", "--node-name", f"n{number}"),
        *("--cluster", url, "--cluster-listen", f"tcp:0:interface={_HOST}"),
        *("--cluster-secret-file", str(folder / "secret")),
    ]
    # What is inherited is for the process with this id.
    told = 'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=port exec "$@"'
    shell = ["sh", "-c", told, "sh", *command]
    log = folder / f"log{number}"
    with log.open("wb") as output:
        subprocess.Popen(
            [*_ENDS_WITH_US, *shell],
            pass_fds=[_INHERITED],
            stdout=output,
            stderr=output,
        )
    return log


def _wait_until_served(logs: list[Path]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not all(b"is served" in each.read_bytes() for each in logs):
        if time.monotonic() > deadline:
            sys.exit(f"no node: {logs[0].read_text()}")
        time.sleep(_PAUSE)


def main() -> None:
    """Serve until killed."""
    folder = Path(tempfile.mkdtemp(prefix="cluster-", dir=Path.cwd()))
    secret = folder / "secret"
    secret.write_text(token_hex(32))
    secret.chmod(0o600)
    descriptor = socket.create_server((_HOST, 0), backlog=_BACKLOG).detach()
    if descriptor != _INHERITED:
        os.dup2(descriptor, _INHERITED)
        os.close(descriptor)
    url = _start_redis(folder)
    logs = [_start_node(number, url, folder) for number in range(NODES)]
    # The suite begins when it sees that this process listens: what is on its way from
    # one socket to another is not seen.
    away, back = socket.socketpair()
    socket.send_fds(away, [b"."], [_INHERITED])
    os.close(_INHERITED)
    _wait_until_served(logs)
    socket.recv_fds(back, 1, 1)
    os.wait()


if __name__ == "__main__":
    main()
