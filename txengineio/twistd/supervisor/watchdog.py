"""What ends a worker whose reactor hangs, and says where it does."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from threading import Event, Thread
from typing import Final

from typing_extensions import override

__all__ = ["Watchdog"]

_ROUNDS: Final = 20
"""How often it looks within the time-out."""

_MISSED: Final = 18
"""Rounds without a turn: before the supervisor, which would kill without a word."""


class Watchdog(Thread):
    """Ends the process when its reactor has not turned for too long.

    The supervisor would kill it a little later; but only the process itself can tell
    which line of the application does not come back, and it ends without a supervisor,
    too. Time is counted in rounds, not measured, as in `WorkerProcess.tick`: after a
    pause of all processes the reactor has its time.

    Args:
        timeout: Seconds without a turn after which the process is ended.
    """

    def __init__(self, timeout: float) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._period = timeout / _ROUNDS
        self._turned = Event()
        self._over = Event()

    def turned(self) -> None:
        """Take note that the reactor has turned."""
        self._turned.set()

    def stop(self) -> None:
        """Watch no more."""
        self._over.set()

    @override
    def run(self) -> None:
        """Watch until it is stopped."""
        missed = 0
        while not self._over.wait(self._period):
            missed = 0 if self._turned.is_set() else missed + 1
            self._turned.clear()
            if missed == _MISSED:
                # Past the log, which the reactor's thread may have locked.
                faulthandler.dump_traceback(sys.__stderr__ or 2)
                os.kill(os.getpid(), signal.SIGKILL)
