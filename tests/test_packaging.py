"""The distribution, as someone gets it: built, installed, found by twistd, removed.

It goes into an environment of its own, which sees what is installed here, so that
nothing is downloaded.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import twisted
import txengineio
from tests.conftest import RequireProgram

PROJECT = Path(__file__).parents[1]
FILES = ["LICENSE", "README.md", "pyproject.toml", "setup.py"]
FOLDERS = ["twisted", "txengineio"]
RUN_TWISTD = "from twisted.scripts.twistd import run; run()"
# Neither this nor Twisted itself may be seen through a link: pip must not remove what
# belongs to the environment of the tests, nor Twisted write its plugin cache there.
NOT_LINKED = re.compile(r"(__editable__.*)?txengineio|twisted$|__pycache__$", re.I)

PLUGINS = {
    "twisted/plugins/txengineio_endpoints.py",
    "twisted/plugins/txengineio_plugin.py",
}


@dataclass(frozen=True, slots=True)
class Environment:
    root: Path

    @property
    def site_packages(self) -> Path:
        (path,) = self.root.glob("lib/python*/site-packages")
        return path

    def run(self, *arguments: str) -> str:
        """Run Python in this environment, where no file of the project is near."""
        keep = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "PIP_", "COV_", "COVERAGE_"))
        }
        done = subprocess.run(
            [self.root / "bin" / "python", *arguments],
            cwd=self.root,
            env=keep | {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def pip(self, *arguments: str) -> None:
        self.run("-m", "pip", *arguments)

    def plugins(self) -> list[str]:
        """The subcommands that ``twistd --help`` lists."""
        usage = self.run("-c", RUN_TWISTD, "--help")
        return re.findall(r"^    (\S+)", usage.partition("Commands:")[2], re.M)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is built from, so that builds leave nothing behind."""
    copy = tmp_path_factory.mktemp("project")
    for name in FILES:
        shutil.copy2(PROJECT / name, copy)
    ignore = shutil.ignore_patterns("__pycache__", "dropin.cache")
    for name in FOLDERS:
        shutil.copytree(PROJECT / name, copy / name, ignore=ignore)
    return copy


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment(tmp_path_factory.mktemp("environment"))
    venv.create(environment.root, symlinks=True)
    target = environment.site_packages
    places = [Path(place) for place in sys.path if place.endswith("-packages")]
    for entry in (entry for place in places for entry in place.iterdir()):
        link = target / entry.name
        if not (NOT_LINKED.match(entry.name) or link.exists()):
            link.symlink_to(entry)
    ignore = shutil.ignore_patterns("test", "dropin.cache", "txengineio_*")
    shutil.copytree(Path(twisted.__path__[0]), target / "twisted", ignore=ignore)
    return environment


@pytest.fixture(scope="module")
def wheel(
    project: Path, environment: Environment, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    options = ("--no-deps", "--no-build-isolation", "--wheel-dir", str(place))
    environment.pip("wheel", *options, str(project))
    (path,) = place.glob("*.whl")
    return path


def files_of_the_clone(git: str) -> set[str]:
    listed = subprocess.run(
        [git, "ls-files", "-z"], cwd=PROJECT, check=False, capture_output=True
    )
    if listed.returncode:
        pytest.skip("this is no clone: git does not know which files belong to it")
    return {name.decode() for name in listed.stdout.split(b"\0") if name}


def test_source_distribution_has_all_that_a_clone_has(
    environment: Environment, require_program: RequireProgram, tmp_path: Path
) -> None:
    names = files_of_the_clone(require_program("git", "the Debian package git"))
    project = tmp_path / "project"
    for name in names:
        copy = project / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / name, copy)
    build = (
        "import os, sys; from setuptools.build_meta import build_sdist; "
        "os.chdir(sys.argv[1]); build_sdist(sys.argv[2])"
    )
    environment.run("-c", build, str(project), str(tmp_path))

    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as source:
        shipped = {each.name.partition("/")[2] for each in source if each.isfile()}
    assert names - shipped == set()
    # What setuptools adds.
    added = {each for each in shipped - names if ".egg-info/" not in each}
    assert added == {"PKG-INFO", "setup.cfg"}


def test_wheel_has_the_package_the_plugin_and_nothing_else(wheel: Path) -> None:
    shipped = {
        path.relative_to(PROJECT).as_posix()
        for path in (PROJECT / "txengineio").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    names = {name for name in zipfile.ZipFile(wheel).namelist() if "-info/" not in name}
    assert names == shipped | PLUGINS


LINK = re.compile(r"\]\(([^)]+)\)")
HOME = "https://example.com/owner/txengineio"
METADATA = (
    "import os, sys; from setuptools import build_meta; "
    "os.chdir(sys.argv[1]); build_meta.prepare_metadata_for_build_wheel(sys.argv[2])"
)


def test_package_page_has_no_link_that_leads_nowhere(wheel: Path) -> None:
    info = f"txengineio-{txengineio.__version__}.dist-info"
    metadata = zipfile.ZipFile(wheel).read(f"{info}/METADATA")
    assert LINK.findall(metadata.decode()) == []
    assert b"\n## An application\n" in metadata


def test_package_page_leads_to_the_source_once_it_is_published(
    project: Path, environment: Environment, tmp_path: Path
) -> None:
    copy = tmp_path / "project"
    shutil.copytree(project, copy)
    setup = copy / "setup.py"
    text = setup.read_text("utf-8")
    assert text.count('HOME = ""\n') == 1
    setup.write_text(text.replace('HOME = ""\n', f'HOME = "{HOME}"\n'), "utf-8")

    environment.run("-c", METADATA, str(copy), str(tmp_path))

    (path,) = tmp_path.glob("*.dist-info/METADATA")
    metadata = path.read_text("utf-8")
    assert f"\nProject-URL: Changelog, {HOME}/blob/main/CHANGELOG.md\n" in metadata
    for target in LINK.findall(metadata):
        assert target.startswith(f"{HOME}/"), target
        kind, _, file = target.removeprefix(f"{HOME}/").partition("/main/")
        assert kind == ("raw" if file.endswith(".svg") else "blob")
        assert (PROJECT / file).exists(), file


def test_pip_names_this_package_where_another_twisted_is_pinned(wheel: Path) -> None:
    # Of twisted[tls]>=1 it says: twisted[tls] depends on twisted.
    info = f"txengineio-{txengineio.__version__}.dist-info"
    metadata = zipfile.ZipFile(wheel).read(f"{info}/METADATA").decode()
    assert re.search(r"^Requires-Dist: twisted>=[0-9.]+$", metadata, re.MULTILINE)


def test_changelog_tells_of_this_version() -> None:
    changelog = (PROJECT / "CHANGELOG.md").read_text("utf-8")
    assert changelog.count(f"\n## {txengineio.__version__} (") == 1


@pytest.mark.parametrize("kind", ["feature", "bugfix", "doc", "removal", "misc"])
def test_changelog_is_built_from_all_fragments(tmp_path: Path, kind: str) -> None:
    begin = "<!-- towncrier release notes start -->\n"
    head = (PROJECT / "CHANGELOG.md").read_text("utf-8").partition(begin)[0]
    (tmp_path / "CHANGELOG.md").write_text(head + begin, "utf-8")
    shutil.copy2(PROJECT / "pyproject.toml", tmp_path)
    for name in ("newsfragments", "txengineio"):
        shutil.copytree(PROJECT / name, tmp_path / name)
    fragments = tmp_path / "newsfragments"
    (fragments / f"1.{kind}.1000").write_text(f"Something of the kind {kind}.\n")
    texts = [each.read_text("utf-8") for each in fragments.glob("[0-9+]*.*")]
    build = ["towncrier", "build", "--yes"]
    subprocess.run(
        [sys.executable, "-m", *build], cwd=tmp_path, check=True, capture_output=True
    )

    changelog = (tmp_path / "CHANGELOG.md").read_text("utf-8")
    assert changelog.startswith(head)
    assert f"\n## {txengineio.__version__} (" in changelog
    told = " ".join(changelog.split())
    for text in texts:
        assert " ".join(text.split()) in told
    assert [each.name for each in fragments.iterdir()] == ["README.md"]


def test_wheel_carries_the_licence(wheel: Path) -> None:
    assert [n for n in zipfile.ZipFile(wheel).namelist() if n.endswith("/LICENSE")]


def test_package_and_distribution_have_one_version(wheel: Path) -> None:
    assert wheel.name.split("-")[1] == txengineio.__version__


@pytest.mark.parametrize("how", ["wheel", "editable"])
def test_twistd_knows_engineio_exactly_while_it_is_installed(
    how: str, project: Path, wheel: Path, environment: Environment
) -> None:
    assert "engineio" not in environment.plugins()
    what = [str(wheel)] if how == "wheel" else ["--editable", str(project)]
    environment.pip("install", "--no-deps", "--no-build-isolation", *what)
    try:
        assert "engineio" in environment.plugins()
        assert "--port" in environment.run("-c", RUN_TWISTD, "engineio", "--help")
    finally:
        environment.pip("uninstall", "--yes", "txengineio")
    assert "engineio" not in environment.plugins()
