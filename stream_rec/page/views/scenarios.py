"""Scenarios: what is in force, edited with checking as one types, tried on a user, applied, and rolled back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from fastapi import Request
from nicegui import ui
from nicegui.element import Element

from stream_rec.errors import ConfigError
from stream_rec.page.desk import Desk
from stream_rec.page.views.frame import EXPECTED, Frame, said
from stream_rec.page.views.parts import Live, box, button, day, head, words
from stream_rec.producers.scenarios.apply import Scenarios as Decided
from stream_rec.producers.scenarios.apply import Version
from stream_rec.producers.scenarios.file import as_toml, changes, read_text
from stream_rec.schemas.records import DEFAULT_SCENARIO
from stream_rec.schemas.scenario import Scenario
from stream_rec.schemas.scenario_reads import KnownNames
from stream_rec.sdk.preview import ScenarioPreview
from stream_rec.serve.previews import in_words
from stream_rec.serve.rule_warnings import known_names, warnings

MAX_VERSIONS = 30
MAX_TEXT_CHARACTERS = 200_000
_WHERE = "line"
_START = """[{name}]
k = 20
# filter = "price < 100.0"
# [[{name}.boosts]]
# when = "'new' in tags"
# factor = 2.0
"""
_HELP = """[home]
logic = "personal"              # or similar, popular, trending, new, recently_viewed, buy_again, ...
k = 20
filter = "price < 100.0 && 'new' in tags"
boosts = [{ when = "owner == 'acme'", factor = 2.0 }]
caps = [{ attribute = "owner", n = 3 }]
pins = [{ item = "item-7", slot = 1 }]
hides = [{ items = ["item-9"] }]
promotions = [{ when = "'sale' in tags", share = 0.2 }]
diversity = { lambda = 0.7, over = "tags" }
exploration = { share = 0.1, among = "new" }
# docs/rules.md has all of it"""


class Scenarios:
    """The view.

    Args:
        desk: what is asked.
        frame: around it.
        request: names the scenario: `?name=`.
    """

    def __init__(self, desk: Desk, frame: Frame, request: Request) -> None:
        self._desk = desk
        self._frame = frame
        self._name = request.query_params.get("name", DEFAULT_SCENARIO)
        self._text = ""
        self._wanted: Mapping[str, Scenario] = {}
        self._decided: Decided | None = None
        self._known: KnownNames | None = None
        head("Scenarios", "what slates are: in force on every worker within seconds", level=1)
        self._names: Element = box("nav", "row", aria_label="Scenarios")
        self._live = Live()
        with box("div", "grid two"):
            self._build_editor()
            self._build_trial()
        with box("section", "card"):
            head("History", "newest first, as far as the log has it")
            self._history: Element = box("ul", "list history")
        frame.every_tick(lambda: None)

    async def load(self) -> None:
        """What is in force, into the editor."""
        try:
            self._decided = await self._desk.decided(self._frame.who)
            self._known = await asyncio.to_thread(known_names, self._desk.settings.store)
        except EXPECTED as error:
            self._live.warn(said(error))
            return
        in_force = self._decided.in_force()
        self._show_names(in_force)
        version = in_force.get(self._name)
        scenario = version.scenario if version else None
        self._put(as_toml(self._name, scenario) if scenario else _START.format(name=self._name))
        self._show_history()

    def _build_editor(self) -> None:
        with box("section", "card stack"):
            head("Edit", "TOML; only what differs from the defaults")
            words("label", "Scenario", "hidden-text", **{"for": "editor"})
            area = box(
                "textarea", "mono", id="editor", spellcheck="false", rows="10", aria_describedby="verdict"
            )
            area.on("input", self._typed, js_handler="(e) => emit(e.target.value)", throttle=0.25)
            self._verdict = words("pre", "", "said text", id="verdict", role="status", aria_live="polite")
            with box("details"):
                words("summary", "What can be said")
                words("pre", _HELP)
            with box("div", "row"):
                words("label", "Why", **{"for": "why"})
                note = box("input", id="why", autocomplete="off", placeholder="for who reads the history")
                note.on("input", self._noted, js_handler="(e) => emit(e.target.value)")
                self._note = ""
                self._apply = button("Apply", self._put_in_force, "strong", disabled="")

    def _build_trial(self) -> None:
        with box("section", "card stack"):
            head("Preview", "nothing is applied")
            with box("div", "row"):
                words("label", "User", **{"for": "trial-user"})
                user = box("input", id="trial-user", autocomplete="off", placeholder="user_id")
                user.on("input", self._named, js_handler="(e) => emit(e.target.value)")
                self._user = ""
                self._try = button("Preview", self._preview)
            self._trial: Element = box("div", "stack")
            with self._trial:
                words(
                    "p", "The user's slate now and as edited, side by side, and what each rule does.", "quiet"
                )

    def _show_names(self, in_force: Mapping[str, Version]) -> None:
        self._names.clear()
        with self._names:
            for name, version in sorted(in_force.items()):
                is_on = version.scenario is not None and version.scenario.is_valid_at(self._desk.clock.now())
                current = {"aria_current": "page"} if name == self._name else {}
                text = name if is_on else f"{name} (off)"
                words("a", text, "button chip", href=link(name), **current)
            if self._name not in in_force:
                words("a", f"{self._name} (new)", "button chip", href=link(self._name), aria_current="page")
            with box("form", "row", method="get", action="/scenarios"):
                words("label", "New scenario", "hidden-text", **{"for": "new-name"})
                box(
                    "input",
                    id="new-name",
                    name="name",
                    placeholder="new name",
                    autocomplete="off",
                    required="",
                )
                words("button", "New", "button", type="submit")

    def _put(self, text: str) -> None:
        self._text = text
        ui.run_javascript(f"document.getElementById('editor').value = {_as_js(text)}")
        self._judge()

    def _typed(self, event: Any) -> None:
        self._text = str(event.args)[:MAX_TEXT_CHARACTERS]
        self._judge()

    def _noted(self, event: Any) -> None:
        self._note = str(event.args)[:1000]

    def _named(self, event: Any) -> None:
        self._user = str(event.args).strip()

    def _judge(self) -> None:
        """Check what stands in the editor, and say what it would change."""
        try:
            self._wanted = read_text(self._text, _WHERE)
        except ConfigError as error:
            self._wanted = {}
            lines = [line.strip().removeprefix(f"{_WHERE}:") for line in error.message.splitlines()[1:]]
            self._verdict.classes(replace="said text bad")
            self._verdict.set_text("\n".join(f"line {line}" for line in lines) or error.message)
            self._enable(False)
            return
        changed = list(self._decided.changed(self._wanted)) if self._decided else []
        said_lines = [f"{name}: {line}" for name, was, now in changed for line in changes(was, now)]
        for name, sentences in warnings(self._wanted, self._known).items():
            said_lines += [f"warning: {name}: {sentence}" for sentence in sentences]
        self._verdict.classes(replace="said text")
        self._verdict.set_text("\n".join(said_lines) or "As it is in force.")
        self._enable(bool(changed) and not self._desk.settings.page.read_only)

    def _enable(self, is_possible: bool) -> None:
        if is_possible:
            self._apply.props.pop("disabled", None)
        else:
            self._apply.props["disabled"] = ""
        self._apply.update()

    async def _put_in_force(self) -> None:
        try:
            self._desk.need_writable()
            decided = await self._desk.decided(self._frame.who)
            changed = {name: now for name, _, now in decided.changed(self._wanted)}
            acks = await asyncio.to_thread(decided.apply, changed, self._note or "on the page")
            self._live.say(
                f"{', '.join(changed)}: in force as of control offset {acks[-1].offset}."
                if acks
                else "Unchanged."
            )
            await self.load()
        except EXPECTED as error:
            self._live.warn(said(error))

    async def _roll_back(self, offset: int) -> None:
        try:
            self._desk.need_writable()
            decided = await self._desk.decided(self._frame.who)
            version = decided.version_before(self._name, offset)
            if version.scenario is None:
                ack = await asyncio.to_thread(decided.take_back, self._name)
            else:
                note = f"rolled back to offset {version.offset}"
                (ack,) = await asyncio.to_thread(decided.apply, {self._name: version.scenario}, note)
            self._live.say(f"{self._name}: in force as of control offset {ack.offset}.")
            await self.load()
        except EXPECTED as error:
            self._live.warn(said(error))

    async def _preview(self) -> None:
        if not self._wanted or not self._user:
            self._live.warn("Name a user, and mend what stands in the editor.")
            return
        self._live.say("An engine learns the log, to try it: a few seconds …")
        self._try.props["disabled"] = ""
        try:
            found = await self._desk.preview(self._user, self._wanted)
            self._trial.clear()
            with self._trial:
                for each in found:
                    _show_trial(self._desk, each)
            self._live.say(f"Tried on {self._user}; nothing was applied.")
        except EXPECTED as error:
            self._live.warn(said(error))
        finally:
            self._try.props.pop("disabled", None)
            self._try.update()

    def _show_history(self) -> None:
        assert self._decided is not None
        try:
            versions = self._decided.history(self._name)
        except ConfigError:
            versions = []
        self._history.clear()
        befores = [None, *(each.scenario for each in versions)]
        lines = list(zip(befores, versions, strict=False))[::-1][:MAX_VERSIONS]
        with self._history:
            if not lines:
                words("li", "Nothing was decided yet.", "empty")
            for number, (before, version) in enumerate(lines):
                with box("li"):
                    with box("div"):
                        what = "; ".join(changes(before, version.scenario)) or "as before"
                        what = "as in the settings" if version.offset < 0 else what
                        words("p", what)
                        words("p", _about(version), "quiet small")
                    if number and not self._desk.settings.page.read_only:
                        offset = version.offset
                        button(
                            "Roll back",
                            lambda offset=offset: self._roll_back(offset),
                            aria_label=f"Roll back to offset {offset}",
                        )
                    elif not number:
                        words("span", "in force", "badge up")


def _show_trial(desk: Desk, found: ScenarioPreview) -> None:
    words("h3", found.scenario)
    if not found.is_on:
        words("p", "It is off, or outside of its time: no slates would be written.", "quiet small")
    for line in found.changes:
        words("p", line, "small")
    before = found.before or ()
    with box("div", "versions"):
        for title, items in (("Now", before), ("As edited", found.after)):
            with box("div"):
                words("p", title, "quiet small")
                with box("ol", "list trial"):
                    if not items:
                        words("li", "Nothing.", "quiet")
                    for place, item in enumerate(items, start=1):
                        is_new = title != "Now" and item not in before
                        with box("li"):
                            words("span", f"{place}  {desk.catalogue.title(item)}")
                            if is_new:
                                words("span", "new", "badge up")
    for effect in found.effects:
        words("p", f"{effect.rule} ({effect.says}): {in_words(effect, desk.catalogue.title)}", "small")


def _about(version: Version) -> str:
    if version.offset < 0:
        return "from the settings"
    at = day(version.ts)
    return " · ".join(filter(None, (at, version.by, version.note, f"offset {version.offset}")))


def _as_js(text: str) -> str:
    return json.dumps(text).replace("<", "\\u003c")


def link(name: str) -> str:
    """The address of a scenario's view."""
    return f"/scenarios?name={quote(name, safe='')}"
