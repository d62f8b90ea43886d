"""What goes over HTTP about experiments, for both ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from stream_rec.schemas.experiment import Experiment, State


class ExperimentRecord(msgspec.Struct, frozen=True):
    """A decision about an experiment.

    Attributes:
        offset: of its record on `control`.
        ts: when it was decided, seconds since the epoch.
        by: who decided it; `rules` = nobody.
        note: why.
        share: of the layer's users, those who are in the experiment since then.
        experiment: what differs from the defaults (docs/trials.md), and the state that it is in since then.
    """

    offset: int
    ts: float
    by: str
    note: str
    share: float
    experiment: Experiment


class Lift(msgspec.Struct, frozen=True):
    """One metric of one arm against the control, by the users' own past (CUPED). null = not known.

    Attributes:
        metric: docs/trials.md has them; `preference` = of interleaved arms: from -1, all prefer the control, to 1.
        variant: the arm.
        control: value of the control.
        value: of the arm.
        lift: their relative difference; of `preference`, the preference.
        low, high: a confidence sequence for the lift: it holds at all looks together.
        p: always valid, against no difference.
        corrected: the same by Holm over all metrics and arms.
    """

    metric: str
    variant: str
    control: float | None = None
    value: float | None = None
    lift: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    corrected: float | None = None


class Obstacle(msgspec.Struct, frozen=True):
    """Why nothing is known of a metric.

    Attributes:
        obstacle: `no_scenario`, `few_users`, `not_counted`, `no_outcome`, `none_of_control` or `all_alike`
            (docs/trials.md).
        metric: it is of; `preference` = of interleaved arms.
        says: what it is, and what to do.
    """

    obstacle: str
    metric: str
    says: str


class Counted(msgspec.Struct, frozen=True):
    """What was counted of an experiment, and what the statistics say. null = not known yet.

    Attributes:
        ts: when a worker reported it, seconds since the epoch.
        outcomes: by arm and outcome: users, slates shown, clicks and so on (docs/trials.md).
        lifts: the primary metric first; from 100 users of each arm on.
        sample_ratio: always-valid p-value of the planned shares; below 0.001 nothing else can be believed.
        needed_users: for the smallest difference that is worth having, in all arms together.
        days_left: until they are there, and the minimum runtime is over.
        obstacles: why nothing is known of its metrics, those of the primary one first; of a live experiment.
        rankers: by arm that ranks by itself: what was judged, beside the engine's own ranker (docs/metrics.md).
    """

    ts: float
    outcomes: Mapping[str, Mapping[str, float]]
    lifts: Sequence[Lift] = ()
    sample_ratio: float | None = None
    needed_users: float | None = None
    days_left: float | None = None
    obstacles: Sequence[Obstacle] = ()
    rankers: Mapping[str, Mapping[str, float]] = {}


class ExperimentStatus(ExperimentRecord, frozen=True):
    """An experiment as it is now.

    Attributes:
        offset, ts, by, note, share, experiment: as `ExperimentRecord`, of the last decision.
        counted: null = no worker tells anything of it.
        history: all decisions, oldest first, as far as the log has them.
    """

    counted: Counted | None
    history: Sequence[ExperimentRecord]


class Moved(msgspec.Struct, frozen=True):
    """An experiment that was moved to another state.

    Attributes:
        offset: of the decision on `control`.
        state: it is in.
        share: of the layer's users, those who are in it.
    """

    offset: int
    state: State
    share: float
