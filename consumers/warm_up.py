"""Compile every kernel a worker runs, so that its first batches do not wait.

Run as `python -m stream_rec.consumers.warm_up`.

A few records go the way of real ones, from bytes to slates, through the same handlers: numba compiles per type and
layout of the arguments, and only the real way has them all. Neither Kafka nor Redis is touched.
"""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from stream_rec.bus.batch import Fetched
from stream_rec.clock import SystemClock
from stream_rec.consumers.handlers.as_of_table import AsOfTable
from stream_rec.consumers.handlers.base import HandlerContext
from stream_rec.consumers.handlers.control import ForgottenUsers
from stream_rec.consumers.handlers.event_metrics import EventMetrics
from stream_rec.consumers.handlers.events import EventsHandler, WrittenEvents
from stream_rec.consumers.handlers.impressions import ImpressionsHandler
from stream_rec.consumers.handlers.items import ItemsHandler
from stream_rec.consumers.handlers.touched_items import TouchedItems
from stream_rec.consumers.handlers.vectors import VectorsHandler
from stream_rec.consumers.output.dead_letters import DeadLetters
from stream_rec.consumers.output.slate_encoder import SlateEncoder, SlateOutput
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.engine.engine import Engine
from stream_rec.engine.warm import once
from stream_rec.engine.warm import warm_up as warm_up_engine
from stream_rec.feedback.measures import Measures
from stream_rec.feedback.warm import warm_up as warm_up_measures
from stream_rec.schemas.codec import encode
from stream_rec.schemas.records import Impression, Interaction, Item, Record, TopicName, Vector
from stream_rec.schemas.topics import FOLLOWED, key_of
from stream_rec.settings import EngineSettings, Settings
from stream_rec.store.slates import Written

N_ITEMS = 64
N_EVENTS = 512
_TS = 1_700_000_000
_NO_SERVER = cast(Any, None)
"""What writes is not called."""
_NOTHING_SENT = cast(Any, SimpleNamespace(lost={}))
"""Stands for the receipt of what was published."""


@once
def warm_up() -> None:
    """A second or two once compiled, a minute or two before. Once in a process."""
    warm_up_engine()
    warm_up_measures()
    settings = Settings(
        engine=EngineSettings(
            # So small that users and items are evicted, and the vector index is refreshed and rebuilt.
            max_users=64,
            max_items=N_ITEMS,
            train_sample=1.0,
            index_refresh_events=32,
            exact_below_items=16,
        )
    )
    engine = Engine(settings.engine, settings.measure)
    measures = Measures(settings.measure, engine.sources, attribution=engine.attribution)
    table = PartitionTable(dict.fromkeys(FOLLOWED, 1), dict.fromkeys(FOLLOWED, "log"))
    letters = DeadLetters(settings.ingest, SystemClock())
    context = HandlerContext(settings.ingest, _NO_SERVER, measures, _NO_SERVER, SystemClock(), letters)
    touched = TouchedItems(table)
    scenarios = tuple(settings.engine.scenarios)
    slates = SlateOutput(SlateEncoder(SystemClock()), _NO_SERVER, asyncio.Event())
    metrics = EventMetrics(measures, table, scenarios[0], engine.event_types)
    events = EventsHandler(context, slates, AsOfTable("log", {}), touched, metrics, ForgottenUsers())
    items = ItemsHandler(context, _NO_SERVER, touched)
    impressions = ImpressionsHandler(context)
    vectors = VectorsHandler(context)
    for name in FOLLOWED:
        measures.assign(name, 0)

    items.learn(engine, items.decode(_batch("items", _items())))
    vectors.learn(engine, vectors.decode(_batch("vectors", _vectors())))
    impressions.learn(engine, impressions.decode(_batch("impressions", _impressions())))
    for start in range(0, N_EVENTS, 64):
        learned = events.learn(engine, events.decode(_batch("events", _events(start), start)))
        written = Written(len(learned.users), 0, False)
        events.measure(WrittenEvents(learned, written, float(_TS * 1000), _NOTHING_SENT))
    for listed in (engine.popular, engine.trending, engine.new):
        listed(5)
    engine.similar("item-1", 5)
    engine.forget_user("user-1")
    engine.stats()
    measures.due_points(0.0, everything=True)
    measures.live()
    measures.figures()


def _batch(topic: TopicName, records: list[Record], start: int = 0) -> Fetched:
    n = len(records)
    keys: list[bytes | None] = [key_of(record) for record in records]
    values: list[bytes | None] = [encode(record) for record in records]
    offsets = list(range(start, start + n))
    return Fetched(topic, 0, 0, start, start + n, keys, values, offsets, [_TS * 1000] * n)


def _items() -> list[Record]:
    return [Item(f"item-{i}", f"Item {i}", (f"tag-{i % 5}", "tag"), float(_TS)) for i in range(N_ITEMS)]


def _vectors() -> list[Record]:
    return [Vector("space", f"item-{i}", (1.0, float(i))) for i in range(N_ITEMS)]


def _impressions() -> list[Record]:
    return [Impression(f"slate-{i}", f"user-{i}", float(_TS), ("item-1", "item-2")) for i in range(4)]


def _events(start: int) -> list[Record]:
    return [
        Interaction(f"user-{n % 80}", f"item-{n * n % (N_ITEMS + 6)}", "click", float(_TS + n), value=1.0)
        for n in range(start, start + 64)
    ]


if __name__ == "__main__":
    warm_up()
