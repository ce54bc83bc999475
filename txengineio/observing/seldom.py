"""Lines in the log about what happens often: one a minute for each kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from twisted.logger import Logger

__all__ = ["LOG_INTERVAL", "SeldomLog"]

LOG_INTERVAL: Final = 60.0
"""Seconds between two lines of one kind."""


class SeldomLog:
    """Counts what happens, and says so seldom.

    Args:
        log: Takes the lines.
        seconds: Tells the time.
    """

    def __init__(self, log: Logger, seconds: Callable[[], float]) -> None:
        self._log = log
        self._seconds = seconds
        self._logged_at: dict[str, float] = {}
        self._unlogged: Counter[str] = Counter()

    def warn(self, kind: str, text: str, **fields: Any) -> None:
        """Log a line, unless one of its kind was logged a short while ago.

        Args:
            kind: What it is about.
            text: The format of the line.
            fields: Its fields.
        """
        now = self._seconds()
        if 0 <= now - self._logged_at.get(kind, now - LOG_INTERVAL) < LOG_INTERVAL:
            self._unlogged[kind] += 1
            return
        others = self._unlogged.pop(kind, 0)
        self._logged_at[kind] = now
        self._log.warn(
            text + " ({others} more since the last such line)", others=others, **fields
        )
