"""The regression mode: two revisions of our own, measured in the same rounds."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.figures import ratio, spread
from benchmarks.report import shown, table
from benchmarks.results import Results
from benchmarks.scenarios import SCENARIOS
from benchmarks.servers import ROOT


class Change(NamedTuple):
    """What became of a scenario; `speed_up` above 1 is better."""

    scenario: str
    before: float
    after: float
    noise: float

    @property
    def speed_up(self) -> float:
        """Return how many times as much the older revision needs."""
        return ratio(self.before, self.after)


class NoSuchRevision(Exception):
    """Git cannot check a revision out."""


@contextmanager
def worktree(revision: str, directory: Path) -> Iterator[Path]:
    """Check a revision out beside the repository for a while.

    Raises:
        NoSuchRevision: Git refuses; its words are the message.
    """
    _git("worktree", "add", "--quiet", "--detach", str(directory), revision)
    try:
        yield directory
    finally:
        _git("worktree", "remove", "--force", str(directory))


def _git(*arguments: str) -> None:
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments],
            check=False,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError as error:
        raise NoSuchRevision("git was not found: install it") from error
    if done.returncode:
        raise NoSuchRevision(done.stderr.strip())


def changes(results: Results, before: str, after: str) -> list[Change]:
    """Return what both revisions were measured in."""
    found = []
    for scenario, servers in results.samples.items():
        if before in servers and after in servers:
            old, new = results.value(scenario, before), results.value(scenario, after)
            if old is not None and new is not None:
                noise = max(spread(servers[before]), spread(servers[after]))
                found.append(Change(scenario, old, new, noise))
    return found


def comparison(found: list[Change], before: str, after: str, tolerance: float) -> str:
    """Return the table of the changes."""
    lines = [["", before, after, "speed-up", "spread", ""]]
    for change in found:
        scenario = SCENARIOS[change.scenario]
        lines.append(
            [
                scenario.title,
                shown(scenario, change.before),
                shown(scenario, change.after),
                f"{change.speed_up:.2f}",
                f"{change.noise:.0%}",
                "SLOWER" if slower(change, tolerance) else "",
            ]
        )
    return table(lines) + "\n"


def slower(change: Change, tolerance: float) -> bool:
    """Tell whether a change is a regression beyond the tolerated share."""
    return change.after > change.before * (1 + tolerance)
