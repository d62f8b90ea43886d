"""How arms compare with the control: a bar from one end of the confidence sequence to the other, and its figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from stream_rec.page import trials
from stream_rec.page.trials import Guarded, Standing, Verdict
from stream_rec.page.views.parts import box, drawing, interval, percent, words
from stream_rec.sdk.experiments import Lift

_COLOR: dict[Verdict, str] = {"better": "var(--good)", "worse": "var(--bad)", "open": "var(--accent)"}
_STANDS: dict[Standing, str] = {"held": "badge up", "broken": "badge bad", "open": "badge"}
UNKNOWN = "not known yet"


class _Bar(NamedTuple):
    figure: Element
    drawn: ui.html
    text: TextElement


class Lifts:
    """Bars that stay where they are while their figures change.

    Args:
        lifts: whose; their number and order stay.
        guarded: of each, the guardrail that it is; empty = none is one.
    """

    def __init__(self, lifts: Sequence[Lift], guarded: Sequence[Guarded] = ()) -> None:
        self._badges: list[TextElement] = []
        self._bars: list[_Bar] = []
        self._shown: object = None
        with box("div", "bars"):
            for number, each in enumerate(lifts):
                with box("div", "line lift"):
                    words("span", f"{each.variant}: {each.metric}", "small")
                    with box("div", role="img") as figure:
                        drawn = drawing("spark")
                    with box("div", "row n small"):
                        text = words("span", "")
                        if guarded:
                            words("span", f"tolerated {guarded[number].tolerated:.1%}", "quiet")
                            self._badges.append(words("span", "", "badge"))
                    self._bars.append(_Bar(figure, drawn, text))

    def show(self, lifts: Sequence[Lift], reach: float, guarded: Sequence[Guarded] = ()) -> None:
        """These, on an axis from -reach to reach."""
        if (lifts, reach) == self._shown:
            return
        self._shown = (lifts, reach)
        for each, bar in zip(lifts, self._bars, strict=True):
            color = _COLOR[trials.verdict(each)]
            bar.drawn.set_content(interval(each.low, each.lift, each.high, reach, color))
            bar.text.set_text(_figures(each))
            bar.figure.props["aria-label"] = f"{each.metric} of {each.variant}: {_figures(each)}"
            bar.figure.update()
        for one, badge in zip(guarded, self._badges, strict=True):
            badge.classes(replace=_STANDS[one.stands])
            badge.set_text(one.stands)


def _figures(of: Lift) -> str:
    if of.lift is None:
        return UNKNOWN
    if of.low is None or of.high is None:
        return percent(of.lift)
    return f"{percent(of.lift)}, from {percent(of.low)} to {percent(of.high)}"
