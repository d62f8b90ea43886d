"""One run of an evaluation: learn, ask, judge, in the plan's order, with the code that a worker runs."""

from __future__ import annotations

import math
import resource
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.engine import Engine
from stream_rec.engine.results import Judged
from stream_rec.offline.datasets.files import Beside
from stream_rec.offline.evaluate.blind import BlindCheck
from stream_rec.offline.evaluate.events import batches, part
from stream_rec.offline.evaluate.plan import Plan
from stream_rec.offline.evaluate.seen import seen_before
from stream_rec.offline.evaluate.slates import SlateFigures
from stream_rec.offline.evaluate.tiers import RAREST, PastTiers, tiers_of
from stream_rec.schemas.columns import EventBatch, IdColumn, ItemBatch, ItemChange, Span
from stream_rec.schemas.records import Impression, Item

BATCH = 4096
SLATES_AT_MOST = 5_000
"""Most queries for which slates are made; they are sampled evenly."""

Progress = Callable[[int, int], None]
"""Takes events done and events in all."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a run found; q queries, in their order.

    Attributes:
        at: int64 [q], rows of the plan.
        ranks: int32 [q, 2 + sources]: blended, plain popularity, each source alone; 0 = miss.
        only_index: bool [q], the answer was a candidate that only the vector index had found.
        slates: figures of the sampled slates.
        n_slates: how many.
        slate_every: one query in this many.
        blind: how judged ranks compare with blind slates.
        query_us: float64 [n_slates], time to make each slate.
        learn_events_per_s: events through `Engine.learn` per second: of the ones that are only learned, where there
            are any; else of all, each asked first.
        ask_events_per_s: the same of the events that are asked for (and learned, unless frozen).
        seconds: of the whole run.
        peak_memory_mb: of the process so far, resident.
        rating_errors: float64 [m], expected rating - rating of the events behind the first query, if ratings are
            learned.
    """

    at: NDArray[np.int64]
    ranks: NDArray[np.int32]
    only_index: NDArray[np.bool_]
    slates: dict[str, float]
    n_slates: int
    slate_every: int
    blind: BlindCheck
    query_us: NDArray[np.float64]
    learn_events_per_s: float
    ask_events_per_s: float
    seconds: float
    peak_memory_mb: float
    rating_errors: NDArray[np.float64]


class Run:
    """An engine on its way through a plan.

    Args:
        plan: what is learned and asked.
        engine: fresh.
        k: length of the slates.
        progress: called with events done and events in all.
        catalogue: items that stand among the events, by the places of the plan.
    """

    def __init__(
        self, plan: Plan, engine: Engine, k: int, progress: Progress, catalogue: Sequence[Beside] = ()
    ) -> None:
        self._plan = plan
        self._engine = engine
        self._k = k
        self._progress = progress
        asked = np.flatnonzero(plan.asked)
        self._every = math.ceil(len(asked) / SLATES_AT_MOST)
        self._sampled = asked[:: self._every]
        self._due = _due(plan, catalogue)
        self._n_changes = 0
        names = dict.fromkeys([*plan.names, *(_change_of(one).item_id for one in catalogue)])
        tiers = tiers_of(plan)
        self._past = PastTiers(plan, tiers)
        self._figures = SlateFigures(k, np.pad(tiers, (0, len(names) - len(tiers)), constant_values=RAREST))
        self._numbers = {name: number for number, name in enumerate(names)}
        self._sessions = None if plan.groups is None else _RestOfSession(plan.groups, plan.items)
        self._seen = seen_before(plan, engine)
        self._batch = 1 if plan.exclude_seen and plan.seen_by == "engine" else BATCH
        self._blind = BlindCheck()
        self._judged: list[Judged] = []
        self._query_seconds: list[float] = []
        self._rating_errors: list[NDArray[np.float64]] = []
        self._learn_seconds = 0.0

    def run(self) -> Findings:
        """Go through the whole plan.

        Raises:
            LeakError: the engine saw answers.
        """
        began = time.perf_counter()
        first = self._plan.n_first
        for batch in batches(self._plan.log.head(first), size=self._batch):
            self._learn(batch)
        first_seconds, self._learn_seconds = self._learn_seconds, 0.0
        for batch in batches(self._plan.log[first:], size=self._batch, start=first):
            self._ask(batch)
        self._blind.verdict()
        ask_rate = (len(self._plan) - first) / self._learn_seconds
        return Findings(
            at=self._at(),
            ranks=self._ranks(),
            only_index=np.concatenate([judged.only_index for judged in self._judged]),
            slates=self._figures.figures(),
            n_slates=len(self._query_seconds),
            slate_every=self._every,
            blind=self._blind,
            query_us=np.array(self._query_seconds) * 1e6,
            learn_events_per_s=first / first_seconds if first else ask_rate,
            ask_events_per_s=ask_rate,
            seconds=time.perf_counter() - began,
            peak_memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
            rating_errors=np.concatenate([np.zeros(0), *self._rating_errors]),
        )

    def _parts(self, batch: EventBatch, heads: Sequence[int] = ()) -> Iterator[tuple[EventBatch, bool]]:
        """A batch in parts, cut at some events and where items stand; is the part's first event one of those?"""
        start, n = batch.span.start, len(batch)
        low, high = np.searchsorted([row for row, _ in self._due], (start, start + n))
        at_items = {row - start for row, _ in islice(self._due, int(low), int(high))}
        for first, last in pairwise(sorted({0, *heads, *at_items, n})):
            self._learn_items(start + first)
            yield part(batch, first, last), first in heads

    def _learn_items(self, row: int) -> None:
        """What stands before a row of the plan, and is not learned yet."""
        changes: list[ItemChange] = []
        while self._due and self._due[0][0] <= row:
            changes.append(self._due.popleft()[1]._replace(offset=self._n_changes + len(changes)))
        if changes:
            first = self._n_changes
            self._n_changes += len(changes)
            self._engine.upsert_items(ItemBatch(Span("items", 0, 0, first, self._n_changes), changes))

    def _learn(self, batch: EventBatch) -> None:
        for each, _ in self._parts(batch):
            if self._seen:
                self._seen.next(len(each))
            began = time.perf_counter()
            self._engine.learn(each)
            self._learn_seconds += time.perf_counter() - began
            self._advance_to(each.span.next, learned_from=each.span.start)

    def _ask(self, batch: EventBatch) -> None:
        """A batch, cut so that every sampled query stands at the head of a part: its slate is made before."""
        start, n = batch.span.start, len(batch)
        low, high = np.searchsorted(self._sampled, (start, start + n))
        heads = (self._sampled[low:high] - start).tolist()
        for each, is_sampled in self._parts(batch, heads):
            self._ask_part(each, sampled=is_sampled)

    def _ask_part(self, batch: EventBatch, *, sampled: bool) -> None:
        start, end = batch.span.start, batch.span.next
        left_out = self._seen.next(len(batch)) if self._seen else None
        slate = self._slate(start, left_out[0] if left_out else None) if sampled else None
        began = time.perf_counter()
        asked = self._plan.asked[start:end]
        learned = self._engine.learn(batch, judge_all=asked, frozen=self._plan.frozen, left_out=left_out)
        self._learn_seconds += time.perf_counter() - began
        judged, rated = learned.fresh, learned.rated
        self._rating_errors.append(rated.expected.astype(np.float64) - rated.values)
        queries = asked[judged.at]
        judged = Judged(
            judged.at[queries] + start,
            judged.rank[queries],
            judged.rank_by_source[queries],
            judged.popularity[queries],
            judged.only_index[queries],
        )
        if slate is not None and self._plan.continues[start]:
            self._blind.compare(self._plan.names[self._plan.items[start]], int(judged.rank[0]), *slate)
        self._judged.append(judged)
        self._advance_to(end, learned_from=end if self._plan.frozen else start)

    def _advance_to(self, end: int, *, learned_from: int) -> None:
        self._figures.learned(self._plan.items[learned_from:end])
        self._progress(end, len(self._plan))

    def _slate(self, row: int, left_out: IdColumn | None) -> tuple[list[str], list[float]]:
        """Ask for the user of a row, whose event the engine has not got yet."""
        hidden = set(left_out.to_list()) if left_out else set()
        user = self._plan.log["user_id"][row]
        began = time.perf_counter()
        ranked = self._engine.recommend([user], k=self._k + len(hidden))
        self._query_seconds.append(time.perf_counter() - began)
        kept = [at for at, item in enumerate(ranked.items[0]) if item not in hidden][: self._k]
        items = [ranked.items[0][at] for at in kept]
        numbers = np.array([self._numbers[item] for item in items], np.int32)
        self._figures.add(numbers, self._engine.state.factors.items[ranked.rows[0, kept]])
        self._figures.add_past(numbers, self._past.before(row))
        if self._sessions:
            self._figures.add_rest(numbers, self._sessions.from_row(row))
        return items, [ranked.scores[0][at] for at in kept]

    def _ranks(self) -> NDArray[np.int32]:
        """Targets that were never learned are misses, whatever candidates they came among."""
        columns = [
            np.column_stack(
                (judged.rank, judged.popularity, judged.rank_by_source[:, : self._engine.n_sources_in_use])
            )
            for judged in self._judged
        ]
        ranks: NDArray[np.int32] = np.concatenate(columns).astype(np.int32)
        ranks[self._plan.unknown[self._at()]] = 0
        return ranks

    def _at(self) -> NDArray[np.int64]:
        return np.concatenate([judged.at for judged in self._judged]).astype(np.int64)


def _due(plan: Plan, catalogue: Sequence[Beside]) -> deque[tuple[int, ItemChange]]:
    """By row of the plan, the first one that stood behind it or further on, what is learned before it."""
    reached = np.maximum.accumulate(plan.places)
    rows = np.searchsorted(reached, [one.position for one in catalogue])
    return deque(zip(rows.tolist(), map(_change_of, catalogue), strict=True))


def _change_of(beside: Beside) -> ItemChange:
    record = beside.record
    assert not isinstance(record, Impression)
    return ItemChange(0, 0, record.item_id, record if isinstance(record, Item) else None)


class _RestOfSession:
    """What else comes in a session."""

    def __init__(self, groups: NDArray[np.int64], items: NDArray[np.int32]) -> None:
        order = np.argsort(groups, kind="stable")
        self._items = items[order]
        self._place = np.empty(len(order), np.int64)
        self._place[order] = np.arange(len(order))
        ends = np.flatnonzero(np.diff(groups[order], append=-1)) + 1
        self._end = ends[np.searchsorted(ends, self._place, side="right")]

    def from_row(self, row: int) -> set[int]:
        """The items of this row and of the later ones of its session."""
        return set(self._items[self._place[row] : self._end[row]].tolist())
