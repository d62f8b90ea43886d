"""The first events of a data set or a file, in memory: what the demo and the benches replay."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from stream_rec.offline.datasets.faults import Faults, nothing_read, say
from stream_rec.offline.datasets.files import Chunk, Source
from stream_rec.offline.datasets.rows import good_rows, to_interactions
from stream_rec.schemas.records import Interaction


@dataclass(frozen=True, slots=True)
class FirstEvents:
    """The good rows among the first of a log. A `Source`.

    Attributes:
        name: the log's.
        frame: in the form of `stream_rec.offline.datasets.rows.LOG_SCHEMA`.
    """

    name: str
    frame: pl.DataFrame

    @classmethod
    def of(cls, source: Source, limit: int) -> FirstEvents:
        """Read at most `limit` events.

        Raises:
            ConfigError: the source cannot be read, or has no event.
        """
        frames: list[pl.DataFrame] = []
        faults = Faults()
        missing = limit
        for chunk in source.chunks():
            frames.append(good_rows(chunk.log).head(missing))
            faults.take(chunk.faults)
            missing -= len(frames[-1])
            if missing <= 0:
                break
        frame = pl.concat(frames, rechunk=True) if frames else pl.DataFrame()
        if not len(frame):
            raise nothing_read(source.name, faults)
        say(source.name, faults)
        return cls(source.name, frame)

    def __len__(self) -> int:
        """Events."""
        return len(self.frame)

    @property
    def identity(self) -> str:
        """Of the log it was read from."""
        return self.name

    def chunks(self, start: int = 0) -> Iterator[Chunk]:
        """The events from position `start` on, in one chunk."""
        if start < len(self.frame):
            yield Chunk(start, self.frame[start:], 1.0)

    def side_by_side(self, n_lanes: int) -> FirstEvents:
        """The same events with about `n_lanes` users acting at a time, each in the order of their own events.

        Users are dealt to lanes in the order of their first event, each to the lane with the fewest events; then the
        lanes take turns, an event each.
        """
        counts = self.frame.group_by("user_id", maintain_order=True).len()
        filled = [(0, lane) for lane in range(n_lanes)]
        lane_of: dict[str, int] = {}
        for user, n_events in counts.iter_rows():
            n, lane = heapq.heappop(filled)
            lane_of[user] = lane
            heapq.heappush(filled, (n + n_events, lane))
        dealt = self.frame.with_columns(
            lane=pl.col("user_id").replace_strict(lane_of, return_dtype=pl.Int32)
        ).with_columns(turn=pl.int_range(pl.len()).over("lane"))
        return FirstEvents(self.name, dealt.sort("turn", "lane").drop("turn", "lane"))

    def last_user_events(self, at_least: int) -> list[Interaction]:
        """All events of the user who acted last, in order; of those with `at_least` events, if there is one."""
        counts = self.frame.with_columns(n=pl.len().over("user_id"))
        busy = counts.filter(pl.col("n") >= at_least)
        user = (busy if len(busy) else counts)["user_id"][-1]
        return [e for e in to_interactions(self.frame.filter(pl.col("user_id") == user)) if e is not None]
