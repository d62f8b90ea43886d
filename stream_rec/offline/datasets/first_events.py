"""The first events of a data set or a file, in memory: what the demo and the benches replay."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from stream_rec.offline.datasets.faults import Faults, nothing_read, say
from stream_rec.offline.datasets.files import Beside, Chunk, Source, among_good
from stream_rec.offline.datasets.rows import good_rows, to_interactions
from stream_rec.schemas.records import Impression, Interaction


@dataclass(frozen=True, slots=True)
class FirstEvents:
    """The good rows among the first of a log. A `Source`.

    Attributes:
        name: the log's.
        frame: in the form of `stream_rec.offline.datasets.rows.LOG_SCHEMA`.
        beside: items and impressions that stand among them.
    """

    name: str
    frame: pl.DataFrame
    beside: Sequence[Beside] = ()

    @classmethod
    def of(cls, source: Source, limit: int | None) -> FirstEvents:
        """Read at most `limit` events; None = all.

        Raises:
            ConfigError: the source cannot be read, or has no event.
        """
        frames: list[pl.DataFrame] = []
        beside: list[Beside] = []
        faults = Faults()
        n = 0
        for chunk in source.chunks():
            faults.take(chunk.faults)
            good = good_rows(chunk.log)
            frames.append(good if limit is None else good.head(limit - n))
            beside += (one for one in among_good(chunk, n) if limit is None or one.position < limit)
            n += len(frames[-1])
            if n == limit:
                break
        frame = pl.concat(frames, rechunk=True) if frames else pl.DataFrame()
        if not len(frame):
            raise nothing_read(source.name, faults)
        say(source.name, faults)
        return cls(source.name, frame, beside)

    @property
    def catalogue(self) -> list[Beside]:
        """What stands among them of the catalogue: items, and their removals."""
        return [one for one in self.beside if not isinstance(one.record, Impression)]

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
            yield Chunk(
                start, self.frame[start:], 1.0, beside=[one for one in self.beside if one.position >= start]
            )

    def side_by_side(self, n_lanes: int) -> FirstEvents:
        """The same events with about `n_lanes` users acting at a time, each in the order of their own events.

        Users are dealt to lanes in the order of their first event, each to the lane with the fewest events; then the
        lanes take turns, an event each. What stands beside an event stays before it.
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
        dealt = dealt.with_row_index("was").sort("turn", "lane")
        place = np.argsort(dealt["was"].to_numpy(), kind="stable")
        beside = [
            Beside(int(place[one.position]), one.record) for one in self.beside if one.position < len(place)
        ]
        beside.sort(key=lambda one: one.position)
        return FirstEvents(self.name, dealt.drop("was", "turn", "lane"), beside)

    def last_user_events(self, at_least: int) -> list[Interaction]:
        """All events of the user who acted last, in order; of those with `at_least` events, if there is one."""
        counts = self.frame.with_columns(n=pl.len().over("user_id"))
        busy = counts.filter(pl.col("n") >= at_least)
        user = (busy if len(busy) else counts)["user_id"][-1]
        return [e for e in to_interactions(self.frame.filter(pl.col("user_id") == user)) if e is not None]
