"""Columns: what a decoded batch looks like to the engine. Arrays and ids, no records."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import Item, PublishedRecord, TopicName

T = TypeVar("T", covariant=True)
R = TypeVar("R", bound=PublishedRecord)

_BULK_IDS = 32
"""From so many on it is faster to look for marks between them than to measure each."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where a batch stands in the log.

    Attributes:
        topic: its name without the tenant's prefix.
        partition: of that topic.
        epoch: grows on every assign and revoke of the partition.
        start: the fetch position before the batch.
        next: the fetch position after it; offsets missing in between (compaction, transactions) are inside.
    """

    topic: TopicName
    partition: int
    epoch: int
    start: int
    next: int

    @property
    def tp(self) -> TopicPartition:
        """The partition."""
        return TopicPartition(self.topic, self.partition)


class Batch(Protocol):
    """What a codec makes of a span of some topic."""

    @property
    def span(self) -> Span: ...

    def __len__(self) -> int: ...


class IdColumn(NamedTuple):
    """Ids as UTF-8, laid end to end: id i is `data[ends[i - 1]:ends[i]]` (from 0 for i = 0). Empty = none.

    Attributes:
        data: uint8 [total bytes].
        ends: int64 [n].
    """

    data: NDArray[np.uint8]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, ids: Sequence[str]) -> IdColumn:
        """Pack strings; O(total bytes)."""
        n = len(ids)
        if n >= _BULK_IDS:
            data = np.frombuffer("".join(ids).encode(), np.uint8)
            marked = "\0".join(ids).encode()
            marks = np.flatnonzero(np.frombuffer(marked, np.uint8) == 0)
            if len(marks) == n - 1:  # else an id holds the mark
                ends = np.arange(0, -n, -1)
                ends[:-1] += marks
                ends[-1] += len(marked)
                return cls(data, ends)
        encoded = [each.encode() for each in ids]
        ends = np.array(list(itertools.accumulate(map(len, encoded))), np.int64)
        return cls(np.frombuffer(b"".join(encoded), np.uint8), ends)

    @classmethod
    def none(cls, n: int) -> IdColumn:
        """N times no id."""
        return cls(np.zeros(0, np.uint8), np.zeros(n, np.int64))

    def only(self, places: NDArray[np.int64]) -> IdColumn:
        """The ids at these places, int64 [m], ascending; read-only, as `of` makes them."""
        lengths = np.diff(self.ends, prepend=0)
        wanted = np.zeros(len(lengths), np.bool_)
        wanted[places] = True
        data = self.data[np.repeat(wanted, lengths)]
        data.setflags(write=False)
        return IdColumn(data, np.cumsum(lengths[wanted]))

    def to_list(self) -> list[str]:
        """The strings again."""
        raw = self.data.tobytes()
        starts = [0, *self.ends[:-1].tolist()] if len(self.ends) else []
        return [raw[a:b].decode() for a, b in zip(starts, self.ends.tolist(), strict=True)]


@dataclass(frozen=True, slots=True)
class EventBatch:
    """n interactions of one span, in log order. What was rejected is in the span, not in the columns.

    Attributes:
        span: where they came from.
        offsets: int64 [n], strictly ascending.
        broker_ts: int64 [n], ms.
        ts: float64 [n], event time in seconds.
        users: ids [n].
        items: ids [n].
        sessions: ids [n]; empty = the producer gave none.
        event_ids: ids [n]; empty = none.
        event_types: [n].
        values: float32 [n]; NaN = none.
        context_tags: [n], the `tag` that an event's context names; empty = none.
        slate_ids: ids [n], of the slates that events name; empty = none.
    """

    span: Span
    offsets: NDArray[np.int64]
    broker_ts: NDArray[np.int64]
    ts: NDArray[np.float64]
    users: IdColumn
    items: IdColumn
    sessions: IdColumn
    event_ids: IdColumn
    event_types: Sequence[str]
    values: NDArray[np.float32]
    context_tags: IdColumn
    slate_ids: IdColumn

    def __len__(self) -> int:
        """How many interactions."""
        return len(self.offsets)

    def only(self, places: NDArray[np.int64]) -> EventBatch:
        """The events at these places, int64 [m], ascending; the span stays."""
        return EventBatch(
            span=self.span,
            offsets=self.offsets[places],
            broker_ts=self.broker_ts[places],
            ts=self.ts[places],
            users=self.users.only(places),
            items=self.items.only(places),
            sessions=self.sessions.only(places),
            event_ids=self.event_ids.only(places),
            event_types=[self.event_types[place] for place in places],
            values=self.values[places],
            context_tags=self.context_tags.only(places),
            slate_ids=self.slate_ids.only(places),
        )

    @classmethod
    def of(
        cls,
        rows: Iterable[tuple[str, str, float]],
        *,
        span: Span | None = None,
        event_type: str = "click",
        sessions: Sequence[str] | None = None,
        event_ids: Sequence[str] | None = None,
    ) -> EventBatch:
        """From (user_id, item_id, ts) rows at consecutive offsets: for tests and offline evaluation."""
        triples = list(rows)
        n = len(triples)
        where = span or Span("events", 0, 0, 0, n)
        return cls(
            span=where,
            offsets=np.arange(where.start, where.start + n, dtype=np.int64),
            broker_ts=np.array([int(t * 1000) for _, _, t in triples], np.int64),
            ts=np.array([t for _, _, t in triples], np.float64),
            users=IdColumn.of([u for u, _, _ in triples]),
            items=IdColumn.of([i for _, i, _ in triples]),
            sessions=IdColumn.of(sessions if sessions is not None else [""] * n),
            event_ids=IdColumn.of(event_ids if event_ids is not None else [""] * n),
            event_types=[event_type] * n,
            values=np.full(n, np.nan, np.float32),
            context_tags=IdColumn.none(n),
            slate_ids=IdColumn.none(n),
        )


class ItemChange(NamedTuple):
    """One change of the catalogue.

    Attributes:
        offset: in its partition.
        broker_ts: ms.
        item_id: which item.
        item: what it is from now on; None = removed.
    """

    offset: int
    broker_ts: int
    item_id: str
    item: Item | None


@dataclass(frozen=True, slots=True)
class ItemBatch:
    """Changes of the catalogue in log order; a later change of the same item overrules an earlier one.

    Attributes:
        span: where they came from.
        changes: offsets strictly ascending.
    """

    span: Span
    changes: Sequence[ItemChange]

    def __len__(self) -> int:
        """How many changes."""
        return len(self.changes)

    @property
    def upserts(self) -> list[Item]:
        """The items that stand after the whole batch, each once, by their last change."""
        return [change.item for change in self._last() if change.item is not None]

    @property
    def removed(self) -> list[str]:
        """The ids that are gone after the whole batch, each once, by their last change."""
        return [change.item_id for change in self._last() if change.item is None]

    def _last(self) -> Iterable[ItemChange]:
        last: dict[str, ItemChange] = {}
        for change in self.changes:
            last.pop(change.item_id, None)
            last[change.item_id] = change
        return last.values()


class VectorChange(NamedTuple):
    """One change of a vector space.

    Attributes:
        offset: in its partition.
        broker_ts: ms.
        space: which space.
        item_id: which item.
        values: float32 [n], its vector from now on, finite and not all 0; None = removed.
        raw: the message, for a dead letter.
    """

    offset: int
    broker_ts: int
    space: str
    item_id: str
    values: NDArray[np.float32] | None
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class VectorBatch:
    """Changes of vector spaces in log order.

    Attributes:
        span: where they came from.
        changes: offsets strictly ascending.
    """

    span: Span
    changes: Sequence[VectorChange]

    def __len__(self) -> int:
        """How many changes."""
        return len(self.changes)


@dataclass(frozen=True, slots=True)
class ImpressionBatch:
    """n shown slates of one span, in log order. Slate i shows `items[item_ends[i - 1]:item_ends[i]]`.

    Attributes:
        span: where they came from.
        offsets: int64 [n], strictly ascending.
        broker_ts: int64 [n], ms.
        ts: float64 [n], when it was shown, in seconds.
        users: ids [n].
        slate_ids: ids [n].
        scenarios: [n].
        variants: [n]; empty = none.
        experiments: [n]; empty = not named.
        teams: [n], of each item the arm that brought it; empty = slates have no teams.
        items: ids [total shown].
        item_ends: int64 [n].
        propensities: float32 [total shown]; NaN = unknown.
    """

    span: Span
    offsets: NDArray[np.int64]
    broker_ts: NDArray[np.int64]
    ts: NDArray[np.float64]
    users: IdColumn
    slate_ids: IdColumn
    scenarios: Sequence[str]
    variants: Sequence[str]
    experiments: Sequence[str]
    teams: Sequence[Sequence[str]]
    items: IdColumn
    item_ends: NDArray[np.int64]
    propensities: NDArray[np.float32]

    def __len__(self) -> int:
        """How many slates."""
        return len(self.offsets)

    def only(self, places: NDArray[np.int64]) -> ImpressionBatch:
        """The slates at these places, int64 [m], ascending; the span stays."""
        lengths = np.diff(self.item_ends, prepend=0)
        wanted = np.zeros(len(self), np.bool_)
        wanted[places] = True
        shown = np.flatnonzero(np.repeat(wanted, lengths))
        return ImpressionBatch(
            span=self.span,
            offsets=self.offsets[places],
            broker_ts=self.broker_ts[places],
            ts=self.ts[places],
            users=self.users.only(places),
            slate_ids=self.slate_ids.only(places),
            scenarios=[self.scenarios[place] for place in places],
            variants=[self.variants[place] for place in places],
            experiments=[self.experiments[place] for place in places],
            teams=[self.teams[place] for place in places],
            items=self.items.only(shown),
            item_ends=np.cumsum(lengths[places]),
            propensities=self.propensities[shown],
        )


@dataclass(frozen=True, slots=True)
class RecordBatch(Generic[R]):
    """n records of one span as they are, in log order: for topics that need no columns.

    Attributes:
        span: where they came from.
        offsets: int64 [n], strictly ascending.
        broker_ts: int64 [n], ms.
        records: [n].
    """

    span: Span
    offsets: NDArray[np.int64]
    broker_ts: NDArray[np.int64]
    records: Sequence[R]

    def __len__(self) -> int:
        """How many records."""
        return len(self.offsets)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message that is no record of its topic; becomes a DeadLetter."""

    offset: int
    broker_ts: int
    reason: str
    detail: str
    raw: bytes
    key: bytes | None = None


class LeftOut(NamedTuple):
    """A part of a good record that was unusable, and counts as not given."""

    offset: int
    broker_ts: int
    field: str
    reason: str


@dataclass(slots=True)
class Decoded(Generic[T]):
    """What a codec made of a batch of raw messages.

    Attributes:
        batch: the good records.
        rejected: the messages that are no records.
        left_out: parts of the good records.
    """

    batch: T
    rejected: list[Rejected] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
