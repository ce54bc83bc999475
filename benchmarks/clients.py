"""CPU per message of our client beside python-engineio's.

Run ``python -m benchmarks.clients``. Each client in turn exchanges messages with our
echo server, in a process of its own. The figures are microseconds of that process's CPU
time, user and system, for each message that came back.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.figures import ratio
from benchmarks.install import PYTHON, PeerMissing, install_python
from benchmarks.process import ServerFailed, ServerProcess, pinned
from benchmarks.report import table
from benchmarks.rounds import rotated
from benchmarks.servers import OURS, ROOT, SERVERS

_APPS = Path(__file__).parent / "apps"
_ROUNDS = 5
_SERVER_CPU = 0
_CLIENT_CPU = 1
_EXCHANGE_SECONDS = 60.0

# Each with its interpreter and its program; ours first.
CLIENTS: Mapping[str, tuple[str | Path, Path]] = {
    "txengineio": (sys.executable, _APPS / "our_client.py"),
    "python-engineio": (PYTHON, _APPS / "python_engineio_client.py"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a client has to do, and how many times as much the peer should need."""

    transport: str
    window: int
    count: int
    warm_up: int
    target: float


LOADS = (
    Load(transport="websocket", window=1, count=20_000, warm_up=2_000, target=3.0),
    Load(transport="websocket", window=16, count=20_000, warm_up=2_000, target=3.0),
    Load(transport="polling", window=1, count=4_000, warm_up=500, target=1.5),
    Load(transport="polling", window=16, count=16_000, warm_up=2_000, target=1.5),
)

Samples = Mapping[Load, Mapping[str, Sequence[float]]]


def run(
    url: str, rounds: int, measure: Callable[[str, str, Load], float]
) -> dict[Load, dict[str, list[float]]]:
    """Measure each client with each load, in rounds, in another order each round."""
    samples: dict[Load, dict[str, list[float]]] = {
        load: {client: [] for client in CLIENTS} for load in LOADS
    }
    for number in range(rounds):
        for load in LOADS:
            for client in rotated(list(CLIENTS), number):
                samples[load][client].append(measure(client, url, load))
    return samples


def exchange(client: str, url: str, load: Load) -> float:
    """Let a client exchange messages; return microseconds for each of them."""
    interpreter, program = CLIENTS[client]
    numbers = (load.window, load.count, load.warm_up)
    with pinned(_CLIENT_CPU):
        done = subprocess.run(
            [interpreter, program, url, load.transport, *map(str, numbers)],
            check=True,
            stdout=subprocess.PIPE,
            timeout=_EXCHANGE_SECONDS,
            env={**os.environ, **SERVERS[OURS].environment},
        )
    return float(done.stdout)


def rows(samples: Samples) -> Iterator[list[str]]:
    """Return the table: medians, and the peer's divided by ours."""
    yield ["", *CLIENTS, "ratio", "of single rounds", "target"]
    for load, found in samples.items():
        ours, theirs = found.values()
        single = [ratio(*pair) for pair in zip(theirs, ours, strict=True)]
        yield [
            f"{load.transport}, {load.window} at a time",
            f"{median(ours):.1f} µs",
            f"{median(theirs):.1f} µs",
            f"{ratio(median(theirs), median(ours)):.2f}",
            f"{min(single):.2f} - {max(single):.2f}",
            f"{load.target:.1f}",
        ]


def main() -> int:
    """Measure, and print the table; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.clients", description=__doc__
    )
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    rounds = parser.parse_args().rounds
    server = SERVERS[OURS]
    try:
        install_python()
        with (
            tempfile.TemporaryFile("w") as log,
            ServerProcess(
                server.command,
                cpu=_SERVER_CPU,
                environment=server.environment,
                directory=ROOT,
                log=log,
            ) as process,
        ):
            address = process.wait_until_listening()
            samples = run(f"http://{address}", rounds, exchange)
    except (PeerMissing, ServerFailed, OSError, subprocess.SubprocessError) as problem:
        sys.stderr.write(f"FAILED {problem}\n")
        return 1
    sys.stdout.write(f"{table(list(rows(samples)))}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
