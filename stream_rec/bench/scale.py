"""`stream-rec bench scale`: what an event costs one, two and three workers, against the formula `r + W*l`.

Every worker learns the whole log and makes slates for its part of it, so W workers together spend `r + W*l` on an
event: `l` is what a worker spends on an event that it only follows, `r` what its owner spends besides. Both come from
the runs with one and two workers; the run with three is predicted, and compared.

Events come at a steady rate, but in lots: evenly spaced, a worker with less to do would take smaller batches and so
spend more on each event, and the runs could not be compared. What a worker spends in a second without any event is
measured in the same run, right after the traffic, and taken out. Lists of similar items are not written: what they cost
is so much a second, by a setting, and goes on for a while after the traffic.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from stream_rec.bench.bench_log import BenchLog
from stream_rec.bench.harness import Figures, Say, calibration_ms, in_turns, medians
from stream_rec.bench.workers import Workers
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.embedded.stack import start_stack, without_addresses
from stream_rec.errors import Unavailable
from stream_rec.producers.feed.feed import Feed
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.settings import Settings

WORKERS = (1, 2, 3)
PARTITIONS = 6
"""So that one, two and three workers own as many each."""
LOTS_PER_SECOND = 4.0
_BEHIND_SECONDS = 2.0
_NO_LISTS = ("--set", "store.similar_per_second=0")


@dataclass(frozen=True, slots=True)
class InLots:
    """So many events a second, in `LOTS_PER_SECOND` lots; a pace of `stream_rec.producers.feed.pace`.

    Args:
        rate: events per second, > 0.
    """

    rate: float

    def due(self, n: int, ts: float) -> float:  # noqa: ARG002 - what a Pace is asked
        """All of a lot together."""
        return int(n * LOTS_PER_SECOND / self.rate) / LOTS_PER_SECOND


class Plan(NamedTuple):
    """What a run goes through, in this order.

    Attributes:
        rate: events per second while it is measured.
        seconds: measured, at that rate.
        preload: events handled at full speed before, so that there is something to rank.
        settle_seconds: at the rate, before it is measured.
        idle_seconds: without an event, measured too.
        backlog: events that come at once at the end, and are timed by the clock on the wall.
    """

    rate: float
    seconds: float
    preload: int = 50_000
    settle_seconds: float = 5.0
    idle_seconds: float = 10.0
    backlog: int = 40_000

    @property
    def settling(self) -> int:
        """Events before those that are measured."""
        return int(self.rate * self.settle_seconds)

    @property
    def measured(self) -> int:
        """Events that are measured."""
        return int(self.rate * self.seconds)

    @property
    def events(self) -> int:
        """All of a run."""
        return self.preload + self.settling + self.measured + self.backlog


def run(settings: Settings, say: Say, plan: Plan, *, repeats: int) -> Figures:
    """Run one, two and three workers in turns.

    Args:
        settings: as for a worker; addresses in it are not used.
        say: takes progress.
        plan: of each run.
        repeats: of each number of workers.

    Raises:
        Unavailable: the rate is above what the workers can do here, so it says nothing about their cost.
    """
    settings = own_partitions(settings)
    log = BenchLog.first(plan.events, settings.data)
    say(f"events: {log.name}, {plan.rate:g}/s; calibration kernel {calibration_ms():.0f} ms")
    arms = {name(n): partial(measure, settings, log, n, plan) for n in WORKERS}
    results = in_turns(arms, repeats, say)
    more: Figures = {"rate": plan.rate, "events": plan.measured, "data": log.name, "repeats": repeats}
    return summary(results) | more | {"calibration_ms": calibration_ms()}


def name(n_workers: int) -> str:
    """Of an arm."""
    return f"{n_workers} worker" + "s" * (n_workers > 1)


def own_partitions(settings: Settings) -> Settings:
    """`PARTITIONS` partitions, no addresses."""
    bus = settings.bus.model_copy(update={"partitions": PARTITIONS})
    return without_addresses(settings.model_copy(update={"bus": bus}))


def summary(results: Mapping[str, Sequence[Mapping[str, float]]]) -> Figures:
    """`l`, `r` and the prediction from the medians of each number of workers.

    Returns:
        l_us, r_us: microseconds per event.
        predicted_us_w3, prediction_error: of the cost of three workers; the error is a share of what was measured.
        cpu_us_w1, cpu_us_w2, cpu_us_w3: of all workers together, per event of the log.
        idle_us_per_s: of one worker.
        wall_ratio, wall_ratio_w3: how many times sooner two and three workers are through a backlog than one.
        behind: events not yet served at the end of the measured time, the most.
    """
    one, two, three = (medians(results[name(n)]) for n in WORKERS)
    follow = two["cpu_us"] - one["cpu_us"]
    own = one["cpu_us"] - follow
    predicted = own + 3 * follow
    return {
        "l_us": follow,
        "r_us": own,
        "prediction_error": abs(predicted - three["cpu_us"]) / three["cpu_us"],
        "predicted_us_w3": predicted,
        **{f"cpu_us_w{n}": arm["cpu_us"] for n, arm in zip(WORKERS, (one, two, three), strict=True)},
        "idle_us_per_s": medians([one, two, three])["idle_us_per_s"],
        "wall_ratio": one["backlog_s"] / two["backlog_s"],
        "wall_ratio_w3": one["backlog_s"] / three["backlog_s"],
        "behind": max(run["behind"] for runs in results.values() for run in runs),
    }


def measure(settings: Settings, log: BenchLog, n_workers: int, plan: Plan) -> dict[str, float]:
    """One run with so many workers.

    Returns:
        cpu_us: per event, of all workers together, without what they spend when nothing comes.
        idle_us_per_s: what one of them spends when nothing comes.
        behind: events not yet served at the end of the measured time.
        backlog_s: until the backlog was served.
    """
    settling, measured = plan.preload, plan.preload + plan.settling
    with start_stack(settings) as stack:
        ensure_topics(stack.settings.bus)
        with (
            Workers(stack.settings, n_workers, _NO_LISTS) as workers,
            Publisher(stack.settings.bus, stack.settings.ingest) as publisher,
        ):
            workers.wait_until_ready()
            log.head(plan.preload).publish(publisher)
            workers.wait_until_served(plan.preload)
            workers.wait_until_learned(plan.preload)
            Feed(publisher, pace=InLots(plan.rate)).run(log.part(settling, plan.settling).rows())
            rows = log.part(measured, plan.measured).rows()
            before = workers.cpu_seconds()
            seconds = Feed(publisher, pace=InLots(plan.rate)).run(rows).seconds
            busy = workers.cpu_seconds() - before
            behind = measured + plan.measured - workers.served()
            if behind > _BEHIND_SECONDS * plan.rate:
                raise Unavailable(
                    "workers", f"{name(n_workers)} cannot do {plan.rate:g}/s here: lower the rate"
                )
            workers.wait_until_served(measured + plan.measured)
            workers.wait_until_learned(measured + plan.measured)
            idle = _idle(workers, plan.idle_seconds)
            backlog_s = _through(workers, publisher, log.part(plan.events - plan.backlog, plan.backlog), plan)
    return {
        "cpu_us": (busy - idle * seconds) / plan.measured * 1e6,
        "idle_us_per_s": idle / n_workers * 1e6,
        "behind": behind,
        "backlog_s": backlog_s,
    }


def _idle(workers: Workers, seconds: float) -> float:
    """Share of a processor that all workers together need when nothing comes."""
    before, began = workers.cpu_seconds(), time.monotonic()
    time.sleep(seconds)
    return (workers.cpu_seconds() - before) / (time.monotonic() - began)


def _through(workers: Workers, publisher: Publisher, backlog: BenchLog, plan: Plan) -> float:
    clock = SystemClock()
    began = clock.monotonic()
    backlog.publish(publisher)
    workers.wait_until_served(plan.events)
    return clock.monotonic() - began
