"""Lines over time, by ECharts, in the colours of the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from nicegui import ui

from stream_rec.page.views.parts import box, words

_TEXT = {"color": "var(--quiet)", "fontFamily": "Roboto, system-ui, sans-serif", "fontSize": 12}


class Line(NamedTuple):
    """One line of a plot.

    Attributes:
        name: in the legend.
        color: of CSS.
        is_dashed: what the other is compared with.
    """

    name: str
    color: str
    is_dashed: bool = False


class Plot:
    """A plot of a few lines over time.

    Args:
        title: what it shows; its alternative text.
        lines: which.
        digits: after the point.
    """

    def __init__(self, title: str, lines: Sequence[Line], digits: int = 0) -> None:
        self._title = title
        self._lines = lines
        self._digits = digits
        with box("figure", role="img", aria_label=title) as self._figure:
            self._chart = ui.echart(_options(lines, digits), renderer="svg").classes("plot")
        self._shown: Any = None

    def show(self, points: Sequence[Sequence[tuple[float, float]]]) -> None:
        """Draw: for each line (seconds since the epoch, value), nan = a gap."""
        data = [
            [[round(at * 1000), None if math.isnan(value) else round(value, 4)] for at, value in line]
            for line in points
        ]
        if data == self._shown:
            return
        self._shown = data
        for series, line in zip(self._chart.options["series"], data, strict=True):
            series["data"], series["showSymbol"] = line, len(line) == 1
        self._chart.update()
        self._figure.props["aria-label"] = f"{self._title}: {self._last(points)}"

    def _last(self, points: Sequence[Sequence[tuple[float, float]]]) -> str:
        return ", ".join(
            f"{line.name} {values[-1][1]:,.{self._digits}f}"
            for line, values in zip(self._lines, points, strict=True)
            if values and not math.isnan(values[-1][1])
        )


def legend(lines: Sequence[Line]) -> None:
    """Names with their colours."""
    with box("p", "row small quiet"):
        for line in lines:
            with box("span", "row"):
                mark = "dashed" if line.is_dashed else "solid"
                box("span", aria_hidden="true").style(f"width:16px;border-top:2px {mark} {line.color}")
                words("span", line.name)


def _options(lines: Sequence[Line], digits: int) -> dict[str, Any]:
    return {
        "animation": False,
        "grid": {"left": 8, "right": 8, "top": 12, "bottom": 4, "containLabel": True},
        "textStyle": _TEXT,
        "tooltip": {
            "trigger": "axis",
            "confine": True,
            ":valueFormatter": f"v => v == null ? '-' : v.toLocaleString('en', {{maximumFractionDigits: {digits}}})",
            "backgroundColor": "var(--surface)",
            "borderColor": "var(--line)",
            "textStyle": {"color": "var(--ink)", "fontSize": 13},
        },
        "xAxis": {
            "type": "time",
            "axisLine": {"show": False},
            "axisTick": {"show": False},
            "axisLabel": {**_TEXT, "hideOverlap": True},
            "splitLine": {"show": False},
        },
        "yAxis": {
            "type": "value",
            "min": 0,
            "splitNumber": 3,
            "axisLabel": _TEXT,
            "splitLine": {"lineStyle": {"color": "var(--line)"}},
        },
        "series": [
            {
                "type": "line",
                "name": line.name,
                "showSymbol": False,
                "connectNulls": False,
                "lineStyle": {
                    "width": 2,
                    "color": line.color,
                    "type": "dashed" if line.is_dashed else "solid",
                },
                "itemStyle": {"color": line.color},
                "areaStyle": {"color": line.color, "opacity": 0 if number else 0.07},
                "data": [],
            }
            for number, line in enumerate(lines)
        ],
    }
