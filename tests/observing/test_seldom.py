"""Lines about what happens often: one a minute."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import Logger, capturedLogs, formatEvent

from txengineio.observing.seldom import LOG_INTERVAL, SeldomLog


def test_one_line_a_minute_tells_of_the_others() -> None:
    clock = Clock()
    seldom = SeldomLog(Logger(), clock.seconds)
    with capturedLogs() as logs:
        for number in range(3):
            seldom.warn("a", "{number} apples", number=number)
        seldom.warn("b", "a pear")
        clock.advance(LOG_INTERVAL - 1)
        seldom.warn("a", "an apple")
        clock.advance(1)
        seldom.warn("a", "at last")
        # A clock that was set back keeps nothing back.
        clock.rightNow = 0.0
        seldom.warn("a", "back")
    assert [formatEvent(each) for each in logs] == [
        "0 apples (0 more since the last such line)",
        "a pear (0 more since the last such line)",
        "at last (3 more since the last such line)",
        "back (0 more since the last such line)",
    ]
