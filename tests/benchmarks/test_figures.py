import pytest

from benchmarks.figures import Latency, Sample, percentiles, ratio, spread, summary


def test_percentiles_weigh_operations_that_end_together() -> None:
    latencies = [Latency(3.0, 1), Latency(1.0, 94), Latency(2.0, 5)]
    assert percentiles(latencies) == (1.0, 2.0, 2.0)


def test_percentiles_of_single_operations() -> None:
    latencies = [Latency(float(number), 1) for number in range(100, 0, -1)]
    assert percentiles(latencies) == (50.0, 95.0, 99.0)


def test_a_single_latency_is_every_percentile() -> None:
    assert percentiles([Latency(2.0, 1)]) == (2.0, 2.0, 2.0)


def test_without_latencies_there_are_no_percentiles() -> None:
    assert percentiles([]) == ()


def test_a_summary_takes_the_median_of_each_figure() -> None:
    samples = [
        Sample(1.0, 10, 30.0, 0.5, (1.0, 2.0, 9.0)),
        Sample(9.0, 20, 20.0, 0.9, (2.0, 3.0, 4.0)),
        Sample(2.0, 30, 10.0, 0.7, (3.0, 1.0, 5.0)),
    ]
    assert summary(samples) == Sample(2.0, 20, 20.0, 0.7, (2.0, 2.0, 5.0))


def test_a_summary_does_without_latencies() -> None:
    assert summary([Sample(1.0), Sample(3.0)]) == Sample(2.0)


def test_a_summary_has_the_median_of_how_late_a_timer_was() -> None:
    samples = [Sample(1.0, lateness=late) for late in (0.1, 0.5, 0.2)]
    assert summary(samples) == Sample(1.0, lateness=0.2)


def test_nothing_cannot_be_summarised() -> None:
    with pytest.raises(ValueError, match="no sample"):
        summary([])


def test_the_spread_is_a_share_of_the_median() -> None:
    assert spread([Sample(9.0), Sample(10.0), Sample(12.0)]) == pytest.approx(0.3)


def test_a_ratio_to_nothing_is_infinite() -> None:
    assert ratio(3.0, 2.0) == 1.5
    assert ratio(1.0, 0.0) == float("inf")
