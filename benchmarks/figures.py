"""Medians, percentiles and ratios of what was measured."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple

PERCENTILES = (50.0, 95.0, 99.0)
# Where they stand in what `percentiles` returns.
P50 = 0
P99 = 2


class Latency(NamedTuple):
    """How long some operations took that ended together."""

    seconds: float
    operations: int


class Sample(NamedTuple):
    """What one round measured at one server in one scenario.

    `value` is what is compared, the smaller the better, in the scenario's
    unit. The other figures stand beside it: `rate` in operations a second,
    `busy` as the share of the wall time in which the server had the processor
    (close to 1: the load generator was not the limit), `percentiles` of the
    latency in seconds, in the order of `PERCENTILES`; `lateness` of the
    server's timer in seconds, at most, where that was asked for.
    """

    value: float
    operations: int = 0
    rate: float = 0.0
    busy: float = 0.0
    percentiles: tuple[float, ...] = ()
    lateness: float | None = None


def percentiles(latencies: Iterable[Latency]) -> tuple[float, ...]:
    """Return the `PERCENTILES` of weighted latencies, none without any.

    The percentile p is the least latency which at least p per cent of the
    operations do not exceed.
    """
    ordered = sorted(latencies)
    total = sum(latency.operations for latency in ordered)
    if not total:
        return ()
    found = []
    seen = 0
    wanted = [total * percentile / 100 for percentile in PERCENTILES]
    for latency in ordered:
        seen += latency.operations
        while wanted and seen >= wanted[0]:
            found.append(latency.seconds)
            del wanted[0]
    return tuple(found)


def summary(samples: Sequence[Sample]) -> Sample:
    """Return the median of each figure over the rounds.

    Raises:
        ValueError: There is no sample.
    """
    if not samples:
        raise ValueError("no sample to summarise")
    timed = [sample.percentiles for sample in samples if sample.percentiles]
    late = [sample.lateness for sample in samples if sample.lateness is not None]
    return Sample(
        value=median(sample.value for sample in samples),
        operations=round(median(sample.operations for sample in samples)),
        rate=median(sample.rate for sample in samples),
        busy=median(sample.busy for sample in samples),
        percentiles=tuple(median(column) for column in zip(*timed, strict=True)),
        lateness=median(late) if late else None,
    )


def spread(samples: Sequence[Sample]) -> float:
    """Return (largest - smallest) / median of the compared values."""
    values = [sample.value for sample in samples]
    middle = median(values)
    return (max(values) - min(values)) / middle if middle else 0.0


def ratio(peer: float, own: float) -> float:
    """Return how many times as much the peer needs; infinite if we need nothing."""
    return peer / own if own > 0 else float("inf")
