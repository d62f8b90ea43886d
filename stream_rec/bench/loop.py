"""`stream-rec bench loop`: a shop that reacts to what it is shown. Is it served better, is a change found and learned?

Three parts. *Trial*: shoppers are dealt out to the arms of an experiment, whose slates are ours, what is popular, or
drawn at random; what they click is theirs to say. *Shift*: all of them get our slates, and at a known moment every
shopper's tastes become others. *Stationary*: hits that come in runs (a Markov chain), with a season and without,
through the drift detector alone. Engine, slates, attribution and detector are a worker's, in this process.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.bench.drift import alarms
from stream_rec.bench.harness import Figures, Say
from stream_rec.bench.loop_shop import Slates, Tally, acting
from stream_rec.bench.loop_worker import LoopWorker
from stream_rec.kernels.trial_state import OUTCOMES
from stream_rec.producers.simulate.shop import ShopPlan
from stream_rec.schemas.records import Control
from stream_rec.settings import Settings

OURS, POPULAR, RANDOM = "ours", "popular", "random"
ARMS: tuple[dict[str, Any], ...] = (
    {"name": OURS},
    {"name": POPULAR, "scenario": {"logic": "popular"}},
    {"name": RANDOM, "scenario": {"exploration": {"share": 1.0, "among": "all"}}},
)
EXPERIMENT = "loop"
SHIFT_SHARE = 0.6
"""Of the time that the events would take if nobody were bored: when tastes shift."""
WINDOW = 2_500
"""Events whose slates are one value of quality."""
BEFORE = 20_000
"""Events before the shift that say how good slates were."""
LEAST_RATIO, RECOVERED, SOON, LATE = 1.5, 0.95, 5_000, 50_000
RUNS = (0.0, 0.5, 0.8, 0.9)
"""How much a hit says about the next one: the correlation of neighbours. At .8 the variance of a mean is ninefold."""
MEAN = 0.3

Rates = NDArray[np.float64]


class Plan(NamedTuple):
    """How much happens.

    Attributes:
        users: shoppers.
        events: of the trial, and of the part with the shift.
        hits: of each stationary stream.
        seed: of everything.
    """

    users: int = 2_000
    events: int = 200_000
    hits: int = 1_000_000
    seed: int = 1

    @property
    def shop(self) -> ShopPlan:
        """2,000 shoppers make four events a second: a hundred of each in fourteen hours."""
        rate = self.users / 500
        return ShopPlan(n_users=self.users, seed=self.seed, events_per_second=rate, pause_seconds=90.0)


def run(settings: Settings, say: Say, plan: Plan) -> Figures:
    """Run the three parts.

    Args:
        settings: as for a worker; addresses in it are not used.
        say: takes progress.
        plan: how much happens.

    Returns:
        Of the trial: `ctr_ratio_popular`, `ctr_ratio_random`, clicks by slate of our arm over the other's, as shoppers
        say; `counted_*`, as the experiment's table says; `regret`, clicks by slate that ours lose against slates made
        by somebody who knows all tastes. Of the shift: `alarm_after`, `recovered_after`, events until the detector
        says so, and until slates are as good as before but for a twentieth (NaN = never); `false_alarms_loop`, other
        falls that were found. Of the stationary streams: `false_alarms`, the most in any one. `holds`: is all as it
        should be?
    """
    found = _trial(settings, say, plan) | _shift(settings, say, plan) | _stationary(settings, say, plan)
    holds = (
        found["ctr_ratio_popular"] >= LEAST_RATIO
        and found["alarm_after"] <= SOON
        and found["recovered_after"] <= LATE
        and found["false_alarms"] <= 1
        and found["false_alarms_loop"] == 0
    )
    return {"holds": bool(holds), **found, "users": plan.users, "events": plan.events, "hits": plan.hits}


def _trial(settings: Settings, say: Say, plan: Plan) -> dict[str, float]:
    worker, tally, shop = LoopWorker(settings), Tally(), plan.shop
    body = {"arms": list(ARMS), "state": "running", "started": shop.start_ts}
    worker.publish([Control("experiment", EXPERIMENT, shop.start_ts, body)], shop.start_ts)
    for _ in acting(shop, worker, plan.events, tally):
        _report(say, "trial", tally, plan)
    slates = tally.slates()
    of_arms = {name: slates.only(slates.arm == name) for name in (OURS, POPULAR, RANDOM)}
    clicks = {name: float(each.clicked.mean()) for name, each in of_arms.items()}
    counted = _counted(worker)
    ours = of_arms[OURS]
    sampled = ours.only(np.isfinite(ours.best))
    lost = sampled.best - sampled.likely
    return {
        "ctr_ratio_popular": clicks[OURS] / clicks[POPULAR],
        "ctr_ratio_random": clicks[OURS] / clicks[RANDOM],
        "regret": float(lost.mean()),
        "regret_last_quarter": float(lost[len(lost) * 3 // 4 :].mean()),
        "ctr_best": float(sampled.best.mean()),
        **{f"ctr_{name}": rate for name, rate in clicks.items()},
        "counted_ratio_popular": counted[OURS] / counted[POPULAR],
        "counted_ratio_random": counted[OURS] / counted[RANDOM],
        "slates_ours": len(ours.at),
    }


def _counted(worker: LoopWorker) -> dict[str, float]:
    """Clicks by slate as the experiment's table has them, by arm."""
    found = worker.engine.attribution.trials.totals(EXPERIMENT)
    assert found is not None
    sums = found[1].sum(axis=1)
    click, shown = (sums[:, OUTCOMES.index(outcome)] for outcome in ("click", "shown"))
    return dict(zip(found[0], (click / shown).tolist(), strict=True))


def _shift(settings: Settings, say: Say, plan: Plan) -> dict[str, float]:
    worker, tally = LoopWorker(settings), Tally()
    seconds = SHIFT_SHARE * plan.events / plan.shop.events_per_second
    shop, shifted = replace(plan.shop, shifts=(seconds,)), plan.events
    for event in acting(shop, worker, plan.events, tally):
        _report(say, "shift", tally, plan)
        if event.ts < shop.start_ts + seconds:
            shifted = tally.n_events
    say(f"shift: tastes became others after {shifted:,} events; falls found after {worker.drops}")
    slates = tally.slates()
    quality = recovery(slates, shifted)
    after = [drop - shifted for drop in worker.drops if drop > shifted]
    return {
        "alarm_after": min(after, default=float("nan")),
        **quality,
        "false_alarms_loop": len(worker.drops) - min(len(after), 1),
        "rises_loop": worker.n_rises,
        "shifted_after": shifted,
    }


def recovery(slates: Slates, shifted: int) -> dict[str, float]:
    """How far slates fall behind at a shift, and for how long, by the chance that something of them is clicked.

    Args:
        slates: that were looked at.
        shifted: events before the shift.

    Returns:
        `quality_before`, over the last `BEFORE` events; `quality_lowest`, of any `WINDOW` events from the shift on;
        `recovered_after`, events from the shift to the end of the first such window, behind the lowest one, that is
        as good as before but for a twentieth; NaN = there is none, 0 = it never fell so far.
    """
    before = float(slates.likely[(slates.at >= shifted - BEFORE) & (slates.at < shifted)].mean())
    last = int(slates.at[-1]) if len(slates.at) else 0
    starts = np.arange(shifted, last - WINDOW + 1, WINDOW // 5)
    first, end = np.searchsorted(slates.at, starts), np.searchsorted(slates.at, starts + WINDOW)
    upto = np.concatenate([[0.0], np.cumsum(slates.likely)])
    levels = (upto[end] - upto[first]) / np.maximum(end - first, 1)
    lowest = int(np.argmin(levels))
    good = np.flatnonzero(levels[lowest:] >= RECOVERED * before)
    recovered = float(starts[lowest + good[0]] + WINDOW - shifted) if len(good) else float("nan")
    return {
        "recovered_after": 0.0 if levels[lowest] >= RECOVERED * before else recovered,
        "quality_before": before,
        "quality_lowest": float(levels[lowest]),
        "quality_at_the_end": float(levels[-1]),
    }


def _stationary(settings: Settings, say: Say, plan: Plan) -> dict[str, float]:
    counted = []
    for name, rates in seasons(plan.hits).items():
        found = [len(alarms(settings.measure.drift_delta, markov(rates, each, plan.seed))) for each in RUNS]
        say(f"stationary, {name}: alarms at a correlation of {RUNS}: {found}")
        counted.extend(found)
    return {
        "false_alarms": max(counted),
        "false_alarms_all": sum(counted),
        "stationary_streams": len(counted),
    }


def seasons(hits: int) -> dict[str, Rates]:
    """Rates by hit: one level; a swing such as that of a day; nights, a third of each day."""
    at = np.arange(hits)
    return {
        "one level": np.full(hits, MEAN),
        "a sine of 50,000 hits": MEAN * (1 + 0.2 * np.sin(2 * np.pi * at / 50_000)),
        "nights of 10,000 in 30,000 hits": np.where(at % 30_000 >= 20_000, MEAN - 0.05, MEAN),
    }


def markov(rates: Rates, correlation: float, seed: int) -> Rates:
    """Hits of a chain of two states: with probability `correlation` what the one before was, else by its rate."""
    chance = np.random.default_rng([seed, round(correlation * 1000)])
    fresh = chance.random(len(rates)) < rates
    is_fresh = chance.random(len(rates)) >= correlation
    is_fresh[0] = True
    last = np.maximum.accumulate(np.where(is_fresh, np.arange(len(rates)), 0))
    return fresh[last].astype(np.float64)


def _report(say: Say, part: str, tally: Tally, plan: Plan) -> None:
    if tally.n_events % max(1, plan.events // 5) == 0:
        say(f"{part}: {tally.n_events:,} of {plan.events:,} events")
