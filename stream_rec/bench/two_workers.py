"""`stream-rec bench two-workers`: do two workers, each serving half of the log, rank as well as one that serves it all?

The same events come at the same rate to one worker, then to two. What is compared is the fresh prequential hit-rate:
the rank of an event's item just before the event was learned. Two workers differ from one only in how soon they know
what the other one serves. Which events are asked is a matter of their place in the log: both runs ask the same ones.
"""

from __future__ import annotations

from producers.feed import Feed
from producers.pace import PerSecond
from producers.publisher import Publisher
from stream_rec.bench.bench_log import BenchLog
from stream_rec.bench.harness import Figures, Say, calibration_ms, in_turns
from stream_rec.bench.verify import verify
from stream_rec.bench.workers import Workers
from stream_rec.bus.metric_points import read_points
from stream_rec.bus.topics import ensure_topics
from stream_rec.measure.points import total
from stream_rec.settings import Settings
from stream_rec.stack import start_stack, without_addresses

K = 20
PARTITIONS = 4


def run(settings: Settings, say: Say, *, events: int, rate: float) -> Figures:
    """One worker, then two.

    Args:
        settings: as for a worker; addresses in it are not used.
        say: takes progress.
        events: the first of the log.
        rate: events per second at most.

    Returns:
        hr_one, hr_two, relative_difference: hits / events asked, each summed over all metric points first.
        asked_one, asked_two: events asked.
        lost: as `measure`, of both runs.
    """
    settings = own_partitions(settings)
    log = BenchLog.first(events, settings.data)
    say(f"events: {log.name}, {len(log.frame):,}; calibration kernel {calibration_ms():.0f} ms")
    arms = {name: lambda n=n: measure(settings, log, n, rate) for n, name in ((1, "one"), (2, "two"))}
    results = in_turns(arms, 1, say)
    one, two = results["one"][0], results["two"][0]
    return {
        "hr_one": one["hit_rate"],
        "hr_two": two["hit_rate"],
        "relative_difference": abs(two["hit_rate"] - one["hit_rate"]) / one["hit_rate"],
        "asked_one": one["asked"],
        "asked_two": two["asked"],
        "events": len(log.frame),
        "lost": one["lost"] + two["lost"],
        "k": K,
        "rate": rate,
        "data": log.name,
        "calibration_ms": calibration_ms(),
    }


def own_partitions(settings: Settings) -> Settings:
    """`PARTITIONS` partitions, no addresses."""
    bus = settings.bus.model_copy(update={"partitions": PARTITIONS})
    return without_addresses(settings.model_copy(update={"bus": bus}))


def measure(settings: Settings, log: BenchLog, n_workers: int, rate: float) -> dict[str, float]:
    """One run with so many workers.

    Returns:
        hit_rate: fresh, at `K`; NaN if nothing was asked.
        asked: events.
        lost: events that a worker did not learn, or learned twice, and users whose slate does not know their last one.
    """
    with start_stack(settings) as stack:
        ensure_topics(stack.settings.bus)
        with Workers(stack.settings, n_workers, ["--set", f"measure.k={K}"]) as workers:
            workers.wait_until_ready()
            with Publisher(stack.settings.bus, stack.settings.ingest) as publisher:
                Feed(publisher, pace=PerSecond(rate)).run(log.rows())
            workers.wait_until_served(len(log.frame))
            workers.wait_until_learned(len(log.frame))
            learned = [workers.served(), *workers.learned()]
        found = verify(stack.settings)
        hits, asked = total(read_points(stack.settings.bus), "fresh_hit_rate", source="blended", k=str(K))
    wrong = sum(abs(found.n_events - n) for n in learned)
    return {
        "hit_rate": hits / asked if asked else float("nan"),
        "asked": asked,
        "lost": wrong + found.n_behind + found.committed_lag,
    }
