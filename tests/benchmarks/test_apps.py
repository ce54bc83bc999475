from twisted.internet.task import Clock

from benchmarks.apps.ours import Lateness


def test_a_timer_knows_how_late_it_was_at_most() -> None:
    clock = Clock()
    lateness = Lateness(clock)
    clock.advance(0.005)
    assert lateness.take() == 0.0
    clock.advance(0.025)
    clock.advance(0.006)
    assert round(lateness.take(), 6) == 0.02
    assert lateness.take() == 0.0
