"""One experiment, whole: figures, arms, what was decided, and what can be done."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec.structs import replace
from nicegui.element import Element

from stream_rec.page import trials
from stream_rec.page.views.decisions import VERBS, history, state_of
from stream_rec.page.views.lifts import Lifts
from stream_rec.page.views.parts import DASH, box, button, day, facts, head, number, share, table, words
from stream_rec.producers.experiments.experiments import Known
from stream_rec.schemas.experiment import METRICS, Experiment
from stream_rec.sdk.experiments import Counted
from stream_rec.trials.states import Move

_ARMS = (
    ("arm", False),
    ("changes", False),
    ("of its users", True),
    ("users", True),
    ("slates", True),
    ("clicks", True),
    ("click-through", True),
    ("purchases", True),
    ("net revenue", True),
    ("hit-rate@20, and main ranker's", True),
)


class One:
    """One experiment.

    Args:
        name: of the experiment.
        records: all of it, oldest first; at least one.
        act: called with what is to be done; None = the page only shows.
    """

    def __init__(self, name: str, records: Sequence[Known], act: Callable[[Move], None] | None) -> None:
        self._experiment = experiment = records[-1].experiment
        with box("div", "grid two"):
            with box("section", "card stack"):
                head(name, state_of(experiment))
                if experiment.description:
                    words("p", experiment.description)
                self._facts: Element = box("div")
                if act is not None:
                    _buttons(experiment, act)
            with box("section", "card"):
                head("Decisions", "newest first, as far as the log has them")
                history(records)
        self._build_lifts()
        with box("section", "card"):
            head("Arms", "what their users have done since it began")
            self._arms: Element = box("div")
        self._shown: object = ()

    def _build_lifts(self) -> None:
        experiment = self._experiment
        guarded = list(trials.guardrails(experiment, None))
        self._lifts: list[Lifts] = []
        with box("section", "card stack"):
            head("Against the control", "relative difference; the bar holds however often it is looked at")
            for title, lifts in (
                ("What decides", trials.primary(experiment, None)),
                ("Beside it", trials.secondary(experiment, None)),
            ):
                if lifts:
                    words("h3", title)
                    self._lifts.append(Lifts(lifts))
            if guarded:
                words("h3", "Guardrails")
            self._guarded = Lifts([each.lift for each in guarded], guarded)
            self._axis = words("p", "", "quiet small")

    def show(self, found: Counted | None) -> None:
        """What was counted."""
        told = found and replace(found, ts=0.0)
        if told == self._shown:
            return
        self._shown = told
        experiment = self._experiment
        groups = [
            each for each in (trials.primary(experiment, found), trials.secondary(experiment, found)) if each
        ]
        guarded = list(trials.guardrails(experiment, found))
        limits = [each.lift for each in guarded]
        reach = trials.scale([*(lift for group in groups for lift in group), *limits])
        for bars, lifts in zip(self._lifts, groups, strict=True):
            bars.show(lifts, reach)
        self._guarded.show(limits, reach, guarded)
        self._axis.set_text(
            f"From {-reach:+.0%} to {reach:+.0%}; the line is no difference."
            if groups or limits
            else f"Nothing is concluded of a {experiment.kind} by outcomes: see its arms."
        )
        self._facts.clear()
        with self._facts:
            facts(_facts(experiment, found))
        self._arms.clear()
        with self._arms:
            table(_ARMS, list(_rows(experiment, found)), "Arms")


def _buttons(experiment: Experiment, act: Callable[[Move], None]) -> None:
    with box("div", "row"):
        for move in trials.moves(experiment):
            danger = "danger" if move in ("stop", "ship") else ""
            button(VERBS[move], lambda move=move: act(move), danger)


def _facts(experiment: Experiment, found: Counted | None) -> Iterator[tuple[str, str]]:
    if experiment.reason:
        yield "because", experiment.reason
    yield "since", day(experiment.since) if experiment.since else DASH
    yield "who", who(experiment)
    if experiment.scenarios:
        yield "scenarios", ", ".join(experiment.scenarios)
    for key, values in experiment.audience.items():
        yield key, ", ".join(values)
    yield (
        "decides",
        f"{experiment.primary} ({METRICS[experiment.primary].says}), from {experiment.mde:.1%} on",
    )
    needed = found.needed_users if found else None
    of = "" if needed is None else f" of {needed:,.0f} needed"
    yield "users", f"{number(trials.users(found))}{of}"
    yield "sample ratio", sample_ratio(found)
    if experiment.is_live:
        yield "days left", days_left(found)
    for each in found.obstacles if found else ():
        yield f"{each.metric}: {each.obstacle.replace('_', ' ')}", each.says


def _rows(experiment: Experiment, found: Counted | None) -> Iterator[tuple[str, ...]]:
    whole = sum(experiment.weights)
    for arm, weight in zip(experiment.arms, experiment.weights, strict=True):
        of = found.outcomes.get(arm.name, {}) if found else {}
        shown = of.get("shown", 0.0)
        yield (
            arm.name,
            trials.changes(arm),
            f"{weight / whole:.1%}",
            *(number(of.get(name, 0.0)) for name in ("user", "shown", "click")),
            share(of.get("click", 0.0) / shown if shown else math.nan),
            number(of.get("purchase", 0.0)),
            f"{of.get('revenue', 0.0) - of.get('refund', 0.0):,.2f}",
            _ranker((found.rankers if found else {}).get(arm.name, {})),
        )


def _ranker(of: Mapping[str, float]) -> str:
    judged = of.get("judged", 0.0)
    if not judged:
        return DASH
    own, main = of.get("hits", 0.0) / judged, of.get("main_hits", 0.0) / judged
    return f"{own:.3f}, {main:.3f} of {judged:,.0f}"


def who(experiment: Experiment) -> str:
    """Which users take part."""
    layer = f"of layer {experiment.layer}" if experiment.layer else "of all users"
    kind = "" if experiment.kind == "ab" else f", {experiment.kind}"
    return f"{100 * experiment.traffic:g} % {layer} at full traffic{kind}"


def sample_ratio(found: Counted | None) -> str:
    """Have the arms the users that they were given?"""
    if found is None or found.sample_ratio is None:
        return DASH
    if trials.is_split_broken(found):
        return f"broken (p = {found.sample_ratio:.2g}): believe nothing of it"
    return f"as planned (p = {found.sample_ratio:.2g})"


def days_left(found: Counted | None) -> str:
    """Until there are users enough, and the minimum runtime is over."""
    return DASH if found is None or found.days_left is None else f"{found.days_left:,.1f}"
