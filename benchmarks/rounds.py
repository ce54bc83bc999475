"""Runs the rounds: every server in turn in every scenario, again and again."""

import resource
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

from benchmarks.load.loop import LoadError
from benchmarks.measuring import Launch, Timing
from benchmarks.process import ServerFailed, ServerProcess, pinned
from benchmarks.results import Results
from benchmarks.scenarios import Scenario
from benchmarks.servers import Server

_Item = TypeVar("_Item")

# No peer may give a session up in the middle of a round.
_PING_TIMEOUT = 120.0
_LOG_TAIL = 1_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run, how often, how long, and on which processors."""

    scenarios: Sequence[Scenario]
    servers: Sequence[Server]
    rounds: int
    timing: Timing
    server_cpu: int = 0
    load_cpu: int = 1


def rotated(items: Sequence[_Item], by: int) -> list[_Item]:
    """Return the items in another order each round, so that none is always first."""
    start = by % len(items) if items else 0
    return [*items[start:], *items[:start]]


def suited(servers: Sequence[Server], scenario: Scenario) -> list[Server]:
    """Return the servers that can take part in a scenario."""
    return [
        server
        for server in servers
        if scenario.needs in server.features and (server.own or not scenario.own_only)
    ]


def run(plan: Plan, results: Results, report: Callable[[str], None]) -> None:
    """Run all rounds, adding to `results`; what fails is noted and left out."""
    signal.signal(signal.SIGTERM, _leave)
    # Thousands of sessions are as many sockets, here and, inherited, there.
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-") as directory,
        pinned(plan.load_cpu),
    ):
        for number in range(plan.rounds):
            for scenario in plan.scenarios:
                for server in rotated(suited(plan.servers, scenario), number):
                    report(f"round {number + 1}: {scenario.name}: {server.name}")
                    _round(plan, scenario, server, Path(directory), results)


def _leave(number: int, frame: object) -> NoReturn:
    """End by an exception, so that no server and no worktree is left behind."""
    sys.exit(128 + number)


def _round(
    plan: Plan, scenario: Scenario, server: Server, directory: Path, results: Results
) -> None:
    log = directory / "server.log"
    launch = _launcher(plan, scenario, server, directory, log)
    try:
        sample = scenario.measure(launch, plan.timing.warmed_up(server.warm_up))
    except (LoadError, ServerFailed, OSError) as problem:
        tail = log.read_text(errors="replace")[-_LOG_TAIL:] if log.exists() else ""
        results.failures.append(f"{scenario.name}: {server.name}: {problem!r}\n{tail}")
    else:
        results.add(scenario.name, server.name, sample)


def _launcher(
    plan: Plan, scenario: Scenario, server: Server, directory: Path, log: Path
) -> Launch:
    command = list(server.command)
    if server.has_heartbeat:
        command += ["--ping-interval", str(scenario.ping_interval)]
        command += ["--ping-timeout", str(_PING_TIMEOUT)]

    def launch() -> ServerProcess:
        with log.open("w") as stream:
            return ServerProcess(
                command,
                cpu=plan.server_cpu,
                environment=server.environment,
                directory=directory,
                log=stream,
            )

    return launch
