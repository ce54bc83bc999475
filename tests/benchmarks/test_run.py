import pytest

from benchmarks.run import main


def test_list_names_scenarios_and_servers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    assert "echo-pipelined" in printed
    assert "engine.io on Node" in printed


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--scenarios", "echo-pipelined,nonsense"])
    assert "unknown: nonsense (there are main, " in capsys.readouterr().err


def test_an_unknown_revision_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "no-such-revision", "HEAD"]) == 2
    assert "no-such-revision" in capsys.readouterr().err
