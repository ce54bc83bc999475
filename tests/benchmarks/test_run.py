import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks import compare, install
from benchmarks.rounds import suited
from benchmarks.run import main
from benchmarks.scenarios import SCENARIOS, Scenario
from benchmarks.servers import DEFAULT_SERVERS, SERVERS
from tests.conftest import RequireProgram


def test_list_names_scenarios_and_servers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    assert "echo-pipelined" in printed
    assert "engine.io on Node" in printed


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--scenarios", "echo-pipelined,nonsense"])
    assert "unknown: nonsense (there are main, " in capsys.readouterr().err


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_each_scenario_has_a_server_if_none_is_named(scenario: Scenario) -> None:
    assert suited([SERVERS[name] for name in DEFAULT_SERVERS], scenario)


def test_a_scenario_without_a_server_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    options = ["--scenarios", "cluster-poll", "--servers", "ours"]
    assert main(["run", *options, "--output", str(tmp_path)]) == 0
    told = capsys.readouterr().err
    assert "cluster-poll is left out: no server has what it needs" in told


def test_a_server_that_needs_redis_is_left_out_without(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--scenarios", "cluster-poll", "--output", str(tmp_path)]
    named = ["run", *options, "--servers", "ours-cluster"]
    monkeypatch.setattr(install, "find_spec", lambda _name: None)
    monkeypatch.setattr(shutil, "which", lambda *_, **__: "/bin/redis-server")
    assert main(named) == 0
    assert "left out: txredisapi is not installed" in capsys.readouterr().err
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    assert main(named) == 0
    assert "left out: redis-server is not installed" in capsys.readouterr().err


def test_an_unknown_revision_is_one_line(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    require_program: RequireProgram,
    tmp_path: Path,
) -> None:
    # What these tests are in may be no clone.
    git = require_program("git", "the Debian package git")
    subprocess.run([git, "init", "--quiet", tmp_path], check=True)
    monkeypatch.setattr(compare, "ROOT", tmp_path)
    assert main(["compare", "no-such-revision", "HEAD"]) == 2
    assert "no-such-revision" in capsys.readouterr().err


def test_without_git_nothing_is_compared(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["compare", "HEAD~1", "HEAD"]) == 2
    assert capsys.readouterr().err == "git: git was not found: install it\n"
