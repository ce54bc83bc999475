"""The same random scenarios for our server and for the reference, side by side."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.agents import Agent, Ports, merged, running
from tests.conformance.differences import RULES, Difference, Rule, find_differences
from tests.conformance.scenarios import LIMIT, Step, scenario, slow_scenarios

log = logging.getLogger(__name__)

pytestmark = pytest.mark.socket

SCENARIOS = int(os.environ.get("TXENGINEIO_SCENARIOS", "500"))
"""Of each kind; there are two."""
FIRST_SEED = int(os.environ.get("TXENGINEIO_FIRST_SEED", "0"))
WORKERS = 4
HOOK_TIMEOUT = 10.0
"""Seconds after which what has come to one side only is taken for a difference."""

TIME_LIMIT = 1.5
"""Seconds that the servers give a POST that is meant to be too slow."""
CHUNKS = 200
"""Pieces that they take of a POST then."""

HERE = Path(__file__).parent
DIFFERENCES = HERE.parents[1] / "docs" / "differences.md"

Found = tuple[int, Difference]
"""The number of the step after which it was found, and the difference."""
Run = tuple[str, list[Rule], int]
"""A report on a difference that is not known, those that are, and the steps done."""


OPTIONS = {
    "max_http_buffer_size": LIMIT,
    "cookie": True,
    "initial_packet": "welcome 😀",
    "cors": {"origin": ["http://example.org"], "credentials": True},
}


@contextmanager
def both(node: str, **options: Any) -> Iterator[tuple[Ports, Ports]]:
    """Run our server, and the reference."""
    ours = [sys.executable, "-m", "tests.conformance.echo_server"]
    reference = [node, str(HERE / "reference.mjs")]
    options = OPTIONS | options
    with running(ours, options) as mine, running(reference, options) as theirs:
        yield mine, theirs


@pytest.fixture(scope="module", params=[True, False], ids=["eio3", "no eio3"])
def servers(
    request: pytest.FixtureRequest, node: str
) -> Iterator[tuple[bool, Ports, Ports]]:
    allow_eio3: bool = request.param
    with both(node, allow_eio3=allow_eio3) as ports:
        yield allow_eio3, *ports


def compare(steps: Sequence[Step], mine: Ports, theirs: Ports) -> Iterator[Found]:
    """Do the steps to both servers; yield the differences, known or not."""
    agents = Agent(mine), Agent(theirs)
    try:
        for number, step in enumerate(steps):
            for agent in agents:
                agent.start(step)
            found = differences_after(step, agents)
            for difference in found:
                yield number, difference
            if any(each.rule is None or each.rule.ends_scenario for each in found):
                return
        logs = [{"logs": {"of all": agent.logs()}} for agent in agents]
        for difference in find_differences(steps[-1], {}, *logs):
            yield len(steps), difference
    finally:
        for agent in agents:
            agent.close()


def differences_after(step: Step, agents: tuple[Agent, Agent]) -> Sequence[Difference]:
    """Return what came out differently, when nothing more seems to come."""
    ours, reference = agents
    got, expected = ours.settle(), reference.settle()
    deadline = time.monotonic() + HOOK_TIMEOUT
    while True:
        found = find_differences(step, ours.started(), got, expected)
        if all(each.rule is not None for each in found) or time.monotonic() > deadline:
            return found
        # Compressing is done beside, and may take longer than all else.
        time.sleep(0.01)
        got, expected = merged(got, ours.settle()), merged(expected, reference.settle())


def run(seed: int, servers: tuple[bool, Ports, Ports]) -> Run:
    """Do the scenario of a seed."""
    allow_eio3, mine, theirs = servers
    steps = scenario(seed, allow_eio3=allow_eio3)
    return run_steps(f"seed {seed}", steps, mine, theirs)


def run_steps(name: str, steps: Sequence[Step], mine: Ports, theirs: Ports) -> Run:
    """Return a report on an unknown difference, the known ones, and the steps done."""
    known: list[Rule] = []
    done = len(steps)
    for number, difference in compare(steps, mine, theirs):
        if difference.rule is None:
            return report(name, steps[: number + 1], difference), known, number
        known.append(difference.rule)
        if difference.rule.ends_scenario:
            done = number
    return "", known, done


def report(name: str, steps: Sequence[Step], difference: Difference) -> str:
    lines = [f"{name}:", *(f"  {step}" for step in steps)]
    lines += [
        f"  {difference.what}:",
        f"    ours:      {difference.got}",
        f"    reference: {difference.expected}",
    ]
    return "\n".join(lines)


def test_every_difference_is_explained() -> None:
    lines = DIFFERENCES.read_text(encoding="utf-8").splitlines()
    rows = {line.split(" | ")[0].removeprefix("| ") for line in lines}
    assert {rule.row for rule in RULES} <= rows


def test_random_scenarios(servers: tuple[bool, Ports, Ports]) -> None:
    seeds = range(FIRST_SEED, FIRST_SEED + SCENARIOS)
    with ThreadPoolExecutor(WORKERS) as pool:
        results = list(pool.map(lambda seed: run(seed, servers), seeds))
    reports = [text for text, _, _ in results if text]
    known = Counter(rule.row for _, rules, _ in results for rule in rules)
    steps = sum(number for _, _, number in results)
    log.info("%d steps; differences that are known: %s", steps, known)
    assert not reports, f"{len(reports)} differences:\n" + "\n".join(reports[:20])


def test_posts_that_take_long_or_come_in_many_pieces(node: str) -> None:
    limits = {"http_request_body_timeout": TIME_LIMIT, "max_buffered_chunks": CHUNKS}
    cases = [
        (f"revision {revision}, scenario {number}", steps)
        for revision in (3, 4)
        for number, steps in enumerate(slow_scenarios(revision, TIME_LIMIT, CHUNKS))
    ]
    with (
        both(node, allow_eio3=True, **limits) as (mine, theirs),
        # They spend their time waiting.
        ThreadPoolExecutor(len(cases)) as pool,
    ):
        doing = [pool.submit(run_steps, *case, mine, theirs) for case in cases]
        results = [each.result() for each in doing]
    reports = [text for text, _, _ in results if text]
    assert not reports, "\n".join(reports)
