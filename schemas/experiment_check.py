"""What an experiment must satisfy beyond its types: every mistake with its place, and what was probably meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from stream_rec.schemas import experiment as spec
from stream_rec.schemas.experiment import Arm, Experiment, Guardrail
from stream_rec.schemas.faults import BadBody, Fault, Path, between, did_you_mean, of_type, too_many
from stream_rec.schemas.scenario import Rule
from stream_rec.schemas.scenario_check import BadScenario, scenario_of
from stream_rec.schemas.validation import TS_END

ARM_NAME = re.compile(r"[A-Za-z0-9.-][A-Za-z0-9_.-]{0,63}", re.ASCII)
_LEAST_SHARE = 0.0001
_MOST_DAYS = 3660.0


class BadExperiment(BadBody):
    """An experiment with mistakes."""


def experiment_of(body: Mapping[str, Any]) -> Experiment:
    """An experiment from parsed JSON or TOML.

    Raises:
        BadExperiment: with every mistake of its values, or the first of its types.
    """
    try:
        experiment = msgspec.convert(body, Experiment)
    except msgspec.ValidationError as error:
        raise BadExperiment([of_type(error, _kind_at)]) from None
    if found := faults(experiment):
        raise BadExperiment(found)
    return experiment


def draft_of(body: Mapping[str, Any]) -> Experiment:
    """As `experiment_of`, of what people write: without the fields that are the commands', and what nobody asks.

    Raises:
        BadExperiment: as there.
    """
    if own := [name for name in spec.OWN_FIELDS if name in body]:
        fix = "leave it out: `stream-rec experiment start`, `ramp`, `stop` and `ship` write it"
        raise BadExperiment([Fault((name,), "it is not for people to write", fix) for name in own])
    experiment = experiment_of(body)
    if found := [*_not_asked(experiment)]:
        raise BadExperiment(found)
    return experiment


def faults(experiment: Experiment) -> list[Fault]:
    """Every mistake in the values of an experiment whose types are right."""
    return [
        *_arms(experiment),
        *_who(experiment),
        *_metrics(experiment),
        *_times(experiment),
        *_state(experiment),
    ]


def _kind_at(path: Path) -> type[Rule]:
    kinds: dict[str | int, type[Rule]] = {"arms": Arm, "guardrails": Guardrail}
    return kinds.get(path[0], Experiment) if path else Experiment


def _arms(experiment: Experiment) -> Iterator[Fault]:
    arms = experiment.arms
    if len(arms) < 2:
        yield Fault(("arms",), f"there is {len(arms) or 'none'}", "two or more; the first is the control")
    if len(arms) > spec.MAX_ARMS:
        yield too_many("arms", spec.MAX_ARMS)
    if arms and experiment.min_share * len(arms) > 1:
        yield Fault(("min_share",), f"{len(arms)} arms cannot all keep so much", f"{1 / len(arms):g} at most")
    if experiment.shares and len(experiment.shares) != len(arms):
        yield Fault(("shares",), f"{len(experiment.shares)} shares of {len(arms)} arms", "one of each")
    for i, share in enumerate(experiment.shares):
        yield from between(("shares", i), share, 0.0001, 1.0)
    if experiment.kind == "interleaving" and len(arms) > 2:
        yield Fault(("arms",), f"{len(arms)} arms in one slate", "interleaving compares two")
    names: set[str] = set()
    for i, arm in enumerate(arms):
        if not ARM_NAME.fullmatch(arm.name):
            fix = "1 to 64 letters, digits, '.', '_' and '-', no '_' first"
            yield Fault(("arms", i, "name"), f"{arm.name!r} cannot name an arm", fix)
        if arm.name in names:
            yield Fault(("arms", i, "name"), f"{arm.name!r} is another arm's name", "a name for each arm")
        names.add(arm.name)
        yield from between(("arms", i, "weight"), arm.weight, 0.001, 1000.0)
        yield from between(("arms", i, "learning_rate"), arm.learning_rate, 0.001, 1000.0)
        yield from _changed(i, arm)
    if arms and arms[0].changes:
        yield Fault(("arms", 0), "the control changes something", "leave it empty, and change another arm")


def _changed(i: int, arm: Arm) -> Iterator[Fault]:
    try:
        scenario_of(arm.scenario)
    except BadScenario as error:
        for fault in error.faults:
            yield fault._replace(path=("arms", i, "scenario", *fault.path))


def _who(experiment: Experiment) -> Iterator[Fault]:
    yield from between(("traffic",), experiment.traffic, _LEAST_SHARE, 1.0)
    yield from between(("slot",), experiment.slot, 0.0, 1.0)
    yield from between(("min_share",), experiment.min_share, 0.001, 0.5)
    if experiment.slot + experiment.traffic > 1.0 + 1e-9:
        yield Fault(("slot",), "slot and traffic are together above 1", "a smaller slot, or less traffic")
    if len(experiment.audience) > spec.MAX_AUDIENCE:
        yield too_many("audience", spec.MAX_AUDIENCE)
    for key, values in experiment.audience.items():
        if not values or len(values) > spec.MAX_VALUES:
            yield Fault(("audience", key), f"{len(values)} values", f"1 to {spec.MAX_VALUES}")
        for j, value in enumerate(values):
            if key == "user" and value not in ("new", "returning"):
                fix = did_you_mean(value, ["new", "returning"])
                yield Fault(("audience", key, j), f"no user is called {value!r}", fix)
    if len(experiment.ramp) > spec.MAX_RAMP_STEPS:
        yield too_many("ramp", spec.MAX_RAMP_STEPS)
    for j, share in enumerate(experiment.ramp):
        yield from between(("ramp", j), share, _LEAST_SHARE, 1.0)
        if j and share <= experiment.ramp[j - 1]:
            yield Fault(("ramp", j), "it is not more than the step before", "ascending shares")


def _metrics(experiment: Experiment) -> Iterator[Fault]:
    yield from _metric(("primary",), experiment.primary)
    for i, metric in enumerate(experiment.secondary):
        yield from _metric(("secondary", i), metric)
        if metric == experiment.primary or metric in experiment.secondary[:i]:
            yield Fault(("secondary", i), f"{metric!r} is there already", "name each metric once")
    if len(experiment.guardrails) > spec.MAX_GUARDRAILS:
        yield too_many("guardrails", spec.MAX_GUARDRAILS)
    for i, guardrail in enumerate(experiment.guardrails):
        yield from _metric(("guardrails", i, "metric"), guardrail.metric)
        yield from between(("guardrails", i, "tolerated"), guardrail.tolerated, 0.0, 0.99)
    yield from between(("mde",), experiment.mde, 0.0001, 10.0)
    yield from between(("alpha",), experiment.alpha, 0.0001, 0.5)
    yield from between(("power",), experiment.power, 0.5, 0.999)


def _not_asked(experiment: Experiment) -> Iterator[Fault]:
    """What would be passed over: of arms in one slate only clicks tell apart, and a shadow has no users of its own."""
    kind = experiment.kind
    if kind not in ("interleaving", "shadow"):
        return
    why = "both arms stand in one slate" if kind == "interleaving" else "nobody is shown a shadow"
    for field in ("secondary", "guardrails"):
        if getattr(experiment, field):
            yield Fault((field,), f"no arm has users of its own: {why}", 'leave it out, or kind = "ab"')
    if kind == "interleaving" and experiment.primary not in ("ctr", "clicks"):
        fix = 'leave it out, or kind = "ab"'
        yield Fault(("primary",), f"users' clicks decide, not {experiment.primary}: {why}", fix)
    for i, arm in enumerate(experiment.arms[1:] if kind == "shadow" else (), 1):
        if not arm.ranks:
            yield Fault(
                ("arms", i), f"nothing of it is judged: {why}", "give it `sources` or a `learning_rate`"
            )


def _metric(path: Path, name: str) -> Iterator[Fault]:
    if name not in spec.METRICS:
        yield Fault(path, f"no metric is called {name!r}", did_you_mean(name, [*spec.METRICS]))


def _times(experiment: Experiment) -> Iterator[Fault]:
    yield from between(("min_runtime_days",), experiment.min_runtime_days, 0.0, _MOST_DAYS)
    yield from between(("max_runtime_days",), experiment.max_runtime_days, 0.0, _MOST_DAYS)
    if 0 < experiment.max_runtime_days < experiment.min_runtime_days:
        yield Fault(("max_runtime_days",), "it is less than min_runtime_days", "more, or 0 = never")
    yield from between(("step_hours",), experiment.step_hours, 0.0, 24 * _MOST_DAYS)
    for name in ("started", "since", "paused_seconds"):
        yield from between((name,), getattr(experiment, name), 0.0, TS_END)


def _state(experiment: Experiment) -> Iterator[Fault]:
    if experiment.state == "ramping":
        yield from between(("step",), experiment.step, 0, max(len(experiment.steps) - 1, 0))
    names = [arm.name for arm in experiment.arms]
    if experiment.state == "shipped" and experiment.winner not in names:
        yield Fault(
            ("winner",), f"no arm is called {experiment.winner!r}", did_you_mean(experiment.winner, names)
        )
