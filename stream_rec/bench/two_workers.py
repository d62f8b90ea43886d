"""`stream-rec bench two-workers`: do two workers, each serving half of the log, rank as well as one that serves it all?

The same events come at the same rate to one worker, then to two. What is compared is the fresh prequential hit-rate:
the rank of an event's item just before the event was learned. Two workers differ from one only in how soon they know
what the other one serves; the rate decides how many events that is. Which events are asked is a matter of their place
in the log: both runs ask the same ones.
"""

from __future__ import annotations

import statistics

from stream_rec.bench.bench_log import BenchLog
from stream_rec.bench.harness import Figures, Say, calibration_ms, in_turns
from stream_rec.bench.verify import verify
from stream_rec.bench.workers import Workers
from stream_rec.bus.metric_points import read_points
from stream_rec.bus.topics import ensure_topics
from stream_rec.embedded.stack import start_stack, without_addresses
from stream_rec.producers.feed.feed import Feed, Progress
from stream_rec.producers.feed.pace import PerSecond
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.settings import Settings
from stream_rec.telemetry.points import total

K = 20
PARTITIONS = 4
_LOOK_SECONDS = 2.0


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
        unknown_two: events of the other one's that each of the two did not know yet, mean of the times looked at.
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
        "unknown_two": two["unknown"],
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
        unknown: events that a worker only follows and did not know yet, mean of the times looked at.
        lost: events that a worker did not learn, or learned twice, and users whose slate does not know their last one.
    """
    with start_stack(settings) as stack:
        ensure_topics(stack.settings.bus)
        with Workers(stack.settings, n_workers, ["--set", f"measure.k={K}"]) as workers:
            workers.wait_until_ready()
            with Publisher(stack.settings.bus, stack.settings.ingest) as publisher:
                looks = _Looks(workers)
                Feed(publisher, pace=PerSecond(rate), on_progress=looks.look).run(log.rows())
            workers.wait_until_served(len(log.frame))
            workers.wait_until_learned(len(log.frame))
            learned = [workers.served(), *workers.learned()]
        found = verify(stack.settings)
        hits, asked = total(read_points(stack.settings.bus), "fresh_hit_rate", source="blended", k=str(K))
    wrong = sum(abs(found.n_events - n) for n in learned)
    return {
        "hit_rate": hits / asked if asked else float("nan"),
        "asked": asked,
        "unknown": looks.mean(),
        "lost": wrong + found.n_behind + found.committed_lag,
    }


class _Looks:
    """Looks from time to time how many events each worker only follows and has not learned yet."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._next = _LOOK_SECONDS
        self._found: list[float] = []

    def look(self, progress: Progress) -> None:
        """If it is time."""
        if progress.seconds >= self._next:
            self._next = progress.seconds + _LOOK_SECONDS
            self._found += [one.sum("follower_lag", topic="events") for one in self._workers.scrapes()]

    def mean(self) -> float:
        """Of all looks; 0 if there was none."""
        return statistics.fmean(self._found) if self._found else 0.0
