"""Every line of the behaviour checklist that is about the server has a test."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.behaviours import COVERED, MODULES, read_checklist, table

TESTS = Path(__file__).parents[1]
TABLE = TESTS.parent / "docs" / "behaviours.md"


def marked(path: Path) -> Iterator[str]:
    """Yield the numbers of the marks of a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Attribute(attr="behaviour"), args=numbers):
                yield from map(ast.literal_eval, numbers)


def test_no_line_about_the_server_is_without_a_test() -> None:
    modules = [*TESTS.glob("test_*.py"), *TESTS.glob("*/test_*.py")]
    covered = {number for path in modules for number in marked(path)}
    missing = {
        behaviour.number
        for behaviour in read_checklist()
        if behaviour.side == "server" and behaviour.number not in covered
    }
    assert missing == set()


def test_the_table_is_up_to_date(pytestconfig: pytest.Config) -> None:
    marking = {
        path
        for path in [*TESTS.glob("test_*.py"), *TESTS.glob("*/test_*.py")]
        if next(marked(path), None) is not None
    }
    if not marking <= pytestconfig.stash[MODULES]:
        pytest.skip("only where the tests of all modules are collected")
    expected = table(pytestconfig.stash[COVERED])
    assert TABLE.read_text(encoding="utf-8") == expected, "run make behaviours"
