"""Logs of all three topics, engines to learn them, and ways to ask what an engine knows."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from msgspec import structs

from stream_rec.engine.engine import Engine
from stream_rec.engine.names import n_rows, name_of
from stream_rec.engine.state.layout import leaves
from stream_rec.schemas.columns import (
    EventBatch,
    IdColumn,
    ImpressionBatch,
    ItemBatch,
    ItemChange,
    Span,
    VectorBatch,
    VectorChange,
)
from stream_rec.schemas.records import Attributes, Impression, Interaction, Item
from stream_rec.schemas.scenario import Scenario
from stream_rec.settings import EngineSettings, MeasureSettings

VectorGiven = tuple[str, str, list[float] | None]
"""Space, item, vector; None = removed."""

SMALL_MEASURE = MeasureSettings(
    max_open_impressions=16, max_open_places=256, max_recent_interactions=16, max_outcome_cells=16
)


class Record(NamedTuple):
    """One message of a log; `value` None on `items` = removed."""

    topic: str
    partition: int
    offset: int
    key: str
    value: Interaction | Item | Impression | None


def engine(**bounds: object) -> Engine:
    """Small in every respect but those that are named."""
    small: dict[str, object] = {
        "max_users": 64,
        "max_items": 64,
        "max_blocked": 64,
        "max_undoable": 64,
        "history_length": 16,
        "ring_length": 8,
        "n_factors": 8,
        "index_refresh_events": 32,
        "exact_below_items": 16,
        "train_sample": 0.3,
        "train_first": 0,
    }
    return Engine(EngineSettings.model_validate(small | bounds), SMALL_MEASURE)


def random_log(seed: int, n: int, *, users: int, items: int, partitions: int = 3) -> list[Record]:
    """Events, catalogue changes and impressions in one order, in runs of about 10 from one partition each.

    Offsets skip, some events come late, pauses end sessions.
    """
    return list(_random_log(seed, n, users, items, partitions))


@lru_cache(maxsize=64)
def _random_log(seed: int, n: int, users: int, items: int, partitions: int) -> list[Record]:
    """Drawing takes longer than learning, and many tests draw the same."""
    rng = np.random.default_rng(seed)
    log: list[Record] = []
    ends: dict[tuple[str, int], int] = {}
    now = 1_700_000_000.0
    topic, partition = "events", 0
    for _ in range(n):
        now += float(rng.choice([0.0, 1.0, 30.0, 2000.0, 40_000.0], p=[0.1, 0.4, 0.3, 0.15, 0.05]))
        if rng.random() < 0.1:
            topic = str(rng.choice(["events", "items", "impressions"], p=[0.7, 0.2, 0.1]))
            partition = int(rng.integers(partitions))
        user, item = f"u{rng.integers(users)}", f"i{int(rng.random() ** 2 * items)}"
        value: Interaction | Item | Impression | None
        if topic == "events":
            ts = now - float(rng.choice([0.0, 5.0, 5000.0], p=[0.8, 0.15, 0.05]))
            kind = str(rng.choice(["click", "cart", "purchase"]))
            session = str(rng.choice(["", "", "a", "b"]))
            value = Interaction(user, item, kind, ts, session_id=session or None)
        elif topic == "items":
            tags = tuple(f"t{t}" for t in rng.integers(5, size=rng.integers(4)))
            kept = Item(item, tags=tags, ts=float(rng.choice([0.0, now])), available=bool(rng.random() < 0.7))
            kept = described(kept, len(log))
            value = kept if rng.random() < 0.7 else None
        else:
            shown = tuple(f"i{i}" for i in rng.permutation(items)[: rng.integers(1, 6)])
            value = Impression("s", user, now, shown, scenario=str(rng.choice(["default", "cart"])))
        offset = ends.get((topic, partition), 0) + int(rng.choice([0, 0, 0, 2]))
        ends[topic, partition] = offset + 1
        log.append(Record(topic, partition, offset, item if topic == "items" else user, value))
    return log


def described(item: Item, n: int) -> Item:
    """The item with columns of all kinds, of names and values that are many times more than there is room for."""
    values: Attributes = {
        "kind": item.tags or None,
        f"a{n % 40}": f"text {n}",
        f"b{n % 7}": n * 0.1,
        "c": n % 2 == 0,
    }
    return structs.replace(
        item,
        title=f"Title {n}",
        owner=f"brand {n % 3}" if n % 4 else None,
        price=n + 0.99 if n % 3 else None,
        available_from=-float(n) if n % 6 == 0 else None,
        available_until=1e10 + n if n % 7 == 0 else None,
        attributes=values if n % 5 else None,
    )


def learn(e: Engine, log: Sequence[Record], *, judge_all: bool = False) -> None:
    """In the order of the log; what follows one another in one partition is one batch."""
    for (topic, _), run in itertools.groupby(log, key=lambda r: (r.topic, r.partition)):
        records = list(run)
        if topic == "events":
            e.learn(event_batch(records), judge_all=judge_all)
        elif topic == "items":
            e.upsert_items(item_batch(records))
        else:
            e.learn_impressions(impression_batch(records))


def _span(records: Sequence[Record]) -> Span:
    # Offsets grow by 1 or 3: the fetch position before a record is at most two below it.
    first, last = records[0], records[-1]
    return Span(first.topic, first.partition, 0, max(0, first.offset - 2), last.offset + 1)


def _offsets(records: Sequence[Record]) -> np.ndarray:
    return np.array([r.offset for r in records], np.int64)


def event_batch(records: Sequence[Record]) -> EventBatch:
    events = [r.value for r in records if isinstance(r.value, Interaction)]
    return EventBatch(
        span=_span(records),
        offsets=_offsets(records),
        broker_ts=np.array([int(v.ts * 1000) for v in events], np.int64),
        ts=np.array([v.ts for v in events]),
        users=IdColumn.of([v.user_id for v in events]),
        items=IdColumn.of([v.item_id for v in events]),
        sessions=IdColumn.of([v.session_id or "" for v in events]),
        event_ids=IdColumn.of([v.event_id or "" for v in events]),
        event_types=[v.event_type for v in events],
        values=np.array([np.nan if v.value is None else v.value for v in events], np.float32),
        context_tags=IdColumn.of([str((v.context or {}).get("tag", "")) for v in events]),
        slate_ids=IdColumn.of([v.slate_id or "" for v in events]),
    )


def item_batch(records: Sequence[Record]) -> ItemBatch:
    changes = [
        ItemChange(r.offset, 0, r.key, r.value if isinstance(r.value, Item) else None) for r in records
    ]
    return ItemBatch(_span(records), changes)


def impression_batch(records: Sequence[Record]) -> ImpressionBatch:
    shown = [r.value for r in records if isinstance(r.value, Impression)]
    items = [item for v in shown for item in v.items]
    return ImpressionBatch(
        span=_span(records),
        offsets=_offsets(records),
        broker_ts=np.array([int(v.ts * 1000) for v in shown], np.int64),
        ts=np.array([v.ts for v in shown]),
        users=IdColumn.of([v.user_id for v in shown]),
        slate_ids=IdColumn.of([v.slate_id for v in shown]),
        scenarios=[v.scenario for v in shown],
        variants=[v.variant or "" for v in shown],
        experiments=[v.experiment or "" for v in shown],
        teams=[v.teams or () for v in shown],
        items=IdColumn.of(items),
        item_ends=np.cumsum([len(v.items) for v in shown]),
        propensities=np.full(len(items), np.nan, np.float32),
    )


Row = tuple[str, str, float]
"""user_id, item_id, ts."""


def click(e: Engine, *rows: Row, event_type: str = "click", session: str = "") -> None:
    """Learn events at the next offsets of partition 0."""
    start = e.position.get(("events", 0), 0)
    span = Span("events", 0, 0, start, start + len(rows))
    e.learn(EventBatch.of(rows, span=span, event_type=event_type, sessions=[session] * len(rows)))


def change(e: Engine, *items: Item | str) -> None:
    """Learn catalogue changes at the next offsets; an id alone is a removal."""
    start = e.position.get(("items", 0), 0)
    changes = [
        ItemChange(
            start + n,
            0,
            item if isinstance(item, str) else item.item_id,
            None if isinstance(item, str) else item,
        )
        for n, item in enumerate(items)
    ]
    e.upsert_items(ItemBatch(Span("items", 0, 0, start, start + len(changes)), changes))


def show(e: Engine, user: str, items: Sequence[str], ts: float, times: int = 1) -> None:
    """Learn impressions of the user at the next offsets of partition 0, the same so many times."""
    start = e.position.get(("impressions", 0), 0)
    shown = Impression("s", user, ts, tuple(items), scenario="home")
    e.learn_impressions(
        impression_batch([Record("impressions", 0, start + n, user, shown) for n in range(times)])
    )


def known_items(e: Engine) -> list[str]:
    """Ids of the items that stand in a row now."""
    v = e.state.items
    return [name_of(v, row) for row in range(n_rows(v)) if v.lengths[row] >= 0]


def everywhere(e: Engine, users: Sequence[str], k: int = 60) -> set[str]:
    """Every item that the engine names in any answer."""
    ranked = e.recommend(users, k=k)
    named = {item for slate in ranked.items for item in slate}
    for listed in (e.popular(k), e.trending(k), e.new(k), *(e.similar(item, k) for item in known_items(e))):
        named.update(listed.items)
    return named


def answers(e: Engine, users: Sequence[str]) -> list[object]:
    """What users and visitors would be shown now."""
    ranked = e.recommend(users, k=15)
    lists = (e.popular(9), e.trending(9), e.new(9), *(e.similar(item, 5) for item in known_items(e)[:5]))
    return [ranked.items, ranked.scores, ranked.sources, ranked.because, *lists]


def bytes_held(e: Engine) -> int:
    """Memory of all learned state, ids and joins, as the arrays' sizes."""
    return sum(a.nbytes for _, a in leaves(e.state)) + sum(a.nbytes for a in e.attribution.arrays().values())


def decide(e: Engine, scenarios: Mapping[str, Scenario]) -> None:
    """These scenarios are in force, beside those of the settings."""
    e.decisions.scenarios = dict(scenarios)


def learn_vectors(e: Engine, *changes: VectorGiven) -> list[str]:
    """Learn changes at the next offsets; the reasons against those that were refused."""
    start = e.position.get(("vectors", 0), 0)
    batch = VectorBatch(
        Span("vectors", 0, 0, start, start + len(changes)),
        [
            VectorChange(start + n, 0, space, item, None if v is None else np.array(v, np.float32))
            for n, (space, item, v) in enumerate(changes)
        ],
    )
    return [refused.reason for refused in e.learn_vectors(batch)]
