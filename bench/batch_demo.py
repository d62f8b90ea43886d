"""`make batch-demo`: a log, the sink, ALS on Spark, a run of MLflow, and a vector space, in one process."""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from pathlib import Path

from stream_rec.batch import als, publishing, source, spark, tracking
from stream_rec.bench.bench_log import BenchLog
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.embedded.stack import start_stack, without_addresses
from stream_rec.errors import Unavailable
from stream_rec.offline.datasets.first_events import FirstEvents
from stream_rec.offline.datasets.named import names, open_source
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.settings import DataSettings, Settings, load
from stream_rec.sink.sink import Sink

MOVIELENS, EVENTS = "movielens-100k", 100_000
SPACE = "als"
SINK_SECONDS = 300.0


def main() -> None:
    """Run it, and say what each step took."""
    settings, _ = load()
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {line}", flush=True)

    with (
        tempfile.TemporaryDirectory(prefix="batch-demo-") as folder,
        start_stack(without_addresses(settings)) as stack,
    ):
        sink = settings.sink.model_copy(update={"url": f"{folder}/log", "topics": ("events",), "options": {}})
        ours = stack.settings.model_copy(update={"sink": sink})
        ensure_topics(ours.bus)
        log = _log(settings.data)
        with Publisher(ours.bus, ours.ingest) as publisher:
            n = log.publish(publisher)
        say(f"{n:,} events of {log.name} are in the log")
        say(f"sink: {_written(ours, n):,} of them in Parquet")
        events = source.of_sink(ours)
        with spark.session(memory="2g") as session:
            say("Spark runs")
            trained = als.train(session.read.parquet(*events.paths), ours.engine.event_types, als.Plan())
        say("ALS: " + ", ".join(f"{name} {value:,.4g}" for name, value in trained.metrics.items()))
        url = f"sqlite:///{Path(folder) / 'mlflow.db'}"
        made = tracking.record(trained, {"data_digest": events.digest}, url=url, model=SPACE)
        say(f"MLflow: run {made.run_id}, version {made.version} is {tracking.CHALLENGER}")
        say(
            f"{publishing.publish(trained, ours, SPACE):,} vectors of the space {SPACE} are in the topic `vectors`"
        )


def _log(data: DataSettings) -> BenchLog:
    if MOVIELENS in names(data):
        return BenchLog(MOVIELENS, FirstEvents.of(open_source(MOVIELENS, data), EVENTS).frame)
    return BenchLog.first(EVENTS, data)


def _written(settings: Settings, n: int) -> int:
    until = time.monotonic() + SINK_SECONDS
    with closing(Sink(settings, SystemClock())) as sink:
        while sink.totals.records + sink.n_pending < n:
            sink.step()
            if time.monotonic() > until:
                raise Unavailable("sink", "it does not come to the end", waited_seconds=SINK_SECONDS)
        sink.flush()
        return sink.totals.records


if __name__ == "__main__":
    main()
