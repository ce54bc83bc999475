"""The command line of the benchmark suite: `python -m benchmarks`."""

import argparse
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks import chart, report
from benchmarks.compare import (
    NoSuchRevision,
    changes,
    comparison,
    slower,
    worktree,
)
from benchmarks.install import PeerMissing
from benchmarks.machine import environment
from benchmarks.measuring import Timing
from benchmarks.results import Results
from benchmarks.rounds import Plan, run, suited
from benchmarks.scenarios import GROUPS, SCENARIOS, Scenario
from benchmarks.servers import DEFAULT_SERVERS, SERVERS, Server, own_server, own_twistd

_OUTPUT = Path(__file__).parent / ".results"
_ROUNDS = 5
_TIMING = Timing(warm_up=1.0, measured=2.0)
_QUICK_TIMING = Timing(warm_up=0.4, measured=0.6)
_TOLERANCE = 0.05


def _names(known: Iterable[str], text: str) -> list[str]:
    names = text.split(",")
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise argparse.ArgumentTypeError(
            f"unknown: {', '.join(unknown)} (there are {', '.join(known)})"
        )
    return names


def _scenarios(text: str) -> list[Scenario]:
    """Turn names of scenarios and groups into scenarios, each once."""
    found: dict[str, Scenario] = {}
    for name in _names([*GROUPS, *SCENARIOS], text):
        chosen = GROUPS.get(name) or (SCENARIOS[name],)
        found |= {scenario.name: scenario for scenario in chosen}
    return list(found.values())


def _servers(text: str) -> list[Server]:
    return [SERVERS[name] for name in _names(SERVERS, text)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    measured = argparse.ArgumentParser(add_help=False)
    measured.add_argument("--scenarios", type=_scenarios, default=[*GROUPS["all"]])
    measured.add_argument("--rounds", type=int)
    measured.add_argument("--quick", action="store_true", help="one short round")
    measured.add_argument("--server-cpu", type=int, default=0)
    measured.add_argument("--load-cpu", type=int, default=1)
    measured.add_argument("--output", type=Path, default=_OUTPUT)
    running = commands.add_parser("run", parents=[measured], help="compare with peers")
    running.add_argument("--servers", type=_servers, default=_servers(_DEFAULT))
    comparing = commands.add_parser(
        "compare", parents=[measured], help="compare two revisions of our own"
    )
    comparing.add_argument("before", help="the older git revision")
    comparing.add_argument("after", help="the newer git revision")
    comparing.add_argument("--tolerance", type=float, default=_TOLERANCE)
    reporting = commands.add_parser("report", help="print and draw a run again")
    reporting.add_argument("results", type=Path)
    reporting.add_argument("--output", type=Path, default=_OUTPUT)
    commands.add_parser("list", help="name the scenarios and servers")
    return parser


_DEFAULT = ",".join(DEFAULT_SERVERS)


def _plan(arguments: argparse.Namespace, servers: Sequence[Server]) -> Plan:
    return Plan(
        scenarios=arguments.scenarios,
        servers=servers,
        rounds=arguments.rounds or (1 if arguments.quick else _ROUNDS),
        timing=_QUICK_TIMING if arguments.quick else _TIMING,
        server_cpu=arguments.server_cpu,
        load_cpu=arguments.load_cpu,
    )


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _installed(servers: Sequence[Server]) -> list[Server]:
    """Install what the servers need; leave out those that cannot be had."""
    found = []
    for server in servers:
        try:
            if server.install is not None:
                server.install()
        except PeerMissing as problem:
            _tell(f"{server.name} is left out: {problem}")
        else:
            found.append(server)
    return found


def _tell_who_is_left_out(
    scenarios: Sequence[Scenario], servers: Sequence[Server]
) -> None:
    for scenario in scenarios:
        if not suited(servers, scenario):
            needed = scenario.needs.value
            _tell(f"{scenario.name} is left out: no server has what it needs: {needed}")


def _write(results: Results, directory: Path, written: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "results.json").write_text(results.to_json())
    (directory / "table.txt").write_text(written)
    print(written, end="")


def _report(results: Results, directory: Path) -> None:
    _write(results, directory, report.text(results))
    (directory / "chart.svg").write_text(chart.svg(results))


def _run(arguments: argparse.Namespace) -> int:
    servers = _installed(arguments.servers)
    _tell_who_is_left_out(arguments.scenarios, servers)
    results = Results(environment=environment())
    run(_plan(arguments, servers), results, _tell)
    _report(results, arguments.output)
    return 1 if results.failures else 0


def _compare(arguments: argparse.Namespace) -> int:
    before, after = arguments.before, arguments.after
    if before == after:
        # To see how far equal things seem to differ.
        after = f"{after} again"
    results = Results(environment=environment())
    with ExitStack() as stack:
        parent = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers: list[Server] = []
        for name, revision in (before, arguments.before), (after, arguments.after):
            root = parent / str(len(servers))
            stack.enter_context(worktree(revision, root))
            servers.append(own_server(name, name, root))
            servers.append(own_twistd(name, name, root))
        run(_plan(arguments, servers), results, _tell)
    found = changes(results, before, after)
    written = comparison(found, before, after, arguments.tolerance)
    written += "".join(f"\nFAILED {failure}\n" for failure in results.failures)
    _write(results, arguments.output, written)
    regressed = any(slower(change, arguments.tolerance) for change in found)
    return 1 if regressed or results.failures else 0


def _list() -> int:
    for scenario in SCENARIOS.values():
        print(f"{scenario.name:22}{scenario.title}")
    print()
    for server in SERVERS.values():
        print(f"{server.name:22}{server.title}")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the result is the exit code."""
    parsed = _parser().parse_args(arguments)
    try:
        if parsed.command == "run":
            return _run(parsed)
        if parsed.command == "compare":
            return _compare(parsed)
    except NoSuchRevision as problem:
        _tell(f"git: {problem}")
        return 2
    if parsed.command == "report":
        _report(Results.load(parsed.results), parsed.output)
        return 0
    return _list()
