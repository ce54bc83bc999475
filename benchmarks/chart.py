"""The chart of a run: how many times as much the peers need, as SVG."""

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

from benchmarks.figures import ratio
from benchmarks.results import Results
from benchmarks.scenarios import GROUPS, SCENARIOS
from benchmarks.targets import ENGINEIO_FIELD, TARGETS

_WIDTH = 860
_LEFT = 380
_RIGHT = 60
_TOP = 76
_ROW = 44
_BAR = 13
_FOOT = 40
_TICKS = (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128)

_STYLE = """\
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-size: 16px; font-weight: 600; }
  .small { font-size: 11px; fill: #59636e; }
  .grid { stroke: #d1d9e0; } .one { stroke: #59636e; stroke-width: 1.5; }
  .node { fill: #2f81b7; } .python { fill: #d08a1d; }
  .target { stroke: #1f2328; stroke-width: 2; }
  .ground { fill: #ffffff; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; } .small { fill: #9198a1; }
    .grid { stroke: #3d444d; } .one { stroke: #9198a1; }
    .target { stroke: #f0f6fc; } .ground { fill: #0d1117; }
  }"""


class Bar(NamedTuple):
    """One ratio peer / ours, and the least that it should be."""

    kind: str
    ratio: float
    target: float


class Row(NamedTuple):
    """The bars of a scenario."""

    title: str
    bars: tuple[Bar, ...]


def rows(results: Results) -> list[Row]:
    """Return what the chart shows: what was measured, has a target and costs something.

    Of Engine.IO: its legend names the peers of that. A wait beside a flood is no cost.
    """
    found = []
    for target in TARGETS:
        field = target.field
        scenario = SCENARIOS[target.scenario]
        own = results.value(scenario.name, field.own)
        peers = (
            ("node", results.value(target.scenario, field.node), target.node),
            ("python", results.best(target.scenario, field.python), target.python),
        )
        drawn = field is ENGINEIO_FIELD and scenario not in GROUPS["fairness"]
        if own is not None and drawn:
            bars = tuple(
                Bar(kind, ratio(value, own), bound)
                for kind, value, bound in peers
                if value is not None and bound is not None
            )
            found.append(Row(SCENARIOS[target.scenario].title, bars))
    return found


class Scale:
    """A logarithmic axis that has room for all ratios and for 1."""

    def __init__(self, ratios: Sequence[float]) -> None:
        low = min([1.0, *ratios])
        high = max([2.0, *ratios])
        below = [tick for tick in _TICKS if tick <= low]
        above = [tick for tick in _TICKS if tick >= high]
        self._low = below[-1] if below else _TICKS[0]
        self._high = above[0] if above else _TICKS[-1]
        self.ticks = [tick for tick in _TICKS if self._low <= tick <= self._high]

    def x(self, value: float) -> float:
        """Return where a ratio lies; what is beyond the axis lies at its end."""
        inside = min(max(value, self._low), self._high)
        share = math.log(inside / self._low) / math.log(self._high / self._low)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)


def svg(results: Results) -> str:
    """Draw the chart."""
    drawn = rows(results)
    bars = [bar for row in drawn for bar in row.bars]
    scale = Scale([value for bar in bars for value in (bar.ratio, bar.target)])
    height = _TOP + _ROW * len(drawn) + _FOOT
    body = [
        *_head(scale, height - _FOOT),
        *(
            line
            for number, row in enumerate(drawn)
            for line in _row(row, _TOP + number * _ROW, scale)
        ),
        *_foot(results, height),
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            f'width="{_WIDTH}" height="{height}" role="img">',
            "<title>Cost of an operation at other servers, ours = 1</title>",
            f"<style>\n{_STYLE}\n</style>",
            f'<rect class="ground" width="{_WIDTH}" height="{height}"/>',
            *body,
            "</svg>\n",
        ]
    )


def _text(
    x: float, y: float, words: str, style: str = "", anchor: str = "start"
) -> str:
    chosen = f' class="{style}"' if style else ""
    return (
        f'<text x="{x}" y="{y}"{chosen} text-anchor="{anchor}">{escape(words)}</text>'
    )


def _head(scale: Scale, bottom: int) -> Iterator[str]:
    yield _text(16, 26, "What an operation costs at other servers (ours = 1)", "title")
    for left, kind, words in (
        (16, "node", "engine.io on Node"),
        (160, "python", "python-engineio, the better of aiohttp and uvicorn"),
    ):
        yield f'<rect class="{kind}" x="{left}" y="40" width="12" height="12" rx="2"/>'
        yield _text(left + 18, 51, words)
    yield '<line class="target" x1="516" x2="516" y1="39" y2="53"/>'
    yield _text(524, 51, "target")
    for tick in scale.ticks:
        x = scale.x(tick)
        kind = "one" if tick == 1 else "grid"
        yield f'<line class="{kind}" x1="{x}" x2="{x}" y1="{_TOP - 6}" y2="{bottom}"/>'
        yield _text(x, bottom + 16, f"{tick:g}×", "small", "middle")


def _row(row: Row, top: int, scale: Scale) -> Iterator[str]:
    yield _text(_LEFT - 12, top + _BAR + 5, row.title, anchor="end")
    zero = scale.x(1.0)
    for number, bar in enumerate(row.bars):
        y = top + number * (_BAR + 3)
        end = scale.x(bar.ratio)
        left, width = min(zero, end), round(abs(end - zero), 1)
        yield (
            f'<rect class="{bar.kind}" x="{left}" y="{y}" width="{width}" '
            f'height="{_BAR}" rx="2"/>'
        )
        mark = scale.x(bar.target)
        yield (
            f'<line class="target" x1="{mark}" x2="{mark}" y1="{y - 1}" '
            f'y2="{y + _BAR + 1}"/>'
        )
        beside = max(zero, end, mark) + 5
        yield _text(beside, y + _BAR - 2, f"{bar.ratio:.1f}×", "small")


def _foot(results: Results, height: int) -> Iterator[str]:
    words = ", ".join(
        results.environment[name]
        for name in ("processor", "python", "node")
        if name in results.environment
    )
    about = "processor time of the server per operation (memory: Pss per session)"
    yield _text(16, height - 8, f"{about}; {words}" if words else about, "small")
