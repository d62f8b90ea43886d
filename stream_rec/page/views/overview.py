"""Is it well, and is it worth it: live figures, plots, alarms, what could not be read."""

from __future__ import annotations

from typing import NamedTuple

from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from stream_rec.page.alarms import Alarm, alarms
from stream_rec.page.desk import Desk
from stream_rec.page.figures import Sample
from stream_rec.page.metric_log import Share
from stream_rec.page.views.exposure import Exposure
from stream_rec.page.views.frame import Frame
from stream_rec.page.views.parts import (
    DASH,
    box,
    drawing,
    duration,
    head,
    number,
    share,
    spark,
    table,
    words,
)
from stream_rec.page.views.plots import Line, Plot, legend
from stream_rec.schemas.validation import REASONS
from stream_rec.telemetry.series import POPULAR_LIST, SLATE

_ACCENT, _SECOND = "var(--accent)", "var(--second)"
_FRESH = (Line("p50", _ACCENT), Line("p99", _SECOND))
_HITS = (Line("slates", _ACCENT), Line("popular list", _SECOND, is_dashed=True))
_SPARK_SAMPLES = 240
MAX_BARS = 8


class _Tile(NamedTuple):
    value: TextElement
    unit: TextElement
    note: TextElement
    line: ui.html

    def show(self, value: str, note: str, values: list[float]) -> None:
        self.value.set_text(value)
        self.note.set_text(note)
        self.line.set_content(spark(values))


class Overview:
    """The view.

    Args:
        desk: what is shown.
        frame: around it.
    """

    def __init__(self, desk: Desk, frame: Frame) -> None:
        self._desk = desk
        self._k = desk.settings.measure.k
        self._note = head("Overview", "", level=1)
        with box("section", "tiles", aria_label="Live figures"):
            self._rate = _tile("Events", "/s")
            self._lag = _tile("Lag", "events")
            self._fresh = _tile("Freshness p50", "ms")
            self._late = _tile("Freshness p99", "ms")
            self._hits = _tile(f"Hit-rate@{self._k}", "")
            self._slates = _tile("Slates", "/s")
        self._build_alarms()
        with box("div", "grid two"):
            self._plot_rate = _plot("Throughput", "events a second, committed", (Line("events/s", _ACCENT),))
            self._plot_fresh = _plot(
                "Freshness", "from Kafka to a readable slate, ms", _FRESH, show_legend=True
            )
            self._plot_hits = _plot(
                f"Hit-rate@{self._k}, served", "of what users did next", _HITS, digits=3, show_legend=True
            )
            self._build_ctr()
        self._exposure = Exposure()
        self._build_letters()
        frame.every_tick(self._show)

    def _build_alarms(self) -> None:
        with box("section", "card", aria_label="Alarms"):
            head("Alarms")
            self._alarms: Element = box("div", "stack")
        self._shown_alarms: list[Alarm] | None = None

    def _build_ctr(self) -> None:
        with box("section", "card"):
            head("Click-through by scenario", "shown slates with a click")
            self._ctr: Element = box("div", "bars")
        self._shown_ctr: dict[str, Share] | None = None

    def _build_letters(self) -> None:
        with box("section", "card"):
            self._n_letters = head("Dead letters", "")
            self._letters: Element = box("div")
        self._shown_letters: dict[str, float] | None = None

    def _show(self) -> None:
        samples = self._desk.watcher.recent.all()
        last = self._desk.watcher.recent.last
        self._show_tiles(samples, last)
        times = samples[-_SPARK_SAMPLES * 2 :: 2]
        self._plot_rate.show([[(each.at, each.events_per_s) for each in times]])
        self._plot_fresh.show(
            [[(each.at, each.worst(f"freshness_ms_{p}")) for each in times] for p in ("p50", "p99")]
        )
        self._plot_hits.show([self._hit_line(source) for source in (SLATE, POPULAR_LIST)])
        self._show_alarms(alarms(last))
        self._show_ctr(self._desk.metrics.by_label("ctr", "scenario"))
        self._exposure.show(last)
        self._show_letters(last.by_label("dead_letters", "reason"))

    def _show_tiles(self, samples: list[Sample], last: Sample) -> None:
        line = samples[-_SPARK_SAMPLES::2]
        hit, popular = last.hit_rates(self._k)
        n = len(last.workers)
        self._note.set_text(f"{n} worker{'s' * (n != 1)}, {last.n_committed:,} events so far")
        self._rate.show(
            number(last.events_per_s), "committed by workers", [each.events_per_s for each in line]
        )
        self._lag.show(f"{last.lag:,}", "not handled yet", [float(each.lag) for each in line])
        for tile, name, note in ((self._fresh, "p50", "half are faster"), (self._late, "p99", "all but 1 %")):
            values = [each.worst(f"freshness_ms_{name}") for each in line]
            shown, unit = duration(last.worst(f"freshness_ms_{name}"))
            tile.unit.set_text(unit)
            tile.show(shown, note, values)
        times = (
            f"{hit / popular:.1f} \N{MULTIPLICATION SIGN} popularity"
            if popular > 0
            else f"popularity {share(popular)}"
        )
        self._hits.show(share(hit), times, [each.hit_rates(self._k)[0] for each in line])
        self._slates.show(
            number(last.slates_per_s), f"{last.n_slates:,.0f} written", [each.slates_per_s for each in line]
        )

    def _hit_line(self, source: str) -> list[tuple[float, float]]:
        found = self._desk.metrics.by_window("served_hit_rate", {"source": source, "k": str(self._k)})
        return [(start / 1000, each.value) for start, each in found]

    def _show_alarms(self, found: list[Alarm]) -> None:
        if found == self._shown_alarms:
            return
        self._shown_alarms = found
        self._alarms.clear()
        with self._alarms:
            if not found:
                with box("p", "calm"):
                    words("span", "✓", "good", aria_hidden="true")
                    words("span", "Nothing to look at.")
            for alarm in found:
                with box("div", "alarm grave" if alarm.is_grave else "alarm", role="alert"):
                    words("strong", "!", aria_hidden="true")
                    words("strong", alarm.what)
                    words("span", "")
                    words("span", alarm.fix, "small")

    def _show_ctr(self, found: dict[str, Share]) -> None:
        if found == self._shown_ctr:
            return
        self._shown_ctr = found
        self._ctr.clear()
        top = max((each.value for each in found.values() if each.below), default=0.0)
        with self._ctr:
            if not found:
                words("p", "No impressions yet: publish them, and clicks count for what was shown.", "empty")
            for name, each in sorted(found.items(), key=lambda pair: -pair[1].below)[:MAX_BARS]:
                with box("div", "line"):
                    words("span", name, "title")
                    width = 100 * each.value / top if top else 0.0
                    with box("div", "track", aria_hidden="true"):
                        box("div", "fill").style(f"width:{width:.1f}%")
                    words("span", f"{100 * each.value:.1f} % of {each.below:,.0f}", "n small")

    def _show_letters(self, found: dict[str, float]) -> None:
        if found == self._shown_letters:
            return
        self._shown_letters = found
        self._n_letters.set_text(f"{sum(found.values()):,.0f} since the workers started")
        self._letters.clear()
        with self._letters:
            if not found:
                words("p", "Every message could be read.", "quiet")
                return
            rows = [(reason, REASONS.get(reason, ""), f"{n:,.0f}") for reason, n in found.items()]
            columns = (("cause", False), ("what it means", False), ("messages", True))
            table(columns, rows, "Dead letters by cause")


def _tile(name: str, unit: str) -> _Tile:
    with box("div", "tile"):
        words("h2", name, "name")
        with box("p", "value"):
            value, of = words("span", DASH), words("span", unit, "unit")
        return _Tile(value, of, words("p", "", "note"), drawing("spark"))


def _plot(
    title: str, note: str, lines: tuple[Line, ...], *, digits: int = 0, show_legend: bool = False
) -> Plot:
    with box("section", "card"):
        head(title, note)
        if show_legend:
            legend(lines)
        return Plot(title, lines, digits)
