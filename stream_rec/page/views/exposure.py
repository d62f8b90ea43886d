"""How what was shown is spread over items, owners and tags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nicegui.element import Element

from stream_rec.page.figures import Sample
from stream_rec.page.views.parts import box, head, share, table, words

_COLUMNS = (("by", False), ("Gini", True), ("the most shown tenth has", True), ("shown at all", True))
_KINDS = ("item", "owner", "tag")


class Exposure:
    """A card that is drawn again when its figures have changed."""

    def __init__(self) -> None:
        with box("section", "card stack"):
            self._note = head("Exposure", "")
            self._body: Element = box("div", "stack")
        self._shown: object = None

    def show(self, last: Sample) -> None:
        """What was seen last."""
        found = {by: last.told("exposure", "figure", by=by) for by in _KINDS}
        diversity = last.told("exposure_diversity", "of")
        shares = {by: last.told("exposure_share", "name", by=by) for by in ("owner", "tag")}
        if (found, diversity, shares) == self._shown:
            return
        self._shown = (found, diversity, shares)
        self._note.set_text(f"of the last {found['item'].get('places', 0):,.0f} places shown")
        self._body.clear()
        with self._body:
            rows = list(_rows(found))
            if not rows:
                words("p", "No impressions yet: publish them, and it is seen who is shown.", "quiet")
                return
            table(_COLUMNS, rows, "Exposure")
            if diversity:
                words("p", _told(diversity), "small")
            with box("div", "grid two"):
                for by, names in shares.items():
                    if names:
                        _bars(f"Most shown, by {by}", names)


def _rows(found: Mapping[str, Mapping[str, float]]) -> Iterator[tuple[str, ...]]:
    for by, figures in found.items():
        if "gini" in figures:
            yield by, share(figures["gini"]), _percent(figures["top_tenth"]), _percent(figures["coverage"])


def _told(diversity: Mapping[str, float]) -> str:
    """How different what one user is shown is, and whether that narrows."""
    said = f"Two places of one user differ in their tag with probability {share(diversity['all'])}"
    if "earlier" not in diversity or "later" not in diversity:
        return f"{said}."
    earlier, later = share(diversity["earlier"]), share(diversity["later"])
    return f"{said}; {earlier} in the earlier half of a user's slates, {later} in the later."


def _bars(title: str, names: Mapping[str, float]) -> None:
    top = max(names.values())
    with box("div", "stack"):
        words("h3", title)
        with box("div", "bars"):
            for name, value in sorted(names.items(), key=lambda pair: -pair[1]):
                with box("div", "line"):
                    words("span", name, "title")
                    with box("div", "track", aria_hidden="true"):
                        box("div", "fill").style(f"width:{100 * value / top:.1f}%")
                    words("span", _percent(value), "n small")


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
