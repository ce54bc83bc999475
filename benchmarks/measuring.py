"""How one round of one scenario is measured at one server."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter

from benchmarks import frames
from benchmarks.figures import P99, Sample, percentiles
from benchmarks.load.base import Load
from benchmarks.load.crowd import IdleLoad
from benchmarks.load.flood import FloodedEchoLoad
from benchmarks.load.loop import Address, LoadError, connect
from benchmarks.load.sessions import exchange
from benchmarks.process import ServerProcess

# Sessions that are open before memory is counted, so that what a server
# allocates once (buffers, code, caches) is not counted as theirs.
_SESSIONS_BEFORE = 200
# What a server gets to hand memory back, or to collect garbage.
_SETTLE_SECONDS = 1.0

Launch = Callable[[], ServerProcess]
MakeLoad = Callable[[Address], Load]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long a load runs, in seconds."""

    warm_up: float
    measured: float

    def at_least(self, seconds: float) -> "Timing":
        """Return a timing with neither part shorter than `seconds`."""
        return Timing(
            warm_up=max(self.warm_up, seconds), measured=max(self.measured, seconds)
        )

    def warmed_up(self, times: float) -> "Timing":
        """Return a timing whose first part is `times` as long."""
        return replace(self, warm_up=self.warm_up * times)


Measure = Callable[[Launch, Timing], Sample]


@contextmanager
def _prepared(load: Load) -> Iterator[None]:
    """Run a load without pauses for garbage collection on the client's side."""
    gc.disable()
    try:
        load.prepare()
        yield
    finally:
        load.close()
        gc.enable()
        gc.collect()


def processor_time(make_load: MakeLoad, *, least_seconds: float = 0.0) -> Measure:
    """Measure the server's processor time for each operation, in seconds."""

    def measure(launch: Launch, timing: Timing) -> Sample:
        timing = timing.at_least(least_seconds)
        with launch() as process:
            load = make_load(process.wait_until_listening())
            with _prepared(load):
                load.warm_up(timing.warm_up)
                sample = _measured(process, load, timing.measured)
                load.finish()
        return sample

    return measure


def _measured(process: ServerProcess, load: Load, seconds: float) -> Sample:
    load.operations = 0
    load.latencies.clear()
    used = process.cpu_seconds()
    began_at = perf_counter()
    load.run(seconds)
    wall = perf_counter() - began_at
    used = process.cpu_seconds() - used
    operations = load.operations
    if not operations:
        raise LoadError(f"no operation within {seconds:g} s")
    return Sample(
        value=used / operations,
        operations=operations,
        rate=operations / wall,
        busy=used / wall,
        percentiles=percentiles(load.latencies),
    )


def worst_waits(make_load: Callable[[Address], FloodedEchoLoad]) -> Measure:
    """Measure the 99th percentile of the waits beside a flood, in seconds."""

    def measure(launch: Launch, timing: Timing) -> Sample:
        with launch() as process:
            load = make_load(process.wait_until_listening())
            with _prepared(load):
                load.warm_up(timing.warm_up)
                load.lateness()
                sample = _measured(process, load, timing.measured)
                lateness = load.lateness()
                load.finish()
        return sample._replace(value=sample.percentiles[P99], lateness=lateness)

    return measure


def session_memory(sessions: int) -> Measure:
    """Measure the memory of an idle session, in bytes."""

    def measure(launch: Launch, timing: Timing) -> Sample:
        with launch() as process:
            load = IdleLoad(process.wait_until_listening(), sessions=_SESSIONS_BEFORE)
            with _prepared(load):
                load.run(max(timing.warm_up, _SETTLE_SECONDS))
                before = process.memory_bytes()
                load.add(sessions)
                load.run(max(timing.measured, _SETTLE_SECONDS))
                grown = process.memory_bytes() - before
        return Sample(value=grown / sessions, operations=sessions)

    return measure


def start_time(launch: Launch, timing: Timing) -> Sample:
    """Measure the wall time from the start to the first answer, in seconds."""
    del timing
    # The first start compiles modules and looks for plugins, in a new tree.
    _seconds_to_answer(launch)
    return Sample(value=_seconds_to_answer(launch), operations=1)


def _seconds_to_answer(launch: Launch) -> float:
    began_at = perf_counter()
    with launch() as process:
        address = process.wait_until_listening()
        with connect(address) as opened:
            exchange(opened, frames.poll_request(str(address)))
        return perf_counter() - began_at
