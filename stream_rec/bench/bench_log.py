"""The events that the stack's benches publish: Globo where it is, else shoppers from a seed."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from stream_rec.offline.datasets.first_events import FirstEvents
from stream_rec.offline.datasets.named import names, open_source
from stream_rec.offline.datasets.rows import to_interactions
from stream_rec.producers.feed.feed import Row
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.producers.simulate.shop import ShopPlan
from stream_rec.producers.simulate.simulator import simulated_log
from stream_rec.schemas.codec import encode
from stream_rec.schemas.records import Interaction
from stream_rec.schemas.topics import key_of
from stream_rec.settings import DataSettings

GLOBO = "globo-news"
PLAN = ShopPlan(n_users=120_000, n_items=20_000, n_categories=200, events_per_second=2000.0)


class BenchLog(NamedTuple):
    """Events in log order.

    Attributes:
        name: where they are from; every output says it.
        frame: in the form of `stream_rec.offline.datasets.rows.LOG_SCHEMA`, good rows only.
    """

    name: str
    frame: pl.DataFrame

    @classmethod
    def first(cls, n_events: int, data: DataSettings) -> BenchLog:
        """The first events of Globo, or of a seeded simulation where it is missing."""
        if GLOBO in names(data):
            return cls(GLOBO, FirstEvents.of(open_source(GLOBO, data), n_events).frame)
        return cls(f"simulate, seed {PLAN.seed}", simulated_log(PLAN, n_events))

    def head(self, n_events: int) -> BenchLog:
        """The first of them."""
        return BenchLog(self.name, self.frame.head(n_events))

    def part(self, first: int, n_events: int) -> BenchLog:
        """So many from number `first` on."""
        return BenchLog(self.name, self.frame.slice(first, n_events))

    def rows(self) -> list[Row]:
        """As a feed takes them."""
        return [Row(at, event, None) for at, event in enumerate(self.interactions())]

    def interactions(self) -> list[Interaction]:
        """As records."""
        return [event for event in to_interactions(self.frame) if event is not None]

    def publish(self, publisher: Publisher) -> int:
        """Put all of them on the bus, at full speed, unchecked; how many."""
        events = self.interactions()
        for event in events:
            publisher.send_raw("events", key_of(event), encode(event))
        publisher.flush()
        return len(events)
