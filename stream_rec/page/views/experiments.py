"""Experiments: who is in them, what they say so far, and what is done with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import quote

from fastapi import Request
from nicegui.element import Element

from stream_rec.page import trials
from stream_rec.page.desk import Desk
from stream_rec.page.views.decisions import Confirm, state_of
from stream_rec.page.views.experiment import One, days_left, sample_ratio, who
from stream_rec.page.views.frame import EXPECTED, Frame, said
from stream_rec.page.views.lifts import Lifts
from stream_rec.page.views.parts import Live, box, head, number, words
from stream_rec.producers.experiments.experiments import Experiments as Decided
from stream_rec.producers.experiments.experiments import Known
from stream_rec.schemas.experiment import Experiment, State
from stream_rec.sdk.experiments import Counted
from stream_rec.serve.experiments import counted
from stream_rec.telemetry.points import labels_of
from stream_rec.trials.states import Move, moved

_BADGE: Mapping[State, str] = {
    "draft": "badge",
    "running": "badge up",
    "ramping": "badge up",
    "paused": "badge warn",
    "shipped": "badge up",
    "rolled_back": "badge bad",
}
_ORDER: tuple[State, ...] = ("running", "ramping", "paused", "draft", "shipped", "rolled_back")


class Experiments:
    """The view.

    Args:
        desk: what is asked.
        frame: around it.
        request: names the experiment: `?name=`.
    """

    def __init__(self, desk: Desk, frame: Frame, request: Request) -> None:
        self._desk = desk
        self._frame = frame
        self._name = request.query_params.get("name", "")
        self._decided: Decided | None = None
        self._states: object = None
        self._lines: dict[str, _Line] = {}
        self._one: One | None = None
        head("Experiments", "what is tried on whom, and what it says so far", level=1)
        self._live = Live()
        with box("section", "card"):
            head("All of them", "the bar is a confidence sequence: look as often as you like")
            self._list: Element = box("ul", "list")
        self._confirm = Confirm(self._move)
        self._detail: Element = box("div", "grid")
        frame.every_tick(self._tick)

    async def load(self) -> None:
        """What is decided."""
        try:
            self._decided = await self._desk.experiments(self._frame.who)
        except EXPECTED as error:
            self._live.warn(said(error))
            return
        self._build(self._decided)
        self._show()

    def _build(self, decided: Decided) -> None:
        found = decided.all()
        self._list.clear()
        with self._list:
            if not found:
                words("li", "There is none: `stream-rec experiment apply FILE` makes drafts.", "empty")
            self._lines = {
                name: _Line(name, known.experiment, is_current=name == self._name)
                for name, known in _in_order(found.items())
            }
        self._detail.clear()
        self._one = None
        if self._name in found:
            act = None if self._desk.settings.page.read_only else self._ask
            with self._detail:
                self._one = One(self._name, decided.history(self._name), act)
        elif self._name:
            self._live.warn(f"There is no experiment {self._name}.")

    async def _tick(self) -> None:
        """Figures each time; what is decided, when workers tell that something was."""
        workers = self._desk.watcher.recent.last.workers.values()
        states = {
            (labels["experiment"], labels["state"], value)
            for each in workers
            for name, value in each.values.items()
            if (labels := labels_of(name, "experiment_since"))
        }
        was, self._states = self._states, states
        if was is not None and was != states:
            await self.load()
        else:
            self._show()

    def _show(self) -> None:
        if self._decided is None:
            return
        workers, found = self._desk.watcher.recent.last.workers, self._decided.all()
        for name, line in self._lines.items():
            told = counted(name, found[name].experiment, workers)
            line.show(told)
            if self._one is not None and name == self._name:
                self._one.show(told)

    def _ask(self, move: Move) -> None:
        """Nothing is done before it is said again, and why."""
        assert self._decided is not None
        experiment = self._decided.one(self._name).experiment
        winner = experiment.arms[1].name if move == "ship" else ""
        after = moved(self._name, experiment, move, self._desk.clock.now(), winner=winner)
        self._confirm.ask(self._name, experiment, move, after.share)

    async def _move(self, move: Move, winner: str, note: str) -> None:
        try:
            after, ack = await self._desk.move(self._frame.who, self._name, move, winner=winner, note=note)
        except EXPECTED as error:
            self._live.warn(said(error))
            return
        self._confirm.clear()
        self._live.say(f"{self._name}: {state_of(after)}, as of control offset {ack.offset}.")
        await self.load()


class _Line:
    """An experiment in the list: built once, so that who stands on its link keeps standing there.

    Args:
        name: of the experiment.
        experiment: as it is.
        is_current: it is the one that is shown whole.
    """

    def __init__(self, name: str, experiment: Experiment, *, is_current: bool) -> None:
        self._experiment = experiment
        current = {"aria_current": "true"} if is_current else {}
        with box("li"), box("div", "stack"):
            with box("div", "row apart"):
                with box("div", "row"):
                    words("a", name, "title", href=link(name), **current)
                    words("span", state_of(experiment), _BADGE[experiment.state])
                words("span", who(experiment), "quiet small")
            self._lifts = Lifts(trials.primary(experiment, None))
            self._facts = words("p", "", "small quiet")

    def show(self, found: Counted | None) -> None:
        """What was counted."""
        lifts = trials.primary(self._experiment, found)
        self._lifts.show(lifts, trials.scale(lifts))
        parts = [f"{number(trials.users(found))} users", f"sample ratio {sample_ratio(found)}"]
        stands = [each.stands for each in trials.guardrails(self._experiment, found)]
        if stands:
            broken = f", {stands.count('broken')} broken" if "broken" in stands else ""
            parts.append(f"{stands.count('held')} of {len(stands)} guardrails held{broken}")
        if self._experiment.is_live:
            parts.append(f"days left {days_left(found)}")
        for each in found.obstacles if found else ():
            parts.append(f"{each.metric}: {each.obstacle.replace('_', ' ')}")
        self._facts.set_text(" · ".join(parts))


def _in_order(found: Iterable[tuple[str, Known]]) -> list[tuple[str, Known]]:
    """Live ones first, then by name."""
    return sorted(found, key=lambda pair: (_ORDER.index(pair[1].experiment.state), pair[0]))


def link(name: str) -> str:
    """The address of an experiment's view."""
    return f"/experiments?name={quote(name, safe='')}"
