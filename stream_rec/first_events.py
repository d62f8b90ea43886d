"""The first events of a data set or a file, in memory: what the demo and the benches replay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from producers.rows import good_rows, to_interactions
from producers.sources import Chunk, Source
from schemas.records import Interaction
from stream_rec.errors import ConfigError


@dataclass(frozen=True, slots=True)
class FirstEvents:
    """The good rows among the first of a log. A `Source`.

    Attributes:
        name: the log's.
        frame: in the form of `producers.rows.LOG_SCHEMA`.
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
        missing = limit
        for chunk in source.chunks():
            frames.append(good_rows(chunk.log).head(missing))
            missing -= len(frames[-1])
            if missing <= 0:
                break
        frame = pl.concat(frames, rechunk=True) if frames else pl.DataFrame()
        if not len(frame):
            raise ConfigError(
                f"{source.name} holds no event with user, item and time", fix="name another log"
            )
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

    def last_user_events(self) -> list[Interaction]:
        """All events of the user who acted last, in order."""
        events = to_interactions(self.frame.filter(pl.col("user_id") == self.frame["user_id"][-1]))
        return [event for event in events if event is not None]
