"""Cold start: are items that nobody has touched yet shown to those who will take them, with and without `content`?

Every fifth item of a log with a catalogue is kept back until the last third of the events: its events before are left
out, its record comes then. Asked are the first events of these items from then on, each before it is learned, and the
second events of users (their first ones have nothing to ask with). Both arms see the same records in the same order.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stream_rec.bench.harness import Figures, Say
from stream_rec.engine.engine import Engine
from stream_rec.errors import ConfigError
from stream_rec.offline.datasets.named import load_columns, load_items
from stream_rec.offline.evaluate.events import batches, part
from stream_rec.schemas.columns import EventBatch, IdColumn, ItemBatch, ItemChange, Span
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import Item
from stream_rec.settings import Settings

KEPT_BACK = 5
"""Every so many-th item."""
FIRST_EVENTS = 20
"""Of each item that was kept back."""
_SAMPLED = 10
"""One event in so many is asked for, whoever's it is."""
_BATCH = 4096


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured.

    Attributes:
        data: a data set with a catalogue.
        events: of the log, the first ones; 0 = all. A part chooses parameters, the whole is the figure.
        k: length of the list in which a hit is one.
        fifth: which item of each five is kept back, from 0: choose on one, report another.
    """

    data: str
    events: int
    k: int
    fifth: int = 0


@dataclass(frozen=True, slots=True)
class SplitLog:
    """The events in order, without those that are left out.

    Attributes:
        batches: of events.
        late: the number of the first event of the last third.
        of_late_items: bool [n], among the first events of an item that was kept back.
        of_new_users: bool [n], the second event of a user.
        sampled: bool [n], of the last third.
        seen: for every event that is asked for, the other items that its user has had; for the rest nothing.
    """

    batches: list[EventBatch]
    late: int
    of_late_items: NDArray[np.bool_]
    of_new_users: NDArray[np.bool_]
    sampled: NDArray[np.bool_]
    seen: list[IdColumn]

    @property
    def asked(self) -> NDArray[np.bool_]:
        """Bool [n]."""
        return self.of_late_items | self.of_new_users | self.sampled


def run(settings: Settings, say: Say, plan: Plan) -> Figures:
    """Both arms.

    Returns:
        cold_item_ratio, cold_item_hit_rate, cold_item_hit_rate_without, cold_item_events: of the first events of items
            that were kept back.
        cold_user_*: of users' second events.
        hit_rate, hit_rate_without: of a sample of all events of the last third.

    Raises:
        ConfigError: the data set has no catalogue.
    """
    items, late_items, log = split(settings, plan)
    figures: Figures = {}
    for suffix, content in (("", True), ("_without", False)):
        engine = Engine(settings.engine.model_copy(update={"content": content}))
        for name, value in _measure(engine, log, items, late_items, plan.k).items():
            figures[f"{name}_hit_rate{suffix}".removeprefix("all_")] = value
        say(f"content {content}: {figures[f'cold_item_hit_rate{suffix}']:.4f}")
    for name in ("cold_item", "cold_user"):
        without = float(figures[f"{name}_hit_rate_without"])
        figures[f"{name}_ratio"] = float(figures[f"{name}_hit_rate"]) / without if without else float("inf")
    figures |= {
        "cold_item_events": int(log.of_late_items.sum()),
        "cold_user_events": int(log.of_new_users.sum()),
        "cold_items": len(late_items),
        "k": plan.k,
        "data": plan.data,
        "fifth": plan.fifth,
    }
    return figures


def split(settings: Settings, plan: Plan) -> tuple[list[Item], set[str], SplitLog]:
    """The catalogue, which of its items are kept back, and the log without their events until its last third.

    Raises:
        ConfigError: the data set has no catalogue.
    """
    items = load_items(plan.data, settings.data)
    if not items:
        raise ConfigError(
            f"{plan.data} has no catalogue", fix="name a data set with items, such as movielens-100k"
        )
    late_items = {item.item_id for item in items[plan.fifth % KEPT_BACK :: KEPT_BACK]}
    return items, late_items, _split_log(settings, plan, late_items)


def _split_log(settings: Settings, plan: Plan, late_items: set[str]) -> SplitLog:
    table = load_columns(plan.data, settings.data)
    table = table.head(plan.events) if plan.events else table
    late = len(table) * 2 // 3
    kept = np.array([at >= late or item not in late_items for at, item in enumerate(table["item_id"])])
    late = int(kept[:late].sum())
    table = table.filter(kept)
    events_of: Counter[str] = Counter()
    had: defaultdict[str, list[str]] = defaultdict(list)
    of_late_items, of_new_users = np.zeros(len(table), np.bool_), np.zeros(len(table), np.bool_)
    sampled = (np.arange(len(table)) >= late) & (np.arange(len(table)) % _SAMPLED == 0)
    nothing, seen = IdColumn.of([]), []
    for at, (user, item) in enumerate(zip(table["user_id"], table["item_id"], strict=True)):
        events_of[item] += item in late_items
        of_late_items[at] = item in late_items and events_of[item] <= FIRST_EVENTS
        of_new_users[at] = len(had[user]) == 1 and had[user][0] != item
        is_asked = of_late_items[at] or of_new_users[at] or sampled[at]
        seen.append(IdColumn.of([other for other in had[user] if other != item]) if is_asked else nothing)
        had[user].append(item)
    return SplitLog(list(batches(table, size=_BATCH)), late, of_late_items, of_new_users, sampled, seen)


def _measure(
    engine: Engine, log: SplitLog, items: list[Item], late_items: set[str], k: int
) -> dict[str, float]:
    """Hit-rates of one arm."""
    publish(engine, [item for item in items if item.item_id not in late_items])
    ranks = np.zeros(len(log.seen), np.int64)
    for whole in log.batches:
        start, end = whole.span.start, whole.span.next
        cuts = [start, *([log.late] if start < log.late < end else []), end]
        for first, last in pairwise(cuts):
            if first == log.late:
                publish(engine, [item for item in items if item.item_id in late_items])
            judged = engine.learn(
                part(whole, first - start, last - start),
                judge_all=log.asked[first:last],
                left_out=log.seen[first:last],
            ).fresh
            ranks[first + judged.at] = judged.rank
    hits = (ranks > 0) & (ranks <= k)
    groups = {"cold_item": log.of_late_items, "cold_user": log.of_new_users, "all": log.sampled}
    return {name: float(hits[which].mean()) if which.any() else 0.0 for name, which in groups.items()}


def publish(engine: Engine, items: list[Item]) -> None:
    """The catalogue's next records."""
    start = engine.position.get(TopicPartition("items", 0), 0)
    changes = [ItemChange(start + at, 0, item.item_id, item) for at, item in enumerate(items)]
    engine.upsert_items(ItemBatch(Span("items", 0, 0, start, start + len(changes)), changes))
