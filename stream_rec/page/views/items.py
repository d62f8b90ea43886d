"""One item: what is known of it, what is like it, where it is shown, and whether it may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from fastapi import Request
from nicegui.element import Element

from stream_rec.page.desk import Desk
from stream_rec.page.user_log import Exposure
from stream_rec.page.views.frame import EXPECTED, Frame, load_each, said
from stream_rec.page.views.parts import Live, box, button, day, facts, head, words
from stream_rec.schemas.records import CONTENT, Item
from stream_rec.schemas.scenario import Scenario
from stream_rec.serve import engine_answers

FOUND = 24
NEIGHBOURS = 12
MAX_HIDDEN = 50
_SPACES = {
    "": ("Learned factors", "from what users did"),
    CONTENT: ("Content", "what the catalogue says"),
}


class Items:
    """The view.

    Args:
        desk: what is asked.
        frame: around it.
        request: names the item, `?item=`, or what is searched for, `?q=`.
    """

    def __init__(self, desk: Desk, frame: Frame, request: Request) -> None:
        self._desk = desk
        self._item = request.query_params.get("item", "")
        self._query = request.query_params.get("q", "")
        self._shown: tuple[int, Item | None] | None = None
        head("Items", f"{len(desk.catalogue):,} in the catalogue", level=1)
        with box("section", "card stack", aria_label="Find items"):
            with box("form", "row", method="get", action="/items", role="search"):
                words("label", "Title or id", **{"for": "q"})
                box("input", id="q", name="q", autocomplete="off", **{"^value": self._query})
                words("button", "Find", "button strong", type="submit")
            self._live = Live()
        self._body: Element = box("div", "grid")
        self._near: Element = box("div", "grid two")  # beside what is drawn anew whenever the item changes
        if self._item:
            self._build_vectors()
        frame.every_tick(self._tick)

    async def load(self) -> None:
        """Ask for what Redis and the log know of the item."""
        if not self._item:
            return
        self._near.clear()
        with self._near:
            with box("section", "card"):
                head("Neighbours", "most like it first")
                self._similar: Element = box("div")
            with box("section", "card stack"):
                head("Exposure", "at the end of the log")
                self._exposure: Element = box("div")
                words("h3", "Rules that name it")
                self._rules: Element = box("div")
        await load_each(self._live, self._load_similar, self._load_exposure, self._load_rules)

    async def _load_similar(self) -> None:
        similar = await self._desk.similar(self._item, NEIGHBOURS)
        with self._similar:
            _list(
                self._desk,
                [(each.item_id, f"{each.score:.3f}") for each in similar],
                "Nothing is like it yet.",
            )

    async def _load_exposure(self) -> None:
        exposure = await self._desk.exposure(self._item)
        with self._exposure:
            facts(_exposed(exposure))

    async def _load_rules(self) -> None:
        decided = await self._desk.in_force()
        rules = [line for name, each in decided.items() for line in _rules(name, each, self._item)]
        with self._rules:
            for line in rules:
                words("p", line)
            if not rules:
                words("p", "None.", "quiet")

    def _build_vectors(self) -> None:
        with box("section", "card stack"):
            with box("div", "head"):
                words("h2", "Vectors")
                self._ask = button("Look", self._look, aria_label="Look at its vectors")
            self._spaces: Element = box("div", "spaces")
            with self._spaces:
                words("p", "The spaces that the item is in, and what is nearest to it in each.", "quiet")

    async def _look(self) -> None:
        self._live.say("An engine learns the log, to look at its vectors: a few seconds …")
        self._ask.props["disabled"] = ""
        self._ask.update()
        try:
            found = await self._desk.beside.ask(engine_answers.vectors, items=[self._item])
        except EXPECTED as error:
            self._live.warn(said(error))
            return
        finally:
            self._ask.props.pop("disabled", None)
            self._ask.update()
        self._spaces.clear()
        with self._spaces:
            for space in found:
                self._show_space(space)
            if not found:
                words("p", "It is in no space: nothing was learned of it, and no vector published.", "quiet")
        self._live.say(f"In {len(found)} space{'s' * (len(found) != 1)}.")

    def _show_space(self, space: Mapping[str, Any]) -> None:
        name, about = _SPACES.get(space["space"], (space["space"], "published vectors"))
        with box("div"):
            words("h3", name)
            words("p", f"{about}, {space['dimensions']} numbers, {space['n_items']:,} items", "quiet small")
            lines = [(item_id, f"{cosine:.3f}") for item_id, cosine in space["nearest"]]
            _list(self._desk, lines, "No other item is in it.")

    def _tick(self) -> None:
        found = self._desk.catalogue.find(self._item) if self._item else None
        now = (len(self._desk.catalogue) if not self._item else 0, found)
        if now != self._shown:
            self._shown = now
            self._show(found)

    def _show(self, item: Item | None) -> None:
        self._body.clear()
        with self._body:
            if self._item:
                self._show_item(item)
            else:
                self._show_found()

    def _show_found(self) -> None:
        hidden = self._desk.catalogue.hidden()
        if hidden and not self._query:
            with box("section", "card"):
                head("Hidden", f"{len(hidden):,} by somebody's decision")
                _list(self._desk, [(each.item_id, "hidden") for each in hidden[:MAX_HIDDEN]], "")
        with box("section", "card"):
            head("Found" if self._query else "Catalogue", f"the first {FOUND}")
            found = self._desk.catalogue.search(self._query, FOUND)
            _list(self._desk, [(each.item_id, _state(each)) for each in found], "No item is called so.")

    def _show_item(self, item: Item | None) -> None:
        with box("section", "card stack"):
            with box("div", "head"):
                words("h2", self._desk.catalogue.title(self._item))
                if item is not None and not self._desk.settings.page.read_only:
                    if item.hidden:
                        button("Bring back", lambda: self._hide(False), "strong")
                    else:
                        button("Hide", lambda: self._hide(True), "danger")
            if item is None:
                words("p", "No record says what this item is, or it was removed.", "quiet")
            else:
                if state := _state(item):
                    words("p", state, "said warn")
                facts(_facts(item))

    async def _hide(self, is_hidden: bool) -> None:
        title = self._desk.catalogue.title(self._item)
        try:
            await self._desk.hide(self._item, is_hidden=is_hidden)
            done = "is hidden: no slate shows it from now on" if is_hidden else "may be shown again"
            self._live.say(f"{title} {done}.")
        except EXPECTED as error:
            self._live.warn(said(error))


def _list(desk: Desk, lines: list[tuple[str, str]], nothing: str) -> None:
    with box("ul", "list history"):
        if not lines:
            words("li", nothing, "empty")
        for item_id, note in lines:
            with box("li"):
                words("a", desk.catalogue.title(item_id), "title", href=link(item_id))
                words("span", note, "quiet small")


def _facts(item: Item) -> Iterator[tuple[str, str]]:
    yield "id", item.item_id
    if item.tags:
        yield "tags", ", ".join(item.tags)
    for name in ("owner", "price", "description", "link"):
        if (value := getattr(item, name)) is not None:
            yield name, str(value)
    for name, ts in (("since", item.ts), ("from", item.available_from), ("until", item.available_until)):
        if ts:
            yield name, day(ts)
    for name, value in (item.attributes or {}).items():
        yield name, ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _exposed(of: Exposure) -> Iterator[tuple[str, str]]:
    yield "shown", f"in {of.n_shown_in:,} of the last {of.n_impressions:,} impressions"
    if of.n_shown_in:
        yield "followed", f"{of.n_followed:,} by an event ({of.n_followed / of.n_shown_in:.1%})"
    n = sum(of.by_type.values())
    listed = ", ".join(f"{each:,} {name}" for name, each in of.by_type.items())
    yield "events", f"{n:,} of the last {of.n_events:,}{f': {listed}' if listed else ''}"


def _state(item: Item) -> str:
    if item.hidden:
        return "hidden by somebody's decision"
    return "" if item.available else "not available"


def _rules(name: str, scenario: Scenario | None, item_id: str) -> Iterator[str]:
    if scenario is None:
        return
    for pin in scenario.pins:
        if pin.item == item_id:
            yield f"{name}: pinned to slot {pin.slot}"
    for hide in scenario.hides:
        if item_id in hide.items:
            where = f"not in slots {', '.join(map(str, hide.slots))}" if hide.slots else "hidden"
            yield f"{name}: {where}"
    for promotion in scenario.promotions:
        if item_id in promotion.items:
            yield f"{name}: promoted, {promotion.share:.0%} of the places"


def link(item_id: str) -> str:
    """The address of an item's view."""
    return f"/items?item={quote(item_id, safe='')}"
