"""docs/architecture.md: each room that it names exists, and has what it is said to."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "txengineio"
TEXT = (ROOT / "docs" / "architecture.md").read_text("utf-8")

# A question, one or more rooms, and for each of them what it is there.
ROW = re.compile(
    r"^\| ([^|]+\?) \| (`[\w/]+\.py`(?:, `[\w/]+\.py`)*)"
    r" \| (`[\w.]+`(?:, `[\w.]+`)*)? ?\|$",
    re.MULTILINE,
)
QUESTIONS = ROW.findall(TEXT)
QUOTED = re.compile("`([^`]+)`")
PLACE = re.compile(r"`([\w/]+(?:\.py|/))`")


def defined_in(body: list[ast.stmt]) -> Iterator[tuple[str, list[ast.stmt]]]:
    """Each name that statements define, and what is in it."""
    for node in body:
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name, node.body
            case ast.Assign():
                yield from (
                    (target.id, [])
                    for target in node.targets
                    if isinstance(target, ast.Name)
                )
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name, []


def defines(module: Path, name: str) -> bool:
    body = ast.parse(module.read_text("utf-8")).body
    for part in name.split("."):
        found = dict(defined_in(body))
        if part not in found:
            return False
        body = found[part]
    return True


def test_enough_questions_are_answered() -> None:
    assert len(QUESTIONS) >= 16
    rows = TEXT.partition("## Where is")[2].partition("\n## ")[0].count("\n| ")
    # One row is the head of the table.
    assert len(QUESTIONS) == rows - 1


@pytest.mark.parametrize(("question", "rooms", "names"), QUESTIONS)
def test_the_rooms_of_each_answer_are_there(
    question: str, rooms: str, names: str
) -> None:
    modules = [PACKAGE / room for room in QUOTED.findall(rooms)]
    assert all(module.exists() for module in modules), question
    if names:
        for module, name in zip(modules, QUOTED.findall(names), strict=True):
            assert defines(module, name), (question, name)


@pytest.mark.parametrize("place", sorted(set(PLACE.findall(TEXT))))
def test_each_place_that_is_named_is_there(place: str) -> None:
    roots = (PACKAGE, ROOT, PACKAGE / "server")
    assert any((root / place).exists() for root in roots), place
