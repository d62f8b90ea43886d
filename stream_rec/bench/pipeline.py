"""`stream-rec bench pipeline`: the whole way of the data against a plain Faust agent that does nothing.

Both arms read the same events from the same kind of broker, which hold all of them before the clock starts; the clock
runs from the first events handled to the last. An arm takes at least `MIN_EVENTS` events and `MIN_SECONDS`.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from stream_rec.bench.bench_log import BenchLog
from stream_rec.bench.harness import Figures, Say, calibration_ms, in_turns, medians
from stream_rec.bench.scrape import Scrape
from stream_rec.bench.verify import verify
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.embedded.server import free_port
from stream_rec.embedded.stack import start_stack, without_addresses
from stream_rec.embedded.worker import WorkerProcess
from stream_rec.errors import Unavailable
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.records import Control
from stream_rec.schemas.topics import full_name
from stream_rec.settings import Settings
from stream_rec.telemetry.series import STAGES

MIN_EVENTS = 200_000
MIN_SECONDS = 30.0
MARGIN = 1.6
WARM_UP_EVENTS = 30_000
REPEATS = 3
PARTITIONS = 4
MAX_EVENTS = 2_500_000
_POLL_SECONDS = 0.2
_STALL_SECONDS = 120.0
_PLAIN_SECONDS = 1800.0
_WORST = ("lost", "committed_lag")

Run = dict[str, float]


def run(settings: Settings, say: Say, *, repeats: int = REPEATS, min_seconds: float = MIN_SECONDS) -> Figures:
    """Warm both arms up, choose how many events each takes, and run them in turns.

    Args:
        settings: as for a worker; addresses in it are not used.
        say: takes progress.
        repeats: of each arm.
        min_seconds: that an arm is to take.

    Returns:
        Medians; `lost` and `committed_lag` of the worst run; `ratio` is the median of the rounds' ratios.
    """
    settings = own_partitions(settings)
    log = BenchLog.first(MAX_EVENTS, settings.data)
    say(f"events: {log.name}; calibration kernel {calibration_ms():.0f} ms; warming up")
    warm = log.head(WARM_UP_EVENTS)
    plain_log = log.head(enough(run_plain(settings, warm)["events_per_s"], min_seconds))
    own_log = log.head(enough(run_ours(settings, warm)["events_per_s"], min_seconds))
    say(f"plain Faust takes {len(plain_log.frame):,} events, ours {len(own_log.frame):,}")
    arms = {
        "plain Faust": lambda: run_plain(settings, plain_log),
        "ours": lambda: run_ours(settings, own_log),
    }
    results = in_turns(arms, repeats, say)
    plain, ours = results["plain Faust"], results["ours"]
    return _summary(plain, ours) | {"data": log.name, "repeats": repeats, "calibration_ms": calibration_ms()}


def _summary(plain: list[Mapping[str, float]], ours: list[Mapping[str, float]]) -> Figures:
    middle, yardstick = medians(ours), medians(plain)
    rounds = zip(ours, plain, strict=True)
    ratio = statistics.median(own["events_per_s"] / other["events_per_s"] for own, other in rounds)
    figures: Figures = {
        "events_per_s": middle["events_per_s"],
        "plain_faust_events_per_s": yardstick["events_per_s"],
        "ratio": ratio,
        "plain_faust_events": yardstick["events"],
        "plain_faust_seconds": yardstick["seconds"],
    }
    return figures | middle | {key: max(run[key] for run in ours) for key in _WORST}


def own_partitions(settings: Settings) -> Settings:
    """The settings of both arms: `PARTITIONS` partitions, no addresses."""
    bus = settings.bus.model_copy(update={"partitions": PARTITIONS})
    return without_addresses(settings.model_copy(update={"bus": bus}))


def enough(events_per_s: float, min_seconds: float) -> int:
    """Events that take at least so long at such a rate."""
    return min(MAX_EVENTS, max(MIN_EVENTS, int(events_per_s * min_seconds * MARGIN)))


def run_plain(settings: Settings, log: BenchLog) -> Run:
    """Plain Faust, once: events per second, events, seconds."""
    with start_stack(settings) as stack:
        bus = stack.settings.bus
        n = _publish(stack.settings, log)
        argv = [sys.executable, "-m", "stream_rec.bench.plain_faust"]
        argv += [bus.bootstrap, full_name(bus.prefix, "events"), str(n)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_PLAIN_SECONDS, check=False)
    if done.returncode:
        raise Unavailable("plain Faust", done.stderr[-2000:])
    seconds = json.loads(done.stdout)["seconds"]
    return {"events_per_s": n / seconds, "events": n, "seconds": seconds}


def run_ours(settings: Settings, log: BenchLog, decisions: Sequence[Control] = ()) -> Run:
    """Our worker, once, under these decisions.

    `lost`: events that the engine did not learn, and users whose slate does not know their last event, both counted
    against the log itself. `fresh_share`: events that were asked for before they were learned. `arm_examples`: those
    that rankers of arms have learned. `us_*`: per event.
    """
    with start_stack(settings) as stack:
        n = _publish(stack.settings, log, decisions)
        port = free_port()
        worker = WorkerProcess(stack.settings, ["--set", f"measure.prometheus_port={port}"])
        try:
            rate, seconds, after = _timed(worker, port, n)
        finally:
            exit_code = worker.stop()
        found = verify(stack.settings)
    learned, slates = after.sum("events_learned_total"), after.sum("slates_written_total")
    stages = {f"us_{stage}": after.sum("stage_seconds_sum", stage=stage) / n * 1e6 for stage in STAGES}
    return {
        "events_per_s": rate,
        "events": n,
        "seconds": seconds,
        "slates_per_s": rate * slates / n,
        "slates_per_event": slates / n,
        "lost": found.n_events - learned + found.n_behind,
        "committed_lag": found.committed_lag,
        "fresh_share": after.sum("fresh_hit_rate_count", source="blended") / n,
        "arm_examples": after.sum("experiment_ranker", figure="judged"),
        "exit_code": exit_code,
        **stages,
    }


def _publish(settings: Settings, log: BenchLog, decisions: Sequence[Control] = ()) -> int:
    ensure_topics(settings.bus)
    with Publisher(settings.bus, settings.ingest) as publisher:
        publisher.publish_all(decisions)
        return log.publish(publisher)


def _timed(worker: WorkerProcess, port: int, n_events: int) -> tuple[float, float, Scrape]:
    """Events per second between the first and the last events done, the seconds, and the counters at the end."""
    clock = SystemClock()
    news_at = clock.monotonic()
    idle, first, last_n = (news_at, 0.0), None, 0.0
    while True:
        worker.check()
        try:
            scrape = Scrape(port)
        except OSError:  # it compiles, or joins the group
            news_at = clock.monotonic()
            time.sleep(_POLL_SECONDS)
            continue
        now, n = clock.monotonic(), scrape.sum("events_learned_total")
        if not n:
            idle = (now, 0.0)
        elif first is None:
            # So few events that they were done between two looks are timed from the look that saw none.
            first = (now, n) if n < n_events else idle
        if first is not None and n >= n_events:
            return (n - first[1]) / (now - first[0]), now - first[0], scrape
        if n > last_n:
            last_n, news_at = n, now
        if now - news_at > _STALL_SECONDS:
            raise Unavailable("worker", f"it stands still at {n:,.0f} events", waited_seconds=_STALL_SECONDS)
        time.sleep(_POLL_SECONDS)
