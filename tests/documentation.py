"""Runs blocks of Python from the guide: ``python -m tests.documentation``.

Standard input has ``{"folder": …, "blocks": [[name, source, seconds], …]}`` as JSON.
Each block runs in a process of its own, forked from this one so that nothing is
imported twice, as a program of that name in the folder, in which all are written before
the first one runs. Its reactor runs for so many seconds at most. Standard output has
``{name: {"status": …, "output": …}}`` as JSON.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import tempfile
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from twisted.internet.error import ReactorNotRunning
from twisted.logger import ILogObserver, LogEvent, globalLogBeginner
from zope.interface import implementer

# No reactor is installed by these.
import txengineio.twistd.options

AT_A_TIME = 6

assert txengineio.twistd.options.__name__


@implementer(ILogObserver)
class _Complain:
    """Ends the process at the first failure that is logged."""

    def __call__(self, event: LogEvent) -> None:
        failure = event.get("log_failure")
        if failure is not None:
            sys.stderr.write(failure.getTraceback())
            sys.stderr.flush()
            os._exit(3)


def _run(path: Path, seconds: float) -> int:
    """Run a program, and its reactor, unless that has run by then."""
    globalLogBeginner.beginLoggingTo([_Complain()], redirectStandardIO=False)
    sys.path.insert(0, str(path.parent))
    sys.argv = [str(path)]
    from twisted.internet import reactor  # noqa: PLC0415, TID251 - one for each process

    ran: list[bool] = []
    reactor.callWhenRunning(ran.append, True)
    reactor.callWhenRunning(reactor.callLater, seconds, _stop)
    status = 0
    try:
        runpy.run_path(str(path), run_name="__main__")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    if not ran:
        reactor.run()
    return status


def _stop() -> None:
    from twisted.internet import reactor  # noqa: PLC0415, TID251 - one for each process

    # It may have been stopped just now, and still run.
    with suppress(ReactorNotRunning):
        reactor.stop()


def _be_child(path: Path, seconds: float, output: IO[bytes]) -> None:
    os.dup2(output.fileno(), 1)
    os.dup2(output.fileno(), 2)
    os.chdir(path.parent)
    try:
        status = _run(path, seconds)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


@dataclass(frozen=True, slots=True)
class _Child:
    name: str
    output: IO[bytes]

    def result(self, status: int) -> dict[str, int | str]:
        self.output.seek(0)
        said = self.output.read().decode(errors="replace")
        self.output.close()
        return {"status": os.waitstatus_to_exitcode(status), "output": said}


def _main() -> None:
    work = json.load(sys.stdin)
    for name, source, _ in work["blocks"]:
        path = Path(work["folder"]) / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source, "utf-8")
    results = {}
    children: dict[int, _Child] = {}

    def wait() -> None:
        pid, status = os.wait()
        child = children.pop(pid)
        results[child.name] = child.result(status)

    for name, _, seconds in work["blocks"]:
        if len(children) == AT_A_TIME:
            wait()
        output = tempfile.TemporaryFile()  # noqa: SIM115 - until its child has ended
        pid = os.fork()
        if not pid:
            _be_child(Path(work["folder"]) / name, seconds, output)
        children[pid] = _Child(name, output)
    while children:
        wait()
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    _main()
