"""Three nodes on Redis, or with ``--apart`` three engines that do not know each other.

They have one port: this process only binds it, a socket for each of them, and each is a
`benchmarks.apps.ours` that inherits its own, as from systemd. `steering.address_for`
tells where the connections to each of them come from. Redis and the nodes are children
of this process, and end with it; what they need is counted.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from secrets import token_hex

from benchmarks.apps.steering import steer

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


def _cluster_options(folder: Path) -> list[str]:
    """Start what the nodes share, and return their options for it."""
    secret = folder / "secret"
    secret.write_text(token_hex(32))
    secret.chmod(0o600)
    return [
        *("--cluster", _start_redis(folder), "--cluster-secret-file", str(secret)),
        *("--cluster-listen", f"tcp:0:interface={_HOST}"),
    ]


def _bind() -> list[socket.socket]:
    """Bind one port, and return a socket for each node.

    A socket that all had in common would give nearly all connections to two of them.
    """
    sockets: list[socket.socket] = []
    address = (_HOST, 0)
    for _ in range(NODES):
        sockets.append(socket.create_server(address, backlog=_BACKLOG, reuse_port=True))
        address = sockets[0].getsockname()
    steer()
    return sockets


def _start_node(listening: socket.socket, options: list[str], log: Path) -> None:
    command = [
        *(sys.executable, "-m", "benchmarks.apps.ours"),
        *("--listen", "systemd:domain=INET:index=0", *options),
    ]
    # What is inherited is for the process with this id.
    told = 'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=port exec "$@"'
    shell = ["sh", "-c", told, "sh", *command]
    os.dup2(listening.fileno(), _INHERITED)
    with log.open("wb") as output:
        subprocess.Popen(
            [*_ENDS_WITH_US, *shell],
            pass_fds=[_INHERITED],
            stdout=output,
            stderr=output,
        )


def _wait_until_served(logs: list[Path]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not all(b"is served" in each.read_bytes() for each in logs):
        if time.monotonic() > deadline:
            sys.exit(f"no node: {logs[0].read_text()}")
        time.sleep(_PAUSE)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--apart", action="store_true")
    arguments, options = parser.parse_known_args()
    # Nothing else gets this number.
    os.dup2(0, _INHERITED)
    folder = Path(tempfile.mkdtemp(prefix="cluster-", dir=Path.cwd()))
    listening = _bind()
    if not arguments.apart:
        options += _cluster_options(folder)
    logs = [folder / f"log{number}" for number in range(NODES)]
    for number, (each, log) in enumerate(zip(listening, logs, strict=True)):
        name = [] if arguments.apart else ["--node-name", f"n{number}"]
        _start_node(each, [*options, *name], log)
    # The suite begins when it sees that this process listens: what is on its way from
    # one socket to another is not seen.
    away, back = socket.socketpair()
    socket.send_fds(away, [b"."], [each.fileno() for each in listening])
    os.close(_INHERITED)
    for each in listening:
        each.close()
    _wait_until_served(logs)
    socket.recv_fds(back, 1, NODES)
    os.wait()


if __name__ == "__main__":
    main()
