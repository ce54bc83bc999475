"""What is private in Twisted and Autobahn is named behind the doors, and nowhere else.

A name with an underscore in front is a foreign one if it is imported from a foreign
module, if it is asked for of an object and no class of ours has it, or if a class of
ours has it from a foreign class that it inherits from.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

PACKAGE = "txengineio"
ROOT = Path(__file__).parents[1] / PACKAGE

DOORS = {
    "client/http/_twisted.py",
    "net/_twisted.py",
    "server/web/_twisted.py",
    "websocket/_autobahn.py",
}

FOREIGN = ("autobahn", "treq", "twisted", "txaio", "zope")
ASKING = {"delattr", "getattr", "hasattr", "setattr"}

SOURCES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
    for path in sorted(ROOT.rglob("*.py"))
}
TREES = {name: ast.parse(source) for name, source in SOURCES.items()}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def is_self(node: ast.expr) -> bool:
    """Whether it is the object of a method, or its classes further up."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "super"
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def attributes_of_classes(tree: ast.AST) -> Iterator[str]:
    """The private names that classes give themselves or their objects."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield from (name for name in names_in_body(node) if is_private(name))
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and is_self(node.value)
            and is_private(node.attr)
        ):
            yield node.attr


def names_in_body(node: ast.ClassDef) -> Iterator[str]:
    for part in node.body:
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
            yield part.name
        elif isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            yield part.target.id
        elif isinstance(part, ast.Assign):
            for target in part.targets:
                if isinstance(target, ast.Name):
                    yield target.id
                if isinstance(target, ast.Name) and target.id == "__slots__":
                    yield from ast.literal_eval(part.value)


OWN = {name for tree in TREES.values() for name in attributes_of_classes(tree)}


def foreign_bases(module: str, name: str) -> list[type]:
    parts = Path(module).with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    found: Any = getattr(
        importlib.import_module(".".join((PACKAGE, *parts))), name, None
    )
    if not isinstance(found, type):
        return []
    return [base for base in found.__mro__ if base.__module__.startswith(FOREIGN)]


@cache
def private_names(base: type) -> frozenset[str]:
    """The private names of a foreign class, and of its objects."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
    except (OSError, TypeError, SyntaxError):
        return frozenset(name for name in vars(base) if is_private(name))
    return frozenset(attributes_of_classes(tree))


def inherited(module: str, node: ast.ClassDef) -> set[str]:
    """The names that a class of ours has from foreign ones and touches."""
    bases = foreign_bases(module, node.name)
    theirs = {name for base in bases for name in private_names(base)}
    touched = set(names_in_body(node))
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and is_self(part.value):
            touched.add(part.attr)
    return touched & theirs


def imported(node: ast.AST) -> Iterator[str]:
    paths: list[str] = []
    if isinstance(node, ast.Import):
        paths = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        paths = [f"{node.module}.{alias.name}" for alias in node.names]
    for path in paths:
        if path.startswith(FOREIGN) and any(map(is_private, path.split("."))):
            yield path


def asked_for(node: ast.AST) -> Iterator[str]:
    """The private names that a node asks an object for that is not its own."""
    if isinstance(node, ast.Attribute) and not is_self(node.value):
        name = node.attr
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ASKING
        and isinstance(node.args[1], ast.Constant)
    ):
        name = str(node.args[1].value)
    else:
        return
    if is_private(name) and name not in OWN:
        yield name


def private_foreign_names(module: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(TREES[module]):
        found.update(imported(node))
        found.update(asked_for(node))
        if isinstance(node, ast.ClassDef):
            found.update(inherited(module, node))
    return found


@pytest.mark.parametrize("module", sorted(SOURCES.keys() - DOORS))
def test_what_is_private_elsewhere_is_behind_the_doors(module: str) -> None:
    assert private_foreign_names(module) == set()


def test_private_names_are_found() -> None:
    tree = ast.parse("from twisted.web._newclient import Request")
    assert list(imported(tree.body[0])) == ["twisted.web._newclient.Request"]
    [call, attribute] = ast.parse("getattr(x, '_hidden', 1); x._concealed").body
    assert list(asked_for(call.value)) == ["_hidden"]  # type: ignore[attr-defined]
    assert list(asked_for(attribute.value)) == ["_concealed"]  # type: ignore[attr-defined]
    # The door of net is a door because there is something behind it.
    assert "_aborting" in private_foreign_names("net/_twisted.py")
