from xml.etree import ElementTree

import pytest

from benchmarks.chart import Bar, Scale, rows, svg
from benchmarks.figures import Sample
from benchmarks.results import Results
from benchmarks.scenarios import SCENARIOS

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def results() -> Results:
    results = Results(environment={"processor": "AT&T <one>"})
    for server, value in (("ours", 2.0), ("node", 8.0), ("aiohttp", 44.0)):
        results.add("echo-pipelined", server, Sample(value))
    results.add("upgrade", "ours", Sample(4.0))
    results.add("upgrade", "node", Sample(2.0))
    # Not shown: it has other peers.
    results.add("socketio-room", "socketio", Sample(4.0))
    results.add("socketio-room", "socketio-node", Sample(4.0))
    return results


def test_rows_hold_the_ratios_of_what_was_measured(results: Results) -> None:
    first, second = rows(results)
    assert first.bars == (Bar("node", 4.0, 4.5), Bar("python", 22.0, 4.5))
    assert second.bars == (Bar("node", 0.5, 1.35),)


def test_waits_are_not_drawn_beside_costs() -> None:
    results = Results(environment={})
    results.add("fairness-pings", "ours", Sample(1.0))
    results.add("trickle-200", "ours", Sample(1.0))
    assert [row.title for row in rows(results)] == [SCENARIOS["trickle-200"].title]


def test_the_axis_has_room_for_all_ratios() -> None:
    scale = Scale([0.4, 22.0])
    assert scale.ticks == [0.25, 0.5, 1, 2, 4, 8, 16, 32]
    assert scale.x(0.25) < scale.x(1.0) < scale.x(32)


def test_equal_ratios_are_equally_wide() -> None:
    scale = Scale([1.0, 16.0])
    assert scale.x(4) - scale.x(2) == pytest.approx(scale.x(8) - scale.x(4), abs=0.2)


def test_what_is_beyond_the_axis_stays_at_its_end() -> None:
    scale = Scale([1.0, 1_000.0])
    assert scale.x(1_000.0) == scale.x(128)


def test_the_chart_is_xml_with_a_bar_for_each_ratio(results: Results) -> None:
    root = ElementTree.fromstring(svg(results))
    kinds = [bar.get("class") for bar in root.iter(f"{SVG}rect")]
    # One in the legend.
    assert kinds.count("node") == 3
    assert kinds.count("python") == 2
    assert any("AT&T <one>" in (text.text or "") for text in root.iter(f"{SVG}text"))


def test_a_slower_peer_reaches_to_the_right_of_one_and_a_faster_to_the_left(
    results: Results,
) -> None:
    root = ElementTree.fromstring(svg(results))
    one = next(line for line in root.iter(f"{SVG}line") if line.get("class") == "one")
    _, slower, faster = (
        bar for bar in root.iter(f"{SVG}rect") if bar.get("class") == "node"
    )
    assert slower.get("x") == one.get("x1")
    right = float(faster.get("x", 0)) + float(faster.get("width", 0))
    assert right == pytest.approx(float(one.get("x1", 0)), abs=0.2)


def test_targets_lie_on_the_axis(results: Results) -> None:
    root = ElementTree.fromstring(svg(results))
    ticks = [
        text.text
        for text in root.iter(f"{SVG}text")
        if text.get("text-anchor") == "middle"
    ]
    assert ticks[-1] == "32\u00d7"


def test_the_chart_of_nothing_is_empty() -> None:
    ElementTree.fromstring(svg(Results(environment={})))
