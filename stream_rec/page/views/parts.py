"""What views are built of: plain HTML elements with the page's classes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

Handler = Callable[..., Any]
DASH = "\N{EN DASH}"
WIDE = 4
"""From so many columns on, a table keeps its width on a phone and is moved sideways."""


def box(tag: str, classes: str = "", **attributes: str) -> Element:
    """An element that holds others."""
    return _dressed(Element(tag), classes, attributes)


def words(tag: str, text: str, classes: str = "", **attributes: str) -> TextElement:
    """An element that holds text; `set_text` changes it."""
    made = TextElement(tag=tag, text=text)
    _dressed(made, classes, attributes)
    return made


def button(text: str, act: Handler, classes: str = "", **attributes: str) -> TextElement:
    """A button."""
    made = words("button", text, f"button {classes}", type="button", **attributes)
    made.on("click", act)
    return made


def head(title: str, note: str = "", level: int = 2) -> TextElement:
    """A heading, and quiet words beside it, which are returned."""
    with box("div", "head"):
        words(f"h{level}", title)
        return words("p", note, "quiet small")


def table(columns: Sequence[tuple[str, bool]], rows: Iterable[Sequence[str]], caption: str) -> None:
    """A table.

    Args:
        columns: headings, and whether each holds numbers.
        rows: texts.
        caption: what it shows, for who cannot see it.
    """
    kind = "plain wide" if len(columns) >= WIDE else "plain"
    with box("div", "scroll", tabindex="0", role="region", aria_label=caption), box("table", kind):
        with box("thead"), box("tr"):
            for name, is_number in columns:
                words("th", name, "num" if is_number else "", scope="col")
        with box("tbody"):
            for row in rows:
                with box("tr"):
                    for (_, is_number), text in zip(columns, row, strict=True):
                        words("td", text, "num" if is_number else "")


def move(was: int | None, place: int) -> None:
    """A badge that says from where something came to its place; None = it was not there."""
    text = "new" if was is None else f"▲ {was - place}" if was > place else f"▼ {place - was}"
    words("span", text, "badge up" if was is None or was > place else "badge")


def facts(pairs: Iterable[tuple[str, str]]) -> None:
    """Names and values."""
    with box("dl", "facts"):
        for name, value in pairs:
            words("dt", name)
            words("dd", value)


class Live:
    """Words that are read out when they change: what became of what somebody did."""

    def __init__(self) -> None:
        self._words = words("p", "", "said", role="status", aria_live="polite")

    def say(self, text: str) -> None:
        """Good news."""
        self._words.classes(replace="said")
        self._words.set_text(text)

    def warn(self, text: str) -> None:
        """It did not work."""
        self._words.classes(replace="said bad")
        self._words.set_text(text)


class Choice:
    """A native select.

    Args:
        options: values.
        value: that is chosen.
        label: id of its label.
        on_change: told of another choice.
    """

    def __init__(self, options: list[str], value: str, label: str, on_change: object = None) -> None:
        self.options = options
        self.value = value
        self._on_change = on_change
        self._element = box("select", aria_labelledby=label)
        self._element.on("change", self._changed, js_handler="(e) => emit(e.target.value)")
        self.update()

    def update(self) -> None:
        """Show the options that there are now."""
        self._element.clear()
        with self._element:
            for option in self.options:
                made = words("option", option, value=option)
                if option == self.value:
                    made.props["selected"] = ""

    async def _changed(self, event: object) -> None:
        self.value = str(getattr(event, "args", self.value))
        if callable(self._on_change):
            await self._on_change(self.value)


def spark(values: Sequence[float], color: str = "var(--accent)") -> str:
    """A small line as SVG; gaps where nothing was measured."""
    found = [(i, value) for i, value in enumerate(values) if not math.isnan(value)]
    if len(found) < 2:
        return ""
    top, last = max(max(value for _, value in found), 1e-9), max(len(values) - 1, 1)
    points = " ".join(f"{100 * i / last:.1f},{30 - 28 * value / top:.1f}" for i, value in found)
    first_x, last_x = 100 * found[0][0] / last, 100 * found[-1][0] / last
    return (
        '<svg viewBox="0 0 100 32" preserveAspectRatio="none" aria-hidden="true">'
        f'<polygon points="{first_x:.1f},32 {points} {last_x:.1f},32" style="fill:{color};opacity:.1"/>'
        f'<polyline points="{points}" style="fill:none;stroke:{color};stroke-width:1.5" '
        'vector-effect="non-scaling-stroke" stroke-linejoin="round"/></svg>'
    )


def interval(low: float | None, value: float | None, high: float | None, scale: float, color: str) -> str:
    """A value between two ends, on an axis from -scale to scale with a line at 0, as SVG; what is None is not drawn."""

    def x(at: float) -> float:
        return 50 + 50 * max(-1.0, min(1.0, at / scale))

    zero = (
        '<line x1="50" y1="1" x2="50" y2="23" style="stroke:var(--line-strong);stroke-width:1" '
        'vector-effect="non-scaling-stroke"/>'
    )
    drawn = '<rect x="0" y="10" width="100" height="4" rx="2" style="fill:var(--sunk)"/>'
    if low is not None and high is not None:
        drawn += (
            f'<rect x="{x(low):.2f}" y="8" width="{max(0.5, x(high) - x(low)):.2f}" height="8" '
            f'style="fill:{color};opacity:.35"/>'
        )
    if value is not None:
        at = x(value)
        drawn += f'<rect x="{max(0.0, at - 0.5):.2f}" y="4" width="1" height="16" style="fill:{color}"/>'
    return f'<svg viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true">{drawn}{zero}</svg>'


def drawing(classes: str = "") -> ui.html:
    """A place for SVG that we have made."""
    return ui.html("", sanitize=False).classes(classes)


def number(value: float) -> str:
    """With thousands apart; a dash = not measured."""
    return DASH if math.isnan(value) else f"{value:,.0f}"


def duration(ms: float) -> tuple[str, str]:
    """A number and its unit, so that the number has four digits at most; a dash = not measured."""
    if math.isnan(ms):
        return DASH, "ms"
    for unit, length in (("h", 3_600_000), ("min", 60_000), ("s", 1000)):
        if ms >= 10 * length:
            return f"{ms / length:,.0f}", unit
    return (f"{ms:,.0f}" if ms >= 10 else f"{ms:.1f}"), "ms"


def share(value: float) -> str:
    """A ratio with three places; a dash = not measured."""
    return DASH if math.isnan(value) else f"{value:.3f}"


def percent(value: float | None) -> str:
    """A relative difference; a dash = not known."""
    return DASH if value is None else f"{100 * value:+.1f} %"


def ago(seconds: float) -> str:
    """How long it is, in the largest unit that fits."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return "now" if seconds < 1.5 else f"{seconds:.0f} s ago"


def day(ts: float) -> str:
    """A moment, in UTC; a number if no calendar has it."""
    try:
        return datetime.fromtimestamp(ts, UTC).strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError, OSError):
        return f"{ts:.0f}"


def _dressed(made: Element, classes: str, attributes: dict[str, str]) -> Element:
    made.classes(classes)
    for name, value in attributes.items():
        made.props[name.replace("_", "-")] = value
    return made
