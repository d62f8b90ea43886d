"""The live view: a panel in a terminal, a line every few seconds in a pipe."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from stream_rec.demo.figures import Figures

LINE_SECONDS = 5.0
HISTORY = 36
_BARS = "▁▂▃▄▅▆▇█"


class View(Protocol):
    """Takes figures as they come."""

    def show(self, figures: Figures) -> None:
        """Show these."""
        ...


@contextmanager
def view_on(console: Console, title: str) -> Iterator[View]:
    """The view that fits the console."""
    if not console.is_terminal:
        yield Lines(console)
        return
    panel = LivePanel(title)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        panel.live = live
        yield panel


class Lines:
    """One plain line every `LINE_SECONDS`, two where it is narrow, and one for the last figures shown."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = 0.0

    def show(self, figures: Figures) -> None:
        """Print the line if one is due."""
        if figures.seconds < self._next:
            return
        self._next = figures.seconds + LINE_SECONDS
        first, second = line(figures)
        fits = len(first) + len(second) + 2 <= self._console.width
        text = f"{first}  {second}" if fits else f"{first}\n{'':9}{second}"
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class LivePanel:
    """A panel that is redrawn with every update.

    Attributes:
        live: where it is drawn; None = nowhere yet.
    """

    def __init__(self, title: str) -> None:
        self.live: Live | None = None
        self._title = title
        self._rates: deque[float] = deque(maxlen=HISTORY)
        self._freshness: deque[float] = deque(maxlen=HISTORY)
        self._hits: deque[float] = deque(maxlen=HISTORY)

    def show(self, figures: Figures) -> None:
        """Draw these figures."""
        self._rates.append(figures.events_per_s)
        self._freshness.append(figures.freshness_ms_p50)
        self._hits.append(figures.hit_rate)
        if self.live is not None:
            self.live.update(self.panel(figures), refresh=True)

    def panel(self, figures: Figures) -> Panel:
        """The whole panel."""
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold")
        table.add_column(justify="right")
        table.add_column()
        for name, value, more in self._rows(figures):
            table.add_row(name, value, more)
        head = Table.grid(expand=True)
        head.add_row(ProgressBar(total=max(1, figures.n_events), completed=figures.n_published))
        count = f"{figures.n_published:,} of {figures.n_events:,} events published, {figures.seconds:.0f} s"
        head.add_row(Text(count, style="dim"))
        return Panel(Group(head, Text(), table), title=self._title, padding=(1, 2))

    def _rows(self, f: Figures) -> list[tuple[str, str, Text]]:
        return [
            ("events/s", f"{f.events_per_s:,.0f}", _spark(self._rates)),
            ("lag", f"{f.lag:,}", Text("events not yet committed", style="dim")),
            ("freshness p50", _ms(f.freshness_ms_p50), _spark(self._freshness)),
            ("freshness p99", _ms(f.freshness_ms_p99), Text("publish to readable slate", style="dim")),
            (f"served hit-rate@{f.k}", _share(f.hit_rate), _spark(self._hits)),
            ("  of popularity", _share(f.hit_rate_popular), Text("on the same events", style="dim")),
            ("slates written", f"{f.n_slates:,}", Text()),
            ("dead letters", f"{f.n_dead_letters}", Text(f"of {f.n_bad} bad messages sent", style="dim")),
        ]


def line(figures: Figures) -> tuple[str, str]:
    """All figures in one line, or in two."""
    f = figures
    return (
        f"{f.seconds:5.0f} s  {f.n_published:>7,}/{f.n_events:,} events  {f.events_per_s:6,.0f}/s  lag {f.lag:,}"
        f"  slates {f.n_slates:,}",
        f"fresh p50 {_ms(f.freshness_ms_p50)} p99 {_ms(f.freshness_ms_p99)}"
        f"  hit@{f.k} {_share(f.hit_rate)} (popular {_share(f.hit_rate_popular)})"
        f"  dead letters {f.n_dead_letters}/{f.n_bad}",
    )


def _ms(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.0f} ms"


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _spark(values: deque[float]) -> Text:
    known = [value for value in values if not math.isnan(value)]
    top = max(known, default=0.0)
    if top <= 0:
        return Text()
    bars = (" " if math.isnan(v) else _BARS[int(v / top * (len(_BARS) - 1))] for v in values)
    return Text("".join(bars), style="cyan")
