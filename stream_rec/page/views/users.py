"""One user: history, slate with reasons, and what a click does to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from fastapi import Request
from nicegui.element import Element

from stream_rec.page.desk import Desk, Felt
from stream_rec.page.user_log import Done
from stream_rec.page.views.frame import EXPECTED, Frame, load_each, said
from stream_rec.page.views.parts import (
    DASH,
    Choice,
    Live,
    ago,
    box,
    button,
    day,
    facts,
    head,
    move,
    table,
    words,
)
from stream_rec.page.views.ranking import Ranking
from stream_rec.schemas.records import DEFAULT_SCENARIO, SlateItem
from stream_rec.sdk.profile import History, Profile
from stream_rec.serve import engine_answers
from stream_rec.serve.forget import Receipt
from stream_rec.serve.reasons import because
from stream_rec.serve.wishes import Recommendations

SHOWN_EVENTS = 14
RECENT_USERS = 10
SHOWN_TAGS = 6
_WHY = (("place", True), ("item", False), ("score", True), ("made of", False), ("rules", False))
_STORES = (("store", False), ("removed", False), ("waits", False), ("until (UTC)", False))
FIRST_TYPE = "click"
_ORIGINS = {
    "personal": "the user's own slate",
    "scenario": "no slate yet: what the scenario shows to newcomers",
    "session": "from this session's items",
    "popular": "no slate yet: what is popular",
    "none": "nothing may be shown, or nothing has been learned yet",
}


class Users:
    """The view.

    Args:
        desk: what is asked.
        frame: around it.
        request: names the user: `?user=`.
    """

    def __init__(self, desk: Desk, frame: Frame, request: Request) -> None:
        self._desk = desk
        self._user = request.query_params.get("user", "").strip()
        self._frame = frame
        self._scenario = request.query_params.get("scenario", DEFAULT_SCENARIO)
        self._shown: list[str] = []
        self._slate_id: str | None = None
        self._partition: int | None = None
        self._is_busy = False
        head("Users", "what they did, what they are shown, and what a click changes", level=1)
        self._build_choice()
        if self._user:
            self._build_user()
        frame.every_tick(self._tick)

    async def load(self) -> None:
        """Ask for what the view begins with."""
        of_user = (self._load_scenarios, self._load_slate, self._load_history, self._load_profile)
        await load_each(self._live, self._suggest, *(of_user if self._user else ()))

    async def _load_scenarios(self) -> None:
        for name in await self._desk.scenarios():
            if name not in self._choice.options:
                self._choice.options.append(name)
        self._choice.update()

    async def _load_slate(self) -> None:
        answer = await self._desk.slate(self._user, self._scenario)
        as_of = answer.slate.as_of if answer.slate is not None else None
        self._partition = None if as_of is None or as_of.is_of_batch else as_of.partition
        await self._show(answer)

    def _build_choice(self) -> None:
        with box("section", "card stack", aria_label="Choose a user"):
            with box("form", "row", method="get", action="/users", role="search"):
                words("label", "User", **{"for": "user"})
                box(
                    "input",
                    id="user",
                    name="user",
                    placeholder="user_id",
                    autocomplete="off",
                    required="",
                    **{"^value": self._user},
                )
                words("button", "Show", "button strong", type="submit")
            self._recent: Element = box("div", "row", aria_label="Active lately", role="group")
            self._live = Live()

    def _build_user(self) -> None:
        with box("div", "grid side"):
            with box("section", "card"):
                with box("div", "head"):
                    words("h2", f"Slate of {self._user}")
                    with box("div", "row"):
                        words("label", "Scenario", id="scenario-label")
                        self._choice = Choice(
                            [self._scenario], self._scenario, "scenario-label", self._change
                        )
                        words("label", "Do", id="type-label")
                        self._type = Choice(_types(self._desk), FIRST_TYPE, "type-label")
                self._note = words("p", "", "quiet small")
                self._slate: Element = box("ol", "list slate")
                with box("div", "row end"):
                    button("Explain", self._explain)
                    if not self._desk.settings.page.read_only:
                        button("Forget this user", self._plan, "danger")
            with box("div", "stack"):
                with box("section", "card stack", aria_label="What is known"):
                    head("What is known")
                    self._known: Element = box("div")
                    self._learned: Element = box("div")
                    with self._learned:
                        button("What the engine knows", self._ask_engine)
                with box("section", "card"):
                    self._n_done = head("History", "")
                    self._history: Element = box("ul", "list history")
        self._more: Element = box("div", "stack")
        self._ranking = Ranking(self._desk, self._user, lambda: self._scenario, self._live)

    async def _suggest(self) -> None:
        users = await self._desk.recent_users(RECENT_USERS)
        self._recent.clear()
        with self._recent:
            words("span", "active lately" if users else "no events yet", "quiet small")
            for user in users:
                words("a", user, "button chip", href=_link(user))

    async def _change(self, scenario: str) -> None:
        self._scenario, self._shown = scenario, []
        try:
            await self._show(await self._desk.slate(self._user, scenario))
        except EXPECTED as error:
            self._live.warn(said(error))

    async def _tick(self) -> None:
        """The slate also changes when others act as this user."""
        if not self._user or self._is_busy:
            return
        try:
            answer = await self._desk.slate(self._user, self._scenario)
        except EXPECTED as error:
            self._note.set_text(said(error))
            return
        if self._slate_id != (answer.slate.slate_id if answer.slate else None) and not self._is_busy:
            await self._show(answer)

    async def _click(self, item_id: str) -> None:
        if self._is_busy:
            return
        self._is_busy = True
        event_type = self._type.value
        try:
            felt = await self._desk.click(self._user, item_id, event_type, self._scenario)
            self._partition = felt.written.partition
            await self._show(felt.answer)
            self._say(felt, item_id, event_type)
            await self._load_history()
            await self._load_profile()
        except EXPECTED as error:
            self._live.warn(said(error))
        finally:
            self._is_busy = False

    def _say(self, felt: Felt, item_id: str, event_type: str) -> None:
        what = f"{event_type} on {self._desk.catalogue.title(item_id)}"
        if felt.answer.slate is None or felt.answer.stale:
            self._live.warn(f"{what}: no slate knows it after {felt.ms / 1000:.0f} s. Does a worker run?")
        else:
            self._live.say(f"{what}: the slate knew it {felt.ms:.0f} ms later.")

    async def _show(self, answer: Recommendations) -> None:
        before = {item: place for place, item in enumerate(self._shown, start=1)}
        self._shown = [each.item_id for each in answer.items]
        self._ranking.offer(self._shown)
        self._slate_id = answer.slate.slate_id if answer.slate else None
        self._note.set_text(self._about(answer))
        self._slate.clear()
        with self._slate:
            if not answer.items:
                words("li", "Nothing to show yet.", "empty")
            for place, item in enumerate(answer.items, start=1):
                self._line(place, item, before)

    def _line(self, place: int, item: SlateItem, before: dict[str, int]) -> None:
        title, was = self._desk.catalogue.title(item.item_id), before.get(item.item_id)
        moved = bool(before) and was != place
        with box("li", "fresh" if moved else ""):
            words("span", str(place), "place")
            with box("div"):
                words("p", title, "title")
                why = because(item.reason, self._desk.catalogue.title)
                words("p", f"{why} · {item.by}" if item.by else why, "quiet small")
            with box("span", "move"):
                if moved:
                    move(was, place)
            if not self._desk.settings.page.read_only:
                button(
                    "Click", lambda item_id=item.item_id: self._click(item_id), aria_label=f"Click {title}"
                )

    def _about(self, answer: Recommendations) -> str:
        origin = _ORIGINS.get(answer.origin, answer.origin)
        if answer.slate is None:
            return origin
        as_of = answer.slate.as_of
        made = ago(max(0.0, self._desk.clock.now() - answer.slate.created_ts))
        if as_of.is_of_batch:
            return f"{origin}, made {made} by the batch {answer.slate.model}: the stream has not met this user since"
        return f"{origin}, made {made}, knows events/{as_of.partition} up to offset {as_of.offset}"

    async def _explain(self) -> None:
        self._live.say("An engine learns the log, to say why: a few seconds ...")
        try:
            found = await self._desk.beside.ask(
                engine_answers.explain, user_id=self._user, scenario=self._scenario
            )
            self._more.clear()
            with self._more, box("section", "card"):
                head("What the scores are made of", "as of the end of the log")
                table(_WHY, [_made_of(self._desk, each) for each in found], "What the scores are made of")
            self._live.say(f"{len(found)} items explained.")
        except EXPECTED as error:
            self._live.warn(said(error))

    async def _plan(self) -> None:
        """What forgetting would do; nothing is done before it is said again."""
        try:
            receipt = await self._desk.forget(self._user, self._frame.who, dry_run=True)
        except EXPECTED as error:
            self._live.warn(said(error))
            return
        self._more.clear()
        with self._more, box("section", "card stack"):
            head(f"Forget {self._user} for good?", "what would be removed where, and what only time removes")
            _show_stores(receipt)
            with box("div", "row"):
                button("Forget for good", self._forget, "danger")
                button("Keep", self._more.clear)

    async def _forget(self) -> None:
        try:
            receipt = await self._desk.forget(self._user, self._frame.who, dry_run=False)
        except EXPECTED as error:
            self._live.warn(said(error))
            return
        self._more.clear()
        with self._more, box("section", "card"):
            head(f"{self._user} is forgotten", f"control offset {receipt.offset}")
            _show_stores(receipt)
        silent = f"; no answer yet of {', '.join(receipt.silent)}: ask again" if receipt.silent else ""
        self._live.say(f"{self._user} is forgotten by {len(receipt.workers)} workers{silent}.")

    async def _load_profile(self) -> None:
        found = await self._desk.profile(self._user)
        self._known.clear()
        with self._known:
            known = list(_held(found))
            if known:
                facts(known)
            else:
                words("p", "Nothing yet.", "empty")

    async def _ask_engine(self) -> None:
        self._live.say("An engine learns the log, to say what it knows: a few seconds …")
        try:
            found = await self._desk.history_known(self._user)
            self._learned.clear()
            with self._learned:
                facts(_learned(found, self._desk.clock.now()))
            self._live.say(f"The engine knows {found.n_items:,} items that {self._user} has had.")
        except EXPECTED as error:
            self._live.warn(said(error))

    async def _load_history(self) -> None:
        done = await self._desk.history(self._user, self._partition, SHOWN_EVENTS)
        self._n_done.set_text(f"the last {len(done)}" if done else "")
        self._history.clear()
        now = self._desk.clock.now()
        with self._history:
            if not done:
                words("li", "No events in the recent log.", "empty")
            for each in done:
                with box("li"):
                    with box("div"):
                        words("p", self._desk.catalogue.title(each.event.item_id), "title")
                        words("p", _what(each), "quiet small")
                    words("span", ago(max(0.0, now - each.broker_ts / 1000)), "quiet small")


def _held(found: Profile) -> Iterator[tuple[str, str]]:
    """What Redis holds of a user, in words."""
    for slate in found.slates:
        yield f"slate {slate.scenario}", f"{slate.n_items} items, made {ago(slate.age_seconds)}"
    for arm in found.arms:
        yield f"experiment {arm.experiment}", f"{arm.variant}, in {arm.scenario}"
    if found.nevers:
        yield "never wants", f"{len(found.nevers):,} items"


def _learned(found: History, now: float) -> Iterator[tuple[str, str]]:
    """What an engine knows of a user, in words."""
    yield "last seen", DASH if found.last_seen is None else ago(max(0.0, now - found.last_seen))
    yield "events", f"{found.n_events:,}, of them {found.n_session:,} in the last session"
    yield "items had", f"{found.n_items:,}"
    if found.interests:
        yield "interests", ", ".join(f"{each.tag} {each.share:.0%}" for each in found.interests[:SHOWN_TAGS])


def _show_stores(receipt: Receipt) -> None:
    rows = [
        (each.name, each.removed, each.waits, day(each.until) if each.until else "")
        for each in receipt.stores
    ]
    table(_STORES, rows, "What becomes of the user, by store")


def _made_of(desk: Desk, told: Mapping[str, Any]) -> tuple[str, ...]:
    parts = sorted(told["by_source"].items(), key=lambda pair: -abs(pair[1]))
    score = "" if told["score"] is None else f"{told['score']:.3f}"
    made = ", ".join(f"{name} {adds:+.3f}" for name, adds in parts)
    return (
        str(told["place"] or "-"),
        desk.catalogue.title(told["item_id"]),
        score,
        made,
        "; ".join(told["rules"]),
    )


def _types(desk: Desk) -> list[str]:
    """Of the table in force, those that say something without a value."""
    table = desk.settings.engine.event_types
    by_value = {
        "dwell",
        "rating",
        *(name for name, each in table.items() if each.when or each.value == "rating"),
    }
    plain = [name for name in table if name not in by_value]
    return [FIRST_TYPE, *(name for name in plain if name != FIRST_TYPE)]


def _what(done: Done) -> str:
    value = "" if done.event.value is None else f" {done.event.value:g}"
    return f"{done.event.event_type}{value}"


def _link(user: str) -> str:
    return f"/users?user={quote(user, safe='')}"
