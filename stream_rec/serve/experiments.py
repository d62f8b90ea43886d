"""Experiments as they are told to people and programs: decisions of the log, and what a worker has counted.

The worker that owns `control` reports each second what was counted and what the statistics say (docs/metrics.md), so
whoever asks needs no engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from stream_rec.producers.experiments.experiments import Experiments, Known
from stream_rec.schemas.experiment import Experiment
from stream_rec.sdk.experiments import Counted, ExperimentRecord, ExperimentStatus
from stream_rec.store.last_values import LastValues
from stream_rec.telemetry.points import labels_of
from stream_rec.trials.obstacles import KINDS, PREFERENCE, Obstacle, says

_OUTCOMES, _LIFT, _READING, _OBSTACLE, _RANKER = (
    "experiment",
    "experiment_lift",
    "experiment_reading",
    "experiment_obstacle",
    "experiment_ranker",
)


def record(known: Known) -> ExperimentRecord:
    """A decision."""
    return ExperimentRecord(
        known.offset, known.ts, known.by, known.note, known.experiment.share, known.experiment
    )


def status(found: Experiments, name: str, workers: Mapping[str, LastValues]) -> ExperimentStatus:
    """An experiment as it is now.

    Args:
        found: of the log.
        name: of the experiment.
        workers: what each last reported.

    Raises:
        UnknownExperiment: there is none of this name.
    """
    now = record(found.one(name))
    return ExperimentStatus(
        **msgspec.structs.asdict(now),
        counted=counted(name, now.experiment, workers),
        history=[record(each) for each in found.history(name)],
    )


def counted(name: str, experiment: Experiment, workers: Mapping[str, LastValues]) -> Counted | None:
    """What was counted, by whoever reported it last; None = nobody tells anything of it."""
    latest: Counted | None = None
    for each in workers.values():
        if latest is None or each.created_ts > latest.ts:
            outcomes = _by_arm(name, _OUTCOMES, "outcome", each)
            rankers = _by_arm(name, _RANKER, "figure", each)
            if outcomes or rankers:
                readings = {at["figure"]: value for at, value in _of(name, _READING, each)}
                told = {"ts": each.created_ts, "outcomes": outcomes, "rankers": rankers, **readings}
                told["obstacles"] = _obstacles(name, experiment, each)
                latest = msgspec.convert({**told, "lifts": _lifts(name, experiment, each)}, Counted)
    return latest


def _lifts(name: str, experiment: Experiment, values: LastValues) -> list[dict[str, Any]]:
    """As `Lift`."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for at, value in _of(name, _LIFT, values):
        found.setdefault((at["of"], at["variant"]), {})[at["figure"]] = value
    metrics = _metrics(experiment)
    arms = [arm.name for arm in experiment.arms]

    def order(key: tuple[str, str]) -> tuple[int, int]:
        metric, arm = key
        return (
            metrics.index(metric) if metric in metrics else len(metrics),
            arms.index(arm) if arm in arms else len(arms),
        )

    return [{"metric": key[0], "variant": key[1], **found[key]} for key in sorted(found, key=order)]


def _obstacles(name: str, experiment: Experiment, values: LastValues) -> list[dict[str, str]]:
    """As `Obstacle`; those of a later release are passed over."""
    metrics = [*_metrics(experiment), PREFERENCE]
    found = [
        Obstacle(kind, at["of"])
        for at, _ in _of(name, _OBSTACLE, values)
        if (kind := next((each for each in KINDS if each == at["obstacle"]), None)) and at["of"] in metrics
    ]
    return [
        {"obstacle": each.kind, "metric": each.metric, "says": says(each)}
        for each in sorted(found, key=lambda each: metrics.index(each.metric))
    ]


def _metrics(experiment: Experiment) -> list[str]:
    """The one that decides first, none twice."""
    guarded = (each.metric for each in experiment.guardrails)
    return [*dict.fromkeys([experiment.primary, *experiment.secondary, *guarded])]


def _by_arm(name: str, metric: str, label: str, values: LastValues) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for at, value in _of(name, metric, values):
        found.setdefault(at["variant"], {})[at[label]] = value
    return found


def _of(name: str, metric: str, values: LastValues) -> Iterator[tuple[dict[str, str], float]]:
    """Labels and values of an experiment's figures."""
    for field, value in values.values.items():
        if (labels := labels_of(field, metric)) and labels.get("experiment") == name:
            yield labels, value
