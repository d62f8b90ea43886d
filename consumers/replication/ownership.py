"""Which partitions are ours, and getting ready for those that come: learn what others have served, then begin."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from typing import Protocol

from stream_rec import logs
from stream_rec.consumers.replication.follower import Follower
from stream_rec.consumers.replication.owned_metrics import OwnedMetrics
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.replication.topic_watcher import TopicWatcher
from stream_rec.errors import Unavailable
from stream_rec.schemas.partition import TopicPartition


class SlateGuard(Protocol):
    """Watches the slates of owned partitions; `periodic.slate_repair.SlateRepair` is one."""

    def watch(self, partition: int, log: str, committed: int | None, /) -> None:
        """A partition of `events` is owned from here on."""

    def unwatch(self, partition: int, /) -> None:
        """It is owned no more."""

    async def look(self) -> object:
        """Write again what is lost."""


class Ownership:
    """Takes partitions over and lets them go; see stream_rec.bus.transport.Owner.

    Args:
        table: told of every change.
        topics: knows whether they are still the same.
        follower: learns what is not ours, and what was served before it became ours.
        metrics: begin and end with ownership.
        repair: watches the slates of owned partitions of `events`.
        metrics_url: where the figures are shown, for the log.
    """

    def __init__(
        self,
        table: PartitionTable,
        topics: TopicWatcher,
        follower: Follower,
        metrics: OwnedMetrics,
        repair: SlateGuard,
        metrics_url: str,
    ) -> None:
        self._table = table
        self._topics = topics
        self._follower = follower
        self._metrics = metrics
        self._repair = repair
        self._metrics_url = metrics_url
        self._log = logs.get("ingest")

    async def assigned(
        self, starts: Mapping[TopicPartition, int | None], open_: Callable[[Iterable[TopicPartition]], None]
    ) -> None:
        """Follow everything else, learn `[position, committed)` of each partition, then begin with it.

        While Kafka does not answer, it waits. Those that have nothing to learn go on at once. The follower's slices of
        these partitions that are still queued have an epoch that has passed: the engine takes none of them after this.

        Raises:
            ConfigError: a topic was deleted and recreated since the start: what was learned belongs to another log.
        """
        await self._topics.check_topic_ids()
        self._own(starts)
        self._follower.follow_others()
        missing = await self._follower.behind(starts)
        if not self._table.ready.is_set() and not any(starts.values()):
            # A new group: there is nothing to lose yet, and the markers begin here.
            with suppress(Unavailable):
                await self._repair.look()

        def begin(partitions: Collection[TopicPartition]) -> None:
            open_(partitions)
            owned = ", ".join(map(str, sorted(self._table.owned)))
            self._log.info("serving", metrics=self._metrics_url, owned=owned)

        begin(set(starts) - set(missing))
        if missing:
            self._log.info("catching up with the committed offsets", partitions=len(missing))
            await self._follower.learn(missing, lambda tp: begin([tp]))
        self._table.ready.set()

    async def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """They go back to the follower, which goes on where the engine stands; their last points go out."""
        mine = self._table.revoke(partitions)
        if partitions:
            self._follower.follow_others()
        for name, partition in mine:
            if name == "events":
                self._repair.unwatch(partition)
        await self._metrics.release(mine)

    def _own(self, starts: Mapping[TopicPartition, int | None]) -> None:
        self._table.assign(starts)
        self._metrics.assign(self._table.owned)
        for tp, committed in starts.items():
            if tp.topic == "events":
                self._repair.watch(tp.partition, self._table.topic_ids[tp.topic], committed)
