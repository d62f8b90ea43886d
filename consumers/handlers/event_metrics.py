"""What is measured of `events`: what users had been shown when they acted, freshness, and misrouted keys."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from stream_rec import logs
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.engine.engine import Engine
from stream_rec.engine.names import rows_of
from stream_rec.engine.results import Encoded, Learned
from stream_rec.feedback.measures import Measures
from stream_rec.feedback.served import UNKNOWN
from stream_rec.kernels.ids import hash_ids
from stream_rec.kernels.murmur2 import partition_of
from stream_rec.schemas.columns import EventBatch, IdColumn
from stream_rec.schemas.event_types import EventTypes
from stream_rec.schemas.records import TopicName
from stream_rec.store.slates import Written

_TOPIC: TopicName = "events"
MAX_MIX = 16
"""Event types whose share is watched, at most: those that come first."""


class EventMetrics:
    """Measures batches of events. Engine's thread.

    Args:
        measures: where the figures go.
        table: number of partitions of the topic.
        shown: the scenario whose slates count as what a user was shown.
        types: the table of event types.
    """

    def __init__(self, measures: Measures, table: PartitionTable, shown: str, types: EventTypes) -> None:
        self._measures = measures
        self._table = table
        self._shown = shown
        self._types = types
        self._misrouted_said = False
        self._numbers: dict[str, int] = {}

    def ranks(self, engine: Engine, batch: EventBatch) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Where n events' items stood before the engine learns them; UNKNOWN where that cannot be said.

        The share of items that the engine has never heard of is watched on the way.

        Returns:
            [n], rank in what the user was last shown; [n], rank in the popular list.
        """
        unheard = rows_of(engine.state.items, batch.items) < 0
        self._measures.watch("unknown_items", unheard.astype(np.float64), batch.broker_ts)
        served = self._measures.served
        users, items = hash_ids(batch.users), hash_ids(batch.items)
        ranks = served.ranks(users, items)
        # An unknown user (cold start) was never written a slate: readers show the popular list.
        unknown = (ranks == UNKNOWN) & (rows_of(engine.state.users, batch.users) < 0)
        if unknown.any():
            served.fill(users[unknown], np.zeros((np.count_nonzero(unknown), 1), np.uint64))
            ranks = served.ranks(users, items)
        return ranks, served.popular_ranks(items)

    def judged(self, batch: EventBatch, learned: Learned) -> None:
        """A batch was learned, of a partition that is owned or followed."""
        self._measures.on_judged(learned.fresh, batch.broker_ts)

    def served(self, users: list[str], ranked: dict[str, Encoded]) -> None:
        """These users' slates, by scenario, have been written."""
        if self._shown in ranked:
            self._measures.served.put(hash_ids(IdColumn.of(users)), ranked[self._shown].hashes)

    def learned(
        self, batch: EventBatch, served: NDArray[np.int32], popular: NDArray[np.int32], learned: Learned
    ) -> None:
        """A batch was learned, and what it asked for is served; the ranks are those of `ranks`."""
        self._measures.on_unknown_types(batch.span, self._types.unknown(batch.event_types), len(batch))
        self._measures.on_batch(
            batch.span, batch.offsets, batch.broker_ts, served=served, popular=popular, learned=learned
        )
        for event_type, of_it in self._mix(batch):
            self._measures.watch(f"event_mix.{event_type}", of_it, batch.broker_ts)
        self._count_misrouted(batch)

    def _mix(self, batch: EventBatch) -> Iterator[tuple[str, NDArray[np.float64]]]:
        """Of each of the first types that came: which of n events are of it. A type is looked for from its first on."""
        numbers = [self._numbers.get(each, -1) for each in batch.event_types]
        if min(numbers, default=0) < 0 and len(self._numbers) < MAX_MIX:
            for each in batch.event_types:
                if len(self._numbers) < MAX_MIX:
                    self._numbers.setdefault(each, len(self._numbers))
            numbers = [self._numbers.get(each, -1) for each in batch.event_types]
        found = np.array(numbers, np.int64)
        for event_type, number in self._numbers.items():
            yield event_type, (found == number).astype(np.float64)

    def written(
        self, batch: EventBatch, ranked: dict[str, Encoded], written: Written, written_ms: float
    ) -> None:
        """The slates of a batch were in Redis at `written_ms` (ms since the epoch)."""
        self._measures.on_written(
            batch.span,
            batch.broker_ts,
            written_ms,
            written=written.n_written,
            stale=written.n_stale,
            items=sum(each.n_items for each in ranked.values()),
            only_index_items=sum(each.n_only_index for each in ranked.values()),
        )

    def _count_misrouted(self, batch: EventBatch) -> None:
        partition = batch.span.partition
        expected = partition_of(batch.users, self._table.count(_TOPIC))
        misrouted = int(np.count_nonzero(expected != partition))
        self._measures.add(_TOPIC, partition, "misrouted", misrouted, len(batch))
        if misrouted and not self._misrouted_said:
            self._misrouted_said = True
            logs.get("ingest").warning(
                "events on a partition that their user_id does not hash to: a producer uses another partitioner; "
                "give it Java's partitioner (librdkafka: partitioner=murmur2_random; others: docs/cookbook.md)",
                partition=partition,
                events=misrouted,
            )
