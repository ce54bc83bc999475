from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.figures import Sample
from benchmarks.results import Results
from benchmarks.scenarios import SCENARIOS


@pytest.fixture
def results() -> Results:
    results = Results(environment={"processor": "one of many"})
    for seconds in (2e-6, 3e-6, 9e-6):
        sample = Sample(seconds, 100, 50.0, 0.99, (0.001, 0.002, 0.003))
        results.add("echo-pipelined", "ours", sample)
    results.add("echo-pipelined", "node", Sample(12e-6, 1, 1.0, 1.0, (0.1, 0.2, 0.3)))
    results.add("echo-pipelined", "aiohttp", Sample(60e-6, 1, 1.0, 1.0))
    results.add("echo-pipelined", "uvicorn", Sample(45e-6, 1, 1.0, 1.0))
    results.add("memory", "ours", Sample(8_000.0, 1))
    return results


def test_a_table_aligns_its_columns() -> None:
    rows = [["", "a", "bcd"], ["long name", "10", "2"]]
    assert report.table(rows) == "            a  bcd\nlong name  10    2"


def lines(results: Results) -> list[str]:
    return [" ".join(line.split()) for line in report.text(results).splitlines()]


def test_ratios_stand_beside_their_targets(results: Results) -> None:
    title = SCENARIOS["echo-pipelined"].title
    assert f"{title} 3 µs 4.00 [4.5] 15.00 [4.5] - -" in lines(results)


def test_ratios_without_a_target_are_shown_as_well() -> None:
    results = Results(environment={})
    results.add("socketio-ack-single", "socketio", Sample(2e-6))
    results.add("socketio-ack-single", "socketio-node", Sample(1e-6))
    title = SCENARIOS["socketio-ack-single"].title
    assert f"{title}, Server 2 µs 0.50 - [3] - -" in lines(results)


def test_targets_are_met_or_missed(results: Results) -> None:
    found = lines(results)
    assert "echo-pipelined: Node / ours 4.00 ≥ 4.5 MISSED" in found
    assert "echo-pipelined: python-engineio / ours 15.00 ≥ 4.5 met" in found
    assert "99th percentile, pipelined load: ours / Node's 0.01 ≤ 1 met" in found


def test_targets_out_of_reach_are_told_apart_from_those_that_are_missed() -> None:
    results = Results(environment={})
    for server, value in ("ours", 40e-6), ("aiohttp", 72e-6), ("kernel", 24e-6):
        results.add("echo-64k", server, Sample(value))
    expected = "OUT OF REACH: 3.00 for the kernel alone"
    title = "echo-64k: python-engineio / ours"
    assert f"{title} 1.80 ≥ 4.5 {expected}" in lines(results)


def test_details_name_unit_spread_and_latencies(results: Results) -> None:
    found = lines(results)
    assert "echo-pipelined: txengineio 3 µs 233% 50 99% 1.00 2.00 3.00 -" in found
    assert "memory: txengineio 8 kB 0% - - - - - -" in found


def test_details_say_how_late_a_timer_was() -> None:
    results = Results(environment={})
    sample = Sample(0.003, 9, 5.0, 1.0, (0.001, 0.002, 0.003), lateness=0.0125)
    results.add("fairness-pings", "node", sample)
    (line,) = (line for line in lines(results) if line.startswith("fairness"))
    assert line.endswith(" 3 ms 0% 5 100% 1.00 2.00 3.00 12.5")


def test_failures_are_told(results: Results) -> None:
    results.failures.append("upgrade: node: it broke")
    assert "FAILED upgrade: node: it broke" in report.text(results)


def test_a_size_is_shown_per_byte() -> None:
    assert report.shown(SCENARIOS["size-900k"], 0.0018) == "2 ns/B"


def test_results_come_back_from_their_file(results: Results, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(results.to_json())
    assert Results.load(path) == results
