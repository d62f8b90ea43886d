"""Replay a log: at full speed, at a fixed rate, or in event time; resumable."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from stream_rec.bus.topics import log_id
from stream_rec.clock import Clock, SystemClock
from stream_rec.offline.datasets.faults import HINTS, Faults, nothing_read
from stream_rec.offline.datasets.files import Beside, Source
from stream_rec.offline.datasets.rows import to_interactions
from stream_rec.producers.feed.feed import Feed, Progress, Row, never
from stream_rec.producers.feed.pace import Pace
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.producers.replay.resume import Acknowledged, ResumeFile
from stream_rec.schemas.records import Impression, Interaction
from stream_rec.schemas.topics import Ack, full_name
from stream_rec.settings import BusSettings, cache_folder

_SAVE_SECONDS = 1.0


def resume_file(source: Source, bus: BusSettings, path: Path | None = None) -> ResumeFile:
    """Where a replay of this source into this bus keeps what is done.

    Args:
        source: what is replayed.
        bus: destination.
        path: None = in the user's cache folder, a file per source and incarnation of the topic.

    Raises:
        ConfigError: the source cannot be read, or there is no topic.
        Unavailable: the broker did not answer.
    """
    log = log_id(bus, "events")
    if path is None:
        parts = (source.identity, full_name(bus.prefix, "events"), log)
        name = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
        path = cache_folder() / "replays" / f"{name}.json"
    return ResumeFile(path, source.identity, log)


def replay(
    source: Source,
    publisher: Publisher,
    *,
    pace: Pace | None = None,
    resume: ResumeFile | None = None,
    limit: int | None = None,
    catalogue: bool = True,
    stop: Callable[[], bool] = never,
    on_progress: Callable[[Progress], None] | None = None,
    on_ack: Callable[[Interaction, Ack], None] | None = None,
    clock: Clock | None = None,
) -> Progress:
    """Publish the events of a source in its order, and items and impressions where they stand among them.

    Stopped by `stop`, it waits for what is under way and writes down which rows the bus has: the next replay
    with the same resume file publishes exactly the others. Killed, it may repeat those of the last second
    before, and with them what stands beside them; if the bus became unavailable, also those it took without
    acknowledging. A finished replay removes the file.

    Args:
        source: the log.
        publisher: destination; the caller closes it.
        pace: when each event is due; None = full speed.
        resume: None = start at the first row and keep no file.
        limit: events to publish in this run, at most; None = all.
        catalogue: publish its items, too.
        stop: asked before every event; see `stream_rec.producers.feed.stopping`.
        on_progress: called about ten times a second, and at the end.
        on_ack: called with each event's acknowledgement.
        clock: of the pace.

    Raises:
        ConfigError: the source or the resume file cannot be read, no row of it is an event (says why, by cause), or
            the topic does not exist.
        Unavailable: the bus did not take an event within `bus.publish_timeout_seconds`; the resume file is
            written.
    """
    clock = clock or SystemClock()
    done = resume.load() if resume else Acknowledged()
    saver = _Saver(resume, done, clock)

    def progressed(progress: Progress) -> None:
        saver.save_if_due()
        if on_progress:
            on_progress(progress)

    feed = Feed(
        publisher,
        pace=pace,
        acknowledged=done,
        stop=stop,
        on_progress=progressed,
        on_ack=on_ack,
        clock=clock,
    )
    is_new = not done.low
    rows = _Rest(source, done, _Wanted(limit, catalogue), feed.progress.faults)
    try:
        progress = feed.run(rows)
    finally:
        saver.save()
    if resume and rows.ended:
        resume.remove()
    if rows.ended and is_new and not progress.n_sent and not progress.beside:
        raise nothing_read(source.name, progress.faults)
    return progress


class _Wanted(NamedTuple):
    """What is published of a source: so many events at most, and its items or not."""

    limit: int | None
    catalogue: bool


class _Rest:
    """The rows of a source that are not done, as far as they are wanted; knows whether the source came to its end."""

    def __init__(self, source: Source, done: Acknowledged, wanted: _Wanted, faults: Faults) -> None:
        self._faults = faults
        self._source = source
        self._done = done
        self._wanted = wanted
        self.ended = False

    def __iter__(self) -> Iterator[Row | Beside]:
        n = 0
        for chunk in self._source.chunks(self._done.low):
            self._faults.take(chunk.faults)
            beside = deque(one for one in chunk.beside if self._wants(one))
            before, per_row = (
                chunk.fraction_before,
                (chunk.fraction - chunk.fraction_before) / max(1, len(chunk.log)),
            )
            for nth, event in enumerate(to_interactions(chunk.log, self._left_out)):
                position = chunk.first + nth
                while beside and beside[0].position <= position:
                    yield beside.popleft()
                if position in self._done:
                    continue
                if n == self._wanted.limit:
                    return
                n += 1
                yield Row(position, event, before + per_row * (nth + 1))
            yield from beside
        self.ended = True

    def _wants(self, beside: Beside) -> bool:
        return self._wanted.catalogue or isinstance(beside.record, Impression)

    def _left_out(self, name: str, text: str) -> None:
        self._faults.add(f"{name} is not flat, and was left out in part", text[:60], HINTS[name])


class _Saver:
    def __init__(self, resume: ResumeFile | None, done: Acknowledged, clock: Clock) -> None:
        self._resume = resume
        self._done = done
        self._clock = clock
        self._saved = clock.monotonic()

    def save_if_due(self) -> None:
        if self._clock.monotonic() - self._saved >= _SAVE_SECONDS:
            self.save()

    def save(self) -> None:
        self._saved = self._clock.monotonic()
        if self._resume:
            self._resume.save(self._done)
