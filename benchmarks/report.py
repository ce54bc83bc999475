"""The table of a run, as text."""

from collections.abc import Iterator, Sequence

from benchmarks.figures import Sample, ratio, spread
from benchmarks.results import Results
from benchmarks.scenarios import SCENARIOS, Scenario
from benchmarks.servers import SERVERS
from benchmarks.targets import TARGETS, Verdict, verdicts

_MISSING = "-"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Align rows in columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0])]
        cells += [
            text.rjust(width) for text, width in zip(others, widths[1:], strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def text(results: Results) -> str:
    """Return the whole report."""
    parts = [
        "\n".join(f"{name}: {value}" for name, value in results.environment.items()),
        "Ratios peer / ours (targets in brackets)\n"
        + table(list(_ratio_rows(results))),
        "Targets\n" + table(list(_verdict_rows(results))),
        "Medians of all rounds\n" + table(list(_detail_rows(results))),
    ]
    parts += [f"FAILED {failure}" for failure in results.failures]
    return "\n\n".join(parts) + "\n"


def shown(scenario: Scenario, value: float | None) -> str:
    """Return a compared value in the unit of its scenario."""
    if value is None:
        return _MISSING
    return f"{value / scenario.parts * scenario.unit.factor:.4g} {scenario.unit.label}"


def _measured(results: Results) -> Iterator[Scenario]:
    return (one for one in SCENARIOS.values() if one.name in results.samples)


def _ratio_rows(results: Results) -> Iterator[list[str]]:
    yield ["", "ours", "Node", "best of Python", "Autobahn", "kernel"]
    for target in TARGETS:
        scenario, field = SCENARIOS[target.scenario], target.field
        own = results.value(scenario.name, field.own)
        if own is None:
            continue
        yield [
            ", ".join(filter(None, [scenario.title, field.title])),
            shown(scenario, own),
            _beside_target(results.value(scenario.name, field.node), own, target.node),
            _beside_target(
                results.best(scenario.name, field.python), own, target.python
            ),
            _times(results.value(scenario.name, "autobahn"), own),
            _times(results.value(scenario.name, "kernel"), own),
        ]


def _beside_target(peer: float | None, own: float, target: float | None) -> str:
    times = _times(peer, own)
    return times if target is None else f"{times} [{target:.3g}]"


def _times(peer: float | None, own: float) -> str:
    return _MISSING if peer is None else f"{ratio(peer, own):.2f}"


def _verdict_rows(results: Results) -> Iterator[list[str]]:
    yield ["", "measured", "target", ""]
    for verdict in verdicts(results):
        sign = "≥" if verdict.at_least else "≤"
        yield [
            verdict.title,
            f"{verdict.measured:.2f}",
            f"{sign} {verdict.bound:.3g}",
            _judgement(verdict),
        ]


def _judgement(verdict: Verdict) -> str:
    if verdict.met:
        return "met"
    if verdict.out_of_reach:
        return f"OUT OF REACH: {verdict.bare:.2f} for the kernel alone"
    return "MISSED"


def _detail_rows(results: Results) -> Iterator[list[str]]:
    times = ["p50 ms", "p95 ms", "p99 ms", "late ms"]
    yield ["", "each", "spread", "op/s", "busy", *times]
    for scenario in _measured(results):
        for server, samples in results.samples[scenario.name].items():
            found = results.of(scenario.name, server)
            if found is not None:
                title = SERVERS[server].title if server in SERVERS else server
                yield [
                    f"{scenario.name}: {title}",
                    shown(scenario, found.value),
                    f"{spread(samples):.0%}",
                    *_beside(found),
                ]


def _beside(found: Sample) -> list[str]:
    if not found.rate:
        return [_MISSING] * 6
    times = [f"{seconds * 1e3:.2f}" for seconds in found.percentiles]
    late = _MISSING if found.lateness is None else f"{found.lateness * 1e3:.1f}"
    rate, busy = f"{found.rate:,.0f}", f"{found.busy:.0%}"
    return [rate, busy, *(times or [_MISSING] * 3), late]
