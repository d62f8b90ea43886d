"""`make batch-demo`: a log, the sink, ALS on Spark, a run of MLflow, a vector space, slates, and a shadow arm.

Some users were there before the log began: their events stand in the sink's files alone. The training writes them
slates, which stand until their first event in the log.

The live engine leaves vector spaces out (`engine.sources`), so nobody is shown anything of the challenger: a shadow arm
beside it hears the new space, and is judged on the same events.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl

from bench.sink_files import write_file
from stream_rec.batch import als, publishing, slates, source, spark, tracking
from stream_rec.bench.bench_log import BenchLog
from stream_rec.bench.harness import Figures
from stream_rec.bus.lag import OffsetReader
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.embedded.stack import start_stack, without_addresses
from stream_rec.embedded.worker import WorkerProcess
from stream_rec.engine.arms.ranker import HITS_AT
from stream_rec.engine.steering.decisions import MARGIN_MS
from stream_rec.errors import Unavailable
from stream_rec.offline.datasets.first_events import FirstEvents
from stream_rec.offline.datasets.named import names, open_source
from stream_rec.producers.experiments.experiments import Experiments
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.decisions import hash_of
from stream_rec.schemas.experiment import Arm, Experiment
from stream_rec.schemas.records import Interaction
from stream_rec.serve.client import Client
from stream_rec.serve.experiments import counted
from stream_rec.serve.wishes import Recommendations
from stream_rec.settings import DataSettings, Settings, load
from stream_rec.sink.sink import Sink
from stream_rec.sources.features import SPACES, SWITCHES
from stream_rec.store.reader import Reader

MOVIELENS, EVENTS = "movielens-100k", 100_000
PAST = 0.8
"""Share of the events that ALS is fitted on; the others come when the challenger is there."""
SPACE = "als"
EARLIER_OF = 10
"""One user in so many was there before the log."""
WAIT_SECONDS = 300.0
REPORT_SECONDS = 3.0
"""A worker reports every second."""
Say = Callable[[str], None]


def main() -> None:
    """Run it, and say what each step took."""
    settings, _ = load()
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {line}", flush=True)

    run(settings, _log(settings.data), say)


def run(settings: Settings, log: BenchLog, say: Say) -> Figures:
    """The way of a log's events; addresses in the settings are not used.

    Returns:
        By arm, `live` and `als`: `hit_rate_ARM` and `mrr_ARM` over the `judged` events.

    Raises:
        Unavailable: a server or a step does not come to its end.
    """
    with (
        tempfile.TemporaryDirectory(prefix="batch-demo-") as folder,
        start_stack(without_addresses(settings)) as stack,
    ):
        sink = settings.sink.model_copy(update={"url": f"{folder}/log", "topics": ("events",), "options": {}})
        ours = stack.settings.model_copy(update={"sink": sink})
        ensure_topics(ours.bus)
        n_past = int(PAST * len(log.frame))
        past, earlier = _divided(log.head(n_past))
        _publish(ours, past)
        write_file(sink, earlier, 0, "earlier")
        say(f"{len(past.frame):,} of {len(log.frame):,} events of {log.name} are in the log")
        without = [name for name in SWITCHES if name != SPACES]
        worker = WorkerProcess(ours, ["--set", f"engine.sources={json.dumps(without)}"])
        try:
            version = _train(ours, Path(folder), len(past.frame), worker, say)
            _come_back(ours, earlier.row(0, named=True), float(past.frame["ts"][-1]), say)
            _start_shadow(ours, version)
            say(f"shadow arm {SPACE}: it hears the space; the live engine does not")
            _publish(ours, log.part(n_past, len(log.frame) - n_past))
            _caught_up(ours)
            time.sleep(REPORT_SECONDS)
            return _report(ours, say)
        finally:
            worker.stop()


def _divided(log: BenchLog) -> tuple[BenchLog, pl.DataFrame]:
    """What comes in the log, and the events of every EARLIER_OF-th user, which came before it."""
    is_earlier = pl.Series([hash_of(user) % EARLIER_OF == 0 for user in log.frame["user_id"]])
    return BenchLog(log.name, log.frame.filter(~is_earlier)), log.frame.filter(is_earlier)


def _train(settings: Settings, folder: Path, n: int, worker: WorkerProcess, say: Say) -> str:
    """Sink, Spark, MLflow, vector space, slates; the version of the model."""
    say(f"sink: {_written(settings, n):,} events in Parquet")
    events, asked = source.of_sink(settings), slates.ask(settings, ["default"])
    with spark.session(memory="2g") as session:
        say("Spark runs")
        rows = asked.people.applied(session.read.parquet(*events.paths))
        trained = als.train(rows, settings.engine.event_types, als.Plan())
        say("ALS: " + ", ".join(f"{name} {value:,.4g}" for name, value in trained.metrics.items()))
        url = f"sqlite:///{folder / 'mlflow.db'}"
        made = tracking.record(trained, {"data_digest": events.digest}, url=url, model=SPACE)
        say(f"MLflow: run {made.run_id}, version {made.version} is {tracking.CHALLENGER}")
        n_vectors = publishing.publish(trained, settings, SPACE)
        say(f"{n_vectors:,} vectors of the space {SPACE} are in the topic `vectors`")
        worker.wait_until_ready()
        _caught_up(settings)
        found = slates.write(trained, settings, asked, model=f"{SPACE}@{events.digest}")
        say(f"slates of default: {found.in_words}")
    return made.version


def _come_back(settings: Settings, had: Mapping[str, Any], ts: float, say: Say) -> None:
    """A user from before reads the batch's slate, does something at `ts`, and has a slate of the stream."""
    user = had["user_id"]
    with Client(settings.store) as client, Publisher(settings.bus, settings.ingest) as publisher:
        found = client.recommendations(user, k=5)
        if found.slate is None or not found.slate.as_of.is_of_batch:
            raise Unavailable("redis", f"user {user} has no slate of the batch")
        say(f"user {user}, unknown to the stream, is shown a slate of {found.slate.model}: {_shown(found)}")
        ack = publisher.publish(Interaction(user, had["item_id"], "click", ts))
        found = client.recommendations(user, k=5, after=ack, timeout_seconds=WAIT_SECONDS)
        if found.stale or found.slate is None or found.slate.as_of.is_of_batch:
            raise Unavailable(
                "worker", f"user {user} has no slate of the stream", waited_seconds=WAIT_SECONDS
            )
        say(f"after the user's first event a live slate stands in its place: {_shown(found)}")


def _shown(found: Recommendations) -> str:
    return ", ".join(item.item_id for item in found.items)


def _start_shadow(settings: Settings, version: str) -> None:
    """An arm that is judged from the first event on that the broker takes when this returns."""
    challenger = Arm(SPACE, sources=SWITCHES, description=f"MLflow: {SPACE}, version {version}")
    experiments = Experiments(settings)
    experiments.apply({SPACE: Experiment((Arm("live"), challenger), kind="shadow")})
    Experiments(settings).move(SPACE, "start")
    time.sleep(MARGIN_MS / 1000 + 0.5)


def _report(settings: Settings, say: Say) -> Figures:
    with closing(Reader(settings.store)) as reader:
        found = counted(SPACE, Experiments(settings).one(SPACE).experiment, reader.last_values())
    if found is None or not found.rankers.get(SPACE, {}).get("judged"):
        raise Unavailable("worker", "it tells nothing of the shadow arm", waited_seconds=REPORT_SECONDS)
    of = found.rankers[SPACE]
    n = of["judged"]
    say(f"judged on {n:,.0f} events that came after the training:")
    figures: Figures = {"judged": n}
    for name, hits, reciprocal in (("live", "main_hits", "main_reciprocal"), (SPACE, "hits", "reciprocal")):
        figures |= {f"hit_rate_{name}": of[hits] / n, f"mrr_{name}": of[reciprocal] / n}
        say(f"  {name:<5} hit_rate_at_{HITS_AT} {of[hits] / n:.4f}, mrr {of[reciprocal] / n:.4f}")
    return figures


def _log(data: DataSettings) -> BenchLog:
    if MOVIELENS in names(data):
        return BenchLog(MOVIELENS, FirstEvents.of(open_source(MOVIELENS, data), EVENTS).frame)
    return BenchLog.first(EVENTS, data)


def _publish(settings: Settings, log: BenchLog) -> None:
    with Publisher(settings.bus, settings.ingest) as publisher:
        log.publish(publisher)


def _caught_up(settings: Settings) -> None:
    """Return when the worker has taken in everything."""
    offsets, until = OffsetReader(settings.bus), time.monotonic() + WAIT_SECONDS
    while any(line.lag for line in offsets.lag(["events"])):
        if time.monotonic() > until:
            raise Unavailable("worker", "it does not come to the end", waited_seconds=WAIT_SECONDS)
        time.sleep(0.2)


def _written(settings: Settings, n: int) -> int:
    until = time.monotonic() + WAIT_SECONDS
    with closing(Sink(settings, SystemClock())) as sink:
        while sink.totals.records + sink.n_pending < n:
            sink.step()
            if time.monotonic() > until:
                raise Unavailable("sink", "it does not come to the end", waited_seconds=WAIT_SECONDS)
        sink.flush()
        return sink.totals.records


if __name__ == "__main__":
    main()
