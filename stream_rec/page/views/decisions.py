"""What was decided of an experiment, and asking again before something is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from nicegui import ui
from nicegui.element import Element

from stream_rec.page.views.parts import Choice, Live, box, button, day, head, words
from stream_rec.producers.experiments.experiments import Known
from stream_rec.producers.experiments.file import changes
from stream_rec.schemas.experiment import Experiment
from stream_rec.trials.states import Move

MAX_DECISIONS = 30
MAX_NOTE_CHARACTERS = 1000
VERBS: Mapping[Move, str] = {
    "start": "Start",
    "ramp": "Ramp",
    "pause": "Pause",
    "stop": "Stop",
    "ship": "Ship",
}
_MEANS: Mapping[Move, str] = {
    "start": "It gets its full traffic at once: {share:.0%} of its layer's users.",
    "ramp": "It gets {share:.0%} of its layer's users; what is worse is rolled back by rule meanwhile.",
    "pause": "Everybody gets the control for a while; it keeps its users, and can go on.",
    "stop": "Everybody gets the control, for good: it cannot be started again.",
    "ship": "Everybody gets the arm, for good.",
}
_FOCUS = "setTimeout(() => document.getElementById('reason')?.focus(), 50)"

Decide = Callable[[Move, str, str], Awaitable[None]]


class Confirm:
    """Says what a move means, and wants a reason before it is made.

    Args:
        decide: makes it: the move, the winner, the reason.
    """

    def __init__(self, decide: Decide) -> None:
        self._decide = decide
        self._place: Element = box("div", "stack")
        self._note = ""

    def ask(self, name: str, experiment: Experiment, move: Move, share: float) -> None:
        """Ask whether this is wanted; `share` is what it has then."""
        self._note = ""
        self._place.clear()
        with self._place, box("section", "card stack", aria_label=f"{VERBS[move]} {name}"):
            head(f"{VERBS[move]} {name}?", _MEANS[move].format(share=share))
            winner = self._arms(experiment) if move == "ship" else None
            with box("div", "row"):
                words("label", "Why", **{"for": "reason"})
                note = box("input", id="reason", autocomplete="off", placeholder="for who reads the history")
                note.on("input", self._noted, js_handler="(e) => emit(e.target.value)")
            live = Live()

            async def go() -> None:
                if not self._note.strip():
                    live.warn("Say why: it stands in the history.")
                    return
                await self._decide(move, winner.value if winner else "", self._note.strip())

            with box("div", "row"):
                button(f"{VERBS[move]} it", go, "danger" if move in ("stop", "ship") else "strong")
                button("Leave it", self.clear)
        ui.run_javascript(_FOCUS)

    def clear(self) -> None:
        """Nothing is asked any more."""
        self._place.clear()

    @staticmethod
    def _arms(experiment: Experiment) -> Choice:
        names = [arm.name for arm in experiment.arms]
        with box("div", "row"):
            words("label", "Arm", id="winner-label")
            return Choice(names, names[1], "winner-label")

    def _noted(self, event: Any) -> None:
        self._note = str(event.args)[:MAX_NOTE_CHARACTERS]


def history(records: Sequence[Known]) -> None:
    """What was decided, newest first."""
    befores = [None, *(each.experiment for each in records)]
    lines = list(zip(befores, records, strict=False))[::-1][:MAX_DECISIONS]
    with box("ul", "list history"):
        for before, known in lines:
            with box("li"), box("div"):
                words("p", _what(before, known.experiment))
                at = (day(known.ts), known.by, known.note, f"offset {known.offset}")
                words("p", " · ".join(filter(None, at)), "quiet small")


def _what(before: Experiment | None, after: Experiment) -> str:
    """The state that it came into, or what of it was changed."""
    if before is None or (before.state, before.share) != (after.state, after.share):
        return state_of(after)
    return "; ".join(changes(before, after)) or "as before"


def state_of(experiment: Experiment) -> str:
    """In words: `ramping, 5 %`, `shipped: blue`."""
    words = experiment.state.replace("_", " ")
    if experiment.winner:
        return f"{words}: {experiment.winner}"
    return f"{words}, {_percent(experiment.share)}" if experiment.share else words


def _percent(share: float) -> str:
    return f"{100 * share:g} %"
