"""``python -m txengineio``: see `txengineio.client.cli`."""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)

from txengineio.client.cli import run


def _main(reactor: Any, *arguments: str) -> Deferred[None]:
    only_errors = LogLevelFilterPredicate(defaultLogLevel=LogLevel.error)
    globalLogBeginner.beginLoggingTo(
        [FilteringLogObserver(textFileLogObserver(sys.stderr), [only_errors])],
        redirectStandardIO=False,
    )
    return run(reactor, list(arguments)).addCallback(_exit)


def _exit(status: int) -> None:
    raise SystemExit(status)


if __name__ == "__main__":
    react(_main, sys.argv[1:])
