"""The arrows between the modules of the package, and what keeps each module small."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "txengineio"
ROOT = Path(__file__).parents[1] / PACKAGE

# The floors, from the bottom to the top, by folders. A module imports from its own
# floor and from those below it. Names are relative to the package, "" is the package
# itself; a pattern without a dot and a star is one module.
LAYERS = [
    ["errors"],
    ["protocol", "protocol.*"],
    ["application", "checks", "command_line", "reactor"],
    ["loading"],
    ["observing", "observing.*"],
    ["net", "net.*"],
    ["websocket", "websocket.*"],
    ["session", "session.*"],
    ["server.options", "server.options.*"],
    ["server.child_resource", "server.interfaces", "server.web", "server.web.*"],
    ["server.cluster", "server.statistics"],
    ["server.handshake_request"],
    [
        "server.broadcast",
        "server.draining",
        "server.ports",
        "server.registry",
        "server.session",
    ],
    ["server.transports", "server.transports.*"],
    ["server.requests", "server.requests.*"],
    ["server", "server.engine", "server.health"],
    ["cluster", "cluster.*"],
    ["client", "client.*"],
    ["integrations", "integrations.*"],
    ["testing", "testing.*"],
    [""],
    ["twistd", "twistd.*"],
    ["crossbar", "inspector", "metrics", "service", "socketio", "streams", "wamp"],
    ["__main__"],
]
# Whole branches that know nothing of each other, whatever their layers.
STRANGERS = [
    ("client*", "server*"),
    ("server*", "client*"),
    # RFC 6455 alone.
    ("websocket*", "protocol*"),
    ("websocket*", "session*"),
    # A request asks no transport which one it is.
    ("server.requests*", "server.transports.polling*"),
]
# What the pure layer must not touch: a network, a clock, a reactor.
IMPURE = {"asyncio", "autobahn", "os", "select", "socket", "ssl", "threading"}
IMPURE |= {"time", "treq", "twisted", "txaio", "zope"}

# Tables elsewhere that are as pure.
TABLES = ["server.transports.polling_states"]

MAX_MODULE_LINES = 500
MAX_MODULES_IN_A_FOLDER = 15
MAX_BODY_LINES = 40


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {name_of(path): path.read_text("utf-8") for path in ROOT.rglob("*.py")}
TREES = {name: ast.parse(source) for name, source in SOURCES.items()}
each_module = pytest.mark.parametrize("module", sorted(SOURCES))


def absolute_imports(module: str) -> Iterator[str]:
    """Each imported module or name with its full path."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(module: str) -> set[str]:
    """The modules of the package that a module imports, by their relative names."""
    found = set()
    for imported in absolute_imports(module):
        if imported == PACKAGE or imported.startswith(f"{PACKAGE}."):
            name = imported.removeprefix(PACKAGE).removeprefix(".")
            found.add(name if name in SOURCES else name.rpartition(".")[0])
    return found


def layer_of(module: str) -> int:
    for number, patterns in enumerate(LAYERS):
        if any(fnmatchcase(module, pattern) for pattern in patterns):
            return number
    pytest.fail(f"give {module} a layer in {Path(__file__).name}", pytrace=False)


@each_module
def test_module_imports_only_from_its_layer_or_below(module: str) -> None:
    top = layer_of(module)
    assert [name for name in own_imports(module) if layer_of(name) > top] == []


@each_module
def test_strangers_do_not_know_each_other(module: str) -> None:
    for branch, stranger in STRANGERS:
        if fnmatchcase(module, branch):
            imports = own_imports(module)
            assert [name for name in imports if fnmatchcase(name, stranger)] == []


@each_module
def test_no_module_imports_from_the_package_root(module: str) -> None:
    assert "" not in own_imports(module)


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    TopologicalSorter({name: own_imports(name) for name in SOURCES}).prepare()


@pytest.mark.parametrize(
    "module", sorted(name for name in SOURCES if name.startswith("protocol")) + TABLES
)
def test_protocol_is_pure(module: str) -> None:
    roots = {imported.partition(".")[0] for imported in absolute_imports(module)}
    assert roots & IMPURE == set()


@each_module
def test_no_imports_for_the_type_checker_alone(module: str) -> None:
    assert "TYPE_CHECKING" not in SOURCES[module]


@each_module
def test_module_is_short(module: str) -> None:
    lines = len(SOURCES[module].splitlines())
    assert lines <= MAX_MODULE_LINES


def test_folders_are_small() -> None:
    counts = Counter(path.parent for path in ROOT.rglob("*.py"))
    assert [
        str(folder.relative_to(ROOT))
        for folder, count in counts.items()
        if count > MAX_MODULES_IN_A_FOLDER
    ] == []


@pytest.mark.parametrize(
    "package", sorted(path.parent for path in ROOT.rglob("*/__init__.py")), ids=str
)
def test_each_package_is_a_table_of_its_rooms(package: Path) -> None:
    rooms = {
        path.stem
        for path in package.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    docstring = ast.get_docstring(TREES[name_of(package / "__init__.py")]) or ""
    assert set(re.findall(r"^``(\w+)`` ", docstring, re.MULTILINE)) == (
        rooms - {"__init__"}
    )


@each_module
def test_functions_are_short(module: str) -> None:
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if body:
                lines = (body[-1].end_lineno or 0) - body[0].lineno + 1
                assert lines <= MAX_BODY_LINES, f"{node.name} has {lines} lines"


def test_importing_the_package_installs_no_reactor() -> None:
    program = f"import sys, {PACKAGE}; print('twisted.internet.reactor' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT.parent,
        check=True,
        capture_output=True,
        text=True,
    )
    assert run.stdout == "False\n"
