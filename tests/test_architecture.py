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

ROW = re.compile(
    r"^\| ([^|]+\?) \| `([\w/]+\.py)` \| (?:`([\w.]+)`)? ?\|$", re.MULTILINE
)
QUESTIONS = ROW.findall(TEXT)
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


@pytest.mark.parametrize(("question", "room", "name"), QUESTIONS)
def test_the_room_of_each_answer_is_there(question: str, room: str, name: str) -> None:
    module = PACKAGE / room
    assert module.exists(), question
    assert not name or defines(module, name), question


@pytest.mark.parametrize("place", sorted(set(PLACE.findall(TEXT))))
def test_each_place_that_is_named_is_there(place: str) -> None:
    roots = (PACKAGE, ROOT, PACKAGE / "server")
    assert any((root / place).exists() for root in roots), place
