"""A list of somebody's own, in the order of one user."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from nicegui import ui
from nicegui.element import Element

from stream_rec.page.desk import Desk
from stream_rec.page.views.frame import EXPECTED, said
from stream_rec.page.views.parts import DASH, Live, box, button, head, move, words
from stream_rec.serve import engine_answers

MAX_ITEMS = 100
MAX_PARTS = 3
_BETWEEN = re.compile(r"[,;]")


class Ranking:
    """The section.

    Args:
        desk: what is asked.
        user: whose order.
        scenario: tells under whose rules.
        live: says what became of it.
    """

    def __init__(self, desk: Desk, user: str, scenario: Callable[[], str], live: Live) -> None:
        self._desk = desk
        self._user = user
        self._scenario = scenario
        self._live = live
        self._text = ""
        self._offered: list[str] = []
        with box("section", "card stack"):
            head("Rank a list", "what a search found, say, in the order of this user")
            words("label", "Items, by title or id", **{"for": "to-rank"})
            area = box("textarea", "short", id="to-rank", rows="3", placeholder="one a line, or with commas")
            area.on("input", self._typed, js_handler="(e) => emit(e.target.value)")
            with box("div", "row"):
                self._ask = button("Rank", self._rank, "strong")
                button("Fill in the slate upside down", self._example, "bare")
            self._found: Element = box("ol", "list slate")

    def offer(self, items: Sequence[str]) -> None:
        """What the slate holds now: an example to begin with."""
        self._offered = list(items)

    def _example(self) -> None:
        self._text = "\n".join(self._desk.catalogue.title(item) for item in reversed(self._offered))
        ui.run_javascript(f"document.getElementById('to-rank').value = {_as_js(self._text)}")

    def _typed(self, event: Any) -> None:
        self._text = str(event.args)[:100_000]

    async def _rank(self) -> None:
        items = list(dict.fromkeys(self._named()))[:MAX_ITEMS]
        if not items:
            self._live.warn("Name some items.")
            return
        self._live.say("An engine learns the log, to rank them: a few seconds …")
        self._ask.props["disabled"] = ""
        self._ask.update()
        try:
            found = await self._desk.beside.ask(
                engine_answers.rank, user_id=self._user, scenario=self._scenario(), items=items
            )
            self._show(items, found)
            self._live.say(f"{len(found)} of {len(items)} items, in {self._user}'s order.")
        except EXPECTED as error:
            self._live.warn(said(error))
        finally:
            self._ask.props.pop("disabled", None)
            self._ask.update()

    def _named(self) -> Iterator[str]:
        """Ids. A line is a title, which may have commas, or else several names."""
        catalogue = self._desk.catalogue
        for line in filter(None, map(str.strip, self._text.splitlines())):
            whole = catalogue.named(line)
            if catalogue.find(whole) is not None:
                yield whole
            else:
                yield from (catalogue.named(each) for each in _BETWEEN.split(line) if each.strip())

    def _show(self, given: Sequence[str], found: Sequence[Mapping[str, Any]]) -> None:
        before = {item: place for place, item in enumerate(given, start=1)}
        left_out = [item for item in given if item not in {each["item_id"] for each in found}]
        self._found.clear()
        with self._found:
            for place, each in enumerate(found, start=1):
                with box("li"):
                    words("span", str(place), "place")
                    with box("div"):
                        words("p", self._desk.catalogue.title(each["item_id"]), "title")
                        words("p", _why(each), "quiet small")
                    with box("span", "move"):
                        if before[each["item_id"]] != place:
                            move(before[each["item_id"]], place)
                    words("span", f"{each['score']:.3f}", "quiet small")
            for item in left_out:
                with box("li"):
                    words("span", DASH, "place")
                    with box("div"):
                        words("p", self._desk.catalogue.title(item), "title quiet")
                        is_known = self._desk.catalogue.find(item) is not None
                        why = "may not be shown to this user here" if is_known else "not in the catalogue"
                        words("p", why, "quiet small")


def _why(each: Mapping[str, Any]) -> str:
    if not each["is_known"]:
        return "unknown: behind all others, in the order given"
    parts = sorted(each["by_source"].items(), key=lambda pair: -abs(pair[1]))[:MAX_PARTS]
    return ", ".join(f"{name} {adds:+.2f}" for name, adds in parts) or "nothing speaks for it"


def _as_js(text: str) -> str:
    return json.dumps(text).replace("<", "\\u003c")
