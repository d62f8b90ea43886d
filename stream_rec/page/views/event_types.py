"""What events mean: the table in force, and what came that it does not name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nicegui.element import Element

from stream_rec.page.views.parts import box, head, table, words
from stream_rec.settings.event_types import EventTypeSettings

_COLUMNS = (
    ("type", False),
    ("means", False),
    ("weight", True),
    ("its value", False),
    ("conversion", False),
)
_VALUES = {"dwell": "seconds of dwelling", "price": "a price", "rating": "a rating", "none": "nothing"}


class EventTypes:
    """The section.

    Args:
        known: `engine.event_types`.
    """

    def __init__(self, known: Mapping[str, EventTypeSettings]) -> None:
        with box("section", "card stack"):
            head("Event types", "what events mean, for learning and measuring alike")
            table(_COLUMNS, [_row(name, each) for name, each in known.items()], "Event types")
            self._others: Element = box("div", "stack")
            with box("p", "quiet small"):
                words("span", "Any other type is interest of weight 1. The table stands in the settings, as ")
                words("code", "[engine.event_types.NAME]")
                words(
                    "span",
                    ", and must be the same for all workers: it decides what is learned, so it changes with a restart.",
                )
        self._shown: dict[str, float] | None = None

    def show(self, unknown: Mapping[str, float]) -> None:
        """Types that came and are not in the table, with how many events."""
        if unknown == self._shown:
            return
        self._shown = dict(unknown)
        self._others.clear()
        with self._others:
            if unknown:
                listed = ", ".join(f"{name} ({n:,.0f})" for name, n in unknown.items())
                words("p", f"Not in the table, and learned as interest: {listed}", "said warn")


def _row(name: str, each: EventTypeSettings) -> tuple[str, ...]:
    value = "a price, if a conversion" if each.value == "auto" else _VALUES[each.value]
    return name, "; ".join(_means(each)), f"{each.weight:g}", value, "yes" if each.conversion else ""


def _means(each: EventTypeSettings) -> Iterator[str]:
    for case in each.when:
        weight = "" if case.weight is None else f", weight {case.weight:g}"
        yield f"{case.meaning}{weight} if {case.value}"
    hides = f" of the {each.hides}" if each.meaning == "never" and each.hides != "item" else ""
    yield f"{'else ' if each.when else ''}{each.meaning}{hides}"
