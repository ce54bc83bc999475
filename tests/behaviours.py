"""A pytest plugin that ties tests to the lines of the behaviour checklist.

``behaviours.txt`` has the checklist. A test that covers lines of it is marked with
``@pytest.mark.behaviour("B001", ...)``; a number that does not exist ends the run.
``--behaviours=FILE`` writes the checklist with the tests of each line as a table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKLIST = Path(__file__).with_name("behaviours.txt")

COVERED = pytest.StashKey[Mapping[str, set[str]]]()
"""What `covering_tests` found in this run."""

MODULES = pytest.StashKey[set[Path]]()
"""The modules whose tests were collected in this run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    number: str
    revision: str
    visible: str
    side: str
    subject: str


def read_checklist() -> Iterator[Behaviour]:
    for line in CHECKLIST.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            number, revision, visible, side, subject = line.split(maxsplit=4)
            yield Behaviour(
                number=number,
                revision=revision,
                visible=visible,
                side=side,
                subject=subject,
            )


def covering_tests(items: list[pytest.Item]) -> Mapping[str, set[str]]:
    """Number of each covered behaviour -> its tests, without their parameters."""
    known = {behaviour.number for behaviour in read_checklist()}
    covered: dict[str, set[str]] = defaultdict(set)
    for item in items:
        for mark in item.iter_markers("behaviour"):
            if not mark.args or not known.issuperset(mark.args):
                raise pytest.UsageError(
                    f"{item.nodeid}: not in {CHECKLIST.name}: {mark.args}"
                )
            for number in mark.args:
                covered[number].add(item.nodeid.partition("[")[0])
    return covered


def table(covered: Mapping[str, set[str]]) -> str:
    lines = [
        "# Behaviours and their tests",
        "",
        "Written by `make behaviours`: do not edit.",
        "",
        "| number | revision | visible | side | behaviour | tests |",
        "|---|---|---|---|---|---|",
    ]
    for behaviour in read_checklist():
        tests = sorted(covered.get(behaviour.number, ()))
        cells = (
            behaviour.number,
            behaviour.revision,
            behaviour.visible,
            behaviour.side,
            behaviour.subject.replace("_", r"\_"),
            "<br>".join(f"`{test}`" for test in tests) or "none",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--behaviours",
        type=Path,
        metavar="FILE",
        help="write which tests cover which line of the behaviour checklist",
    )


# First, before -k and -m take tests away.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    covered = config.stash[COVERED] = covering_tests(items)
    config.stash[MODULES] = {item.path for item in items}
    path: Path | None = config.getoption("--behaviours")
    if path is not None:
        path.write_text(table(covered), encoding="utf-8")
