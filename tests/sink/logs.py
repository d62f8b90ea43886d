"""Records in the topics, a sink for them, and what is in its files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl

from stream_rec.bus.lag import OffsetReader
from stream_rec.clock import Clock, SystemClock
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.records import Interaction, PublishedRecord
from stream_rec.settings import Settings
from stream_rec.sink.folder import SinkFolder
from stream_rec.sink.reading import files_of
from stream_rec.sink.sink import Sink
from tests.waiting import wait_until

NOW = 1_790_000_000.0


def with_sink(settings: Settings, url: str, **more: Any) -> Settings:
    """The settings with a folder, and a sink that writes soon."""
    sink = settings.sink.model_copy(update={"url": url, "every_seconds": 0.05, "topics": ("events",)} | more)
    # The embedded broker lets a member wait for half the session timeout.
    bus = settings.bus.model_copy(update={"partitions": 2, "session_timeout_seconds": 2.0})
    return settings.model_copy(update={"sink": sink, "bus": bus})


def clicks(n: int, first: int = 0) -> list[PublishedRecord]:
    """Different events of a few users."""
    return [
        Interaction(f"u{i % 7}", f"i{i % 5}", "click", NOW + i, event_id=f"e{i}")
        for i in range(first, first + n)
    ]


def publish(settings: Settings, records: Iterable[PublishedRecord]) -> None:
    """Put records into their topics, at any time of theirs."""
    rules = settings.ingest.model_copy(update={"max_future_seconds": 300_000_000.0})
    with Publisher(settings.bus, rules) as publisher:
        for record in records:
            publisher.send(record)


@contextmanager
def sinking(settings: Settings, clock: Clock | None = None) -> Iterator[Sink]:
    """A sink that the test steps; closed, not flushed, at the end."""
    sink = Sink(settings, clock or SystemClock())
    try:
        yield sink
    finally:
        sink.close()


def until(sink: Sink, condition: Callable[[], Any]) -> None:
    """Step until it holds."""

    def stepped() -> Any:
        sink.step()
        return condition()

    wait_until(stepped, 120, "what the sink is to do")


def ends(settings: Settings, topic: str = "events") -> int:
    """Records in a topic."""
    return sum(OffsetReader(settings.bus).ends([topic]).values())


def table_of(settings: Settings, topic: str = "events") -> pl.DataFrame:
    """All rows of a topic's files, in the order of the log."""
    folder = SinkFolder(settings.sink)
    frames = [folder.read(file) for file in files_of(folder, topic)]
    return pl.concat(frames).sort("partition", "offset") if frames else pl.DataFrame()


def assert_every_offset_once(settings: Settings, topic: str = "events") -> pl.DataFrame:
    """All rows; the offsets of each partition are all there, each once."""
    rows = table_of(settings, topic)
    for (_, partition), end in OffsetReader(settings.bus).ends([topic]).items():
        assert rows.filter(pl.col("partition") == partition)["offset"].to_list() == list(range(end))
    return rows
