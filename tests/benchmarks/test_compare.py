from benchmarks.compare import Change, changes, comparison, slower
from benchmarks.figures import Sample
from benchmarks.results import Results


def test_changes_are_what_both_revisions_were_measured_in() -> None:
    results = Results(environment={})
    for value in (4.0, 5.0, 6.0):
        results.add("memory", "v1", Sample(value))
    results.add("memory", "v2", Sample(4.0))
    results.add("upgrade", "v1", Sample(1.0))
    (change,) = changes(results, "v1", "v2")
    assert change == Change("memory", before=5.0, after=4.0, noise=0.4)
    assert change.speed_up == 1.25


def test_a_regression_is_what_goes_beyond_the_tolerance() -> None:
    assert not slower(Change("memory", 100.0, 104.0, 0.0), 0.05)
    assert slower(Change("memory", 100.0, 106.0, 0.0), 0.05)


def test_a_comparison_marks_what_got_slower() -> None:
    found = [
        Change("memory", 8_000.0, 16_000.0, 0.01),
        Change("upgrade", 2e-3, 1e-3, 0.02),
    ]
    head, first, second = comparison(found, "v1", "v2", 0.05).splitlines()
    assert head.split() == ["v1", "v2", "speed-up", "spread"]
    assert first.split()[-7:] == ["8", "kB", "16", "kB", "0.50", "1%", "SLOWER"]
    assert second.split()[-6:] == ["2000", "µs", "1000", "µs", "2.00", "2%"]
