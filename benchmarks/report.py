"""The table of a run, as text."""

from collections.abc import Iterator, Sequence

from benchmarks.figures import Sample, ratio, spread
from benchmarks.results import Results
from benchmarks.scenarios import SCENARIOS, Scenario
from benchmarks.servers import NODE, OURS, PYTHON_ENGINEIO, SERVERS
from benchmarks.targets import target_of, verdicts

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
    yield ["", "ours", "Node", "python-engineio", "Autobahn", "kernel"]
    for scenario in _measured(results):
        own = results.value(scenario.name, OURS)
        target = target_of(scenario.name)
        if own is None or target is None:
            continue
        node = results.value(scenario.name, NODE)
        python = results.best(scenario.name, PYTHON_ENGINEIO)
        yield [
            scenario.title,
            shown(scenario, own),
            f"{_times(node, own)} [{target.node:.1f}]",
            f"{_times(python, own)} [{target.python:.1f}]",
            _times(results.value(scenario.name, "autobahn"), own),
            _times(results.value(scenario.name, "kernel"), own),
        ]


def _times(peer: float | None, own: float) -> str:
    return _MISSING if peer is None else f"{ratio(peer, own):.2f}"


def _verdict_rows(results: Results) -> Iterator[list[str]]:
    yield ["", "measured", "target", ""]
    for verdict in verdicts(results):
        sign = "≥" if verdict.at_least else "≤"
        yield [
            verdict.title,
            f"{verdict.measured:.2f}",
            f"{sign} {verdict.bound:.1f}",
            "met" if verdict.met else "MISSED",
        ]


def _detail_rows(results: Results) -> Iterator[list[str]]:
    yield ["", "each", "spread", "op/s", "busy", "p50 ms", "p95 ms", "p99 ms"]
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
        return [_MISSING] * 5
    times = [f"{seconds * 1e3:.2f}" for seconds in found.percentiles]
    return [f"{found.rate:,.0f}", f"{found.busy:.0%}", *(times or [_MISSING] * 3)]
