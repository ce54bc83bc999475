"""Programs of users under their type checkers, which know nothing of zope.interface.

The project itself is checked with mypy-zope, which understands Twisted's interfaces;
users have plain mypy, or pyright.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import PEERS, skip_or_fail
from tests.examples import EXAMPLES
from tests.test_documentation import GUIDE, blocks
from txengineio.client.options import ClientArguments, ClientOptions
from txengineio.server.options.engine import EngineArguments, EngineOptions

ROOT = Path(__file__).parents[1]
PROGRAMS = Path(__file__).parent / "typing"
PYRIGHT = PEERS / "node_modules" / "pyright" / "index.js"

STRICT_MYPY = f"""
[mypy]
strict = true
follow_imports = silent
mypy_path = {ROOT}
cache_dir = {ROOT / ".mypy_cache" / "users"}
"""
# Much of Twisted and Autobahn has no annotations; python-socketio and pytest-twisted
# have none at all. Users allow themselves to call them.
MYPY = (
    STRICT_MYPY
    + """\
untyped_calls_exclude = autobahn,twisted
disallow_untyped_decorators = False

[mypy-pytest_twisted.*,socketio.*]
ignore_missing_imports = True
"""
)

Found = dict[str, set[int]]
"""The lines with errors, by the names of files."""
Checker = Callable[[Path], Found]

_ERROR = re.compile(r"^(?P<path>[^:\n]+):(?P<line>\d+): error: ", re.MULTILINE)


def run_mypy(folder: Path, settings: str = MYPY) -> Found:
    (folder / "mypy.ini").write_text(settings)
    found: Found = {}
    for path in folder.rglob("*.py"):
        # One at a time: two of them have the same name.
        command = [sys.executable, "-m", "mypy", "--no-error-summary", str(path)]
        checked = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False
        )
        # 2 means that it could not check, and is said on the error output.
        assert checked.returncode in (0, 1), checked.stdout + checked.stderr
        lines = {int(match["line"]) for match in _ERROR.finditer(checked.stdout)}
        if checked.returncode:
            assert lines, checked.stdout
            sys.stdout.write(checked.stdout)
            found[path.name] = lines
    return found


@pytest.fixture
def pyright(node: str) -> Checker:
    if not PYRIGHT.exists():
        skip_or_fail("pyright is missing: run npm ci in tests/interop")

    def run(folder: Path) -> Found:
        settings = {"extraPaths": [str(ROOT)], "reportMissingModuleSource": False}
        (folder / "pyrightconfig.json").write_text(json.dumps(settings))
        command = [node, str(PYRIGHT), "--pythonpath", sys.executable, "--outputjson"]
        checked = subprocess.run(
            [*command, "--project", str(folder)],
            cwd=folder,
            env={**os.environ, "NODE_OPTIONS": "--max-old-space-size=2048"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert checked.returncode in (0, 1), checked.stdout + checked.stderr
        report = json.loads(checked.stdout)
        assert report["summary"]["filesAnalyzed"] == len([*folder.rglob("*.py")])
        found: Found = {}
        for each in report["generalDiagnostics"]:
            if each["severity"] == "error":
                sys.stdout.write(f"{each['file']}: {each['message']}\n")
                line = each["range"]["start"]["line"] + 1
                found.setdefault(Path(each["file"]).name, set()).add(line)
        return found

    return run


@pytest.fixture(params=["mypy", "pyright"])
def check(request: pytest.FixtureRequest) -> Iterator[Checker]:
    """A type checker as a user runs it, on the programs in a folder."""
    if request.param == "mypy":
        yield run_mypy
    else:
        yield request.getfixturevalue("pyright")


def test_a_program_without_mistakes_passes(check: Checker, tmp_path: Path) -> None:
    shutil.copy(PROGRAMS / "program.py", tmp_path)
    assert check(tmp_path) == {}


def test_what_the_guide_begins_with_passes_in_the_strictest_mode(
    tmp_path: Path,
) -> None:
    shutil.copy(PROGRAMS / "first_steps.py", tmp_path)
    assert run_mypy(tmp_path, STRICT_MYPY) == {}


def test_every_mistake_is_found(check: Checker, tmp_path: Path) -> None:
    shutil.copy(PROGRAMS / "mistakes.py", tmp_path)
    lines = (PROGRAMS / "mistakes.py").read_text("utf-8").splitlines()
    mistakes = {
        number for number, line in enumerate(lines, 1) if line.endswith("# mistake")
    }
    assert len(mistakes) > 40
    assert check(tmp_path) == {"mistakes.py": mistakes}


def test_the_examples_pass_and_so_do_the_tests_that_the_guide_shows(
    check: Checker, tmp_path: Path
) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    (tmp_path / "guide").mkdir()
    for block in blocks(GUIDE / "testing.md", "python"):
        (tmp_path / "guide" / block.name).write_text(block.text, "utf-8")
    # Its steps take files of the same names further.
    (tmp_path / "tutorial").mkdir()
    for block in blocks(GUIDE / "tutorial.md", "python"):
        (tmp_path / "tutorial" / block.name).write_text(block.text, "utf-8")
    assert check(tmp_path) == {}


@pytest.mark.parametrize(
    ("options", "arguments"),
    [(EngineOptions, EngineArguments), (ClientOptions, ClientArguments)],
)
def test_type_checkers_know_all_options(options: type, arguments: type) -> None:
    known = set(arguments.__annotations__)
    for base in arguments.__mro__:
        known |= set(getattr(base, "__annotations__", ()))
    assert known == set(options.__dataclass_fields__)  # type: ignore[attr-defined]
