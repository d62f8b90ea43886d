"""`stream-rec bench pipeline --trials`: what experiments and chance cost the whole pipeline.

The same events through the same worker, in turns: once as it is, and once with three arms (one with a scenario and one
with a ranker of its own), a shadow with a ranker of its own, and exploration in every slate.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from stream_rec.bench.bench_log import BenchLog
from stream_rec.bench.harness import Figures, Say, calibration_ms, in_turns, medians
from stream_rec.bench.pipeline import MAX_EVENTS, WARM_UP_EVENTS, enough, own_partitions, run_ours
from stream_rec.clock import SystemClock
from stream_rec.schemas.records import Control
from stream_rec.settings import Settings

WITHOUT, WITH = "without trials", "with trials"
_AGO_SECONDS = 60.0
"""The experiments have begun before the first event, so that their rankers take part from there on."""
_WORST = ("lost", "committed_lag")


def decisions(now: float) -> list[Control]:
    """Exploration in the default scenario, an experiment of three arms, and a shadow.

    Args:
        now: seconds.
    """
    began = now - _AGO_SECONDS
    live = {"state": "running", "started": began}
    three = [
        {"name": "control"},
        {"name": "bold", "scenario": {"exploration": {"share": 0.2}}},
        {"name": "eager", "learning_rate": 2.0},
    ]
    shadow = [{"name": "control"}, {"name": "calm", "learning_rate": 0.5}]
    return [
        Control("scenario", "default", began, {"exploration": {"share": 0.1}}),
        Control("experiment", "three", began, {"arms": three, **live}),
        Control("experiment", "shadow", began, {"arms": shadow, "kind": "shadow", **live}),
    ]


def run(settings: Settings, say: Say, *, repeats: int, min_seconds: float) -> Figures:
    """Choose how many events a run takes, and run both in turns.

    `trials_arm_examples` says that the rankers of arms took part.

    Args:
        settings: as for a worker; addresses in it are not used.
        say: takes progress.
        repeats: of each.
        min_seconds: that a run is to take.

    Returns:
        `trials_ratio`, the median of the rounds' ratios of events per second with trials over without; medians of both,
        those with trials as `trials_*`; `lost` and `committed_lag` of the worst run of either.
    """
    settings = own_partitions(settings)
    log = BenchLog.first(MAX_EVENTS, settings.data)
    say(f"events: {log.name}; calibration kernel {calibration_ms():.0f} ms; warming up")
    rate = run_ours(settings, log.head(WARM_UP_EVENTS))["events_per_s"]
    log = log.head(enough(rate, min_seconds))
    say(f"{len(log.frame):,} events a run")
    arms = {
        WITHOUT: lambda: run_ours(settings, log),
        WITH: lambda: run_ours(settings, log, decisions(SystemClock().now())),
    }
    results = in_turns(arms, repeats, say)
    figures = summary(results[WITHOUT], results[WITH])
    return figures | {"data": log.name, "repeats": repeats, "calibration_ms": calibration_ms()}


def summary(without: Sequence[Mapping[str, float]], trials: Sequence[Mapping[str, float]]) -> Figures:
    """The figures of runs in turns; see `run`."""
    rounds = zip(trials, without, strict=True)
    ratio = statistics.median(own["events_per_s"] / other["events_per_s"] for own, other in rounds)
    figures: Figures = {"trials_ratio": ratio}
    figures |= medians(without)
    figures |= {f"trials_{name}": value for name, value in medians(trials).items()}
    return figures | {key: max(run[key] for run in (*without, *trials)) for key in _WORST}
