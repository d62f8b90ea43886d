"""The thread that talks to Kafka: fetches, heartbeats, commits. Its loop never runs any of our computations."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any, ClassVar

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import FetchError
from aiokafka.errors import (
    CommitFailedError,
    ConsumerStoppedError,
    IllegalStateError,
    KafkaError,
    KafkaTimeoutError,
)
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.types import TP
from mode.threads import WorkerThread

from stream_rec.bus.batch import Fetched, cut
from stream_rec.bus.naming import ours

_QUIET_FACTOR = 2
"""Factor on the wait of an empty fetch after a timeout without data."""
_LONGEST_WAIT_SECONDS = 5.0
"""Upper bound of the wait: the embedded broker may need long to find an offset."""
_RETRY_SECONDS = 0.5


class _DaemonThread(WorkerThread):  # type: ignore[misc]
    """A daemon: an unresponsive broker must not keep the process alive."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.daemon = True


class FetchThread(AIOKafkaConsumerThread):  # type: ignore[misc]
    """Faust's consumer thread, handing over batches instead of records."""

    Worker: ClassVar[type[WorkerThread]] = _DaemonThread

    shutdown_timeout = 1.0
    """Bound on leaving the group, in seconds; after it the thread is abandoned, and the session times out."""

    def __post_init__(self) -> None:
        """Add what wakes a waiting fetch."""
        super().__post_init__()
        self._waiter: asyncio.Future[None] | None = None
        self._woken = False
        self._wait_seconds: float = self.app.bus.fetch_wait_seconds
        self._starved_since_ms: int | None = None

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust sets 1.5 s: while one partition's data waits to be taken, its next fetch waits behind a fetch of
        # the idle ones for so long; and the embedded broker answers a waiting fetch only after half of it.
        consumer._fetch_max_wait_ms = self._wait_ms()
        # As librdkafka's consumers: what a producer's transaction took back was never there.
        consumer._isolation_level = "read_committed"
        return consumer

    def _wait_ms(self, *, quiet: bool = False) -> int:
        return max(1, int(self._wait_seconds * 1000)) * (_QUIET_FACTOR if quiet else 1)

    async def fetch(
        self, partitions: Collection[TP], credits: Mapping[str, int], timeout: float
    ) -> list[Fetched]:
        """The next batches, at most one per partition and `credits[topic]` per topic; waits for the first.

        Args:
            partitions: those that may be taken from now.
            credits: batches wanted, by topic.
            timeout: seconds to wait at most; `wake` ends the wait, too.

        Returns:
            Batches; none after the timeout, after `wake`, and during a rebalance.
        """
        batches: list[Fetched] = await self.call_thread(self._fetch, partitions, credits, timeout)
        return batches

    def wake(self) -> None:
        """End a running `fetch`, or the next one, at once: more may be taken now. From any thread."""
        self.thread_loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._woken = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _fetch(
        self, partitions: Collection[TP], credits: Mapping[str, int], timeout: float
    ) -> list[Fetched]:
        consumer = self._ensure_consumer()
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        subscriptions = fetcher._subscriptions
        # Inside this context the consumer counts as alive, also while nothing may be taken (max.poll.interval).
        with subscriptions.fetch_context():
            batches = self._cut(fetcher, partitions, credits)
            if not batches and not self._woken:
                await self._wait(fetcher, timeout)
                batches = self._cut(fetcher, partitions, credits)
                self._give_more_time(None if batches else self._starved_ms(fetcher, partitions, credits))
                fetcher._fetch_max_wait_ms = self._wait_ms(quiet=not batches and not self._woken)
            self._woken = False
        return batches

    def _starved_ms(self, fetcher: Any, partitions: Collection[TP], credits: Mapping[str, int]) -> int | None:
        """When the broker last reported more records of a partition than it returned (ms); None = it did not.

        The embedded broker scans all batches of a partition for the fetch offset, and returns nothing if the wait ends
        first.
        """
        said: list[int] = []
        subscriptions = fetcher._subscriptions
        for tp in partitions:
            partition = TopicPartition(*tp)
            if not subscriptions.is_assigned(partition) or partition in fetcher._records:
                continue
            state = subscriptions.subscription.assignment.state_value(partition)
            if credits.get(tp.topic, 0) <= 0 or not state.has_valid_position or state.highwater is None:
                continue
            # Behind the last stable offset a transaction is open: there is nothing for us yet.
            end = state.highwater if state.lso is None or state.lso < 0 else min(state.highwater, state.lso)
            if state.position < end:
                said.append(state.timestamp)
        return max(said, default=None)

    def _give_more_time(self, starved_ms: int | None) -> None:
        """Double the wait when the broker has returned nothing for two of them."""
        if starved_ms is None or self._starved_since_ms is None:
            self._starved_since_ms = starved_ms
        elif starved_ms - self._starved_since_ms > 2 * self._wait_ms(quiet=True):
            self._wait_seconds = min(2 * self._wait_seconds, _LONGEST_WAIT_SECONDS)
            self._starved_since_ms = starved_ms

    async def _wait(self, fetcher: Any, timeout: float) -> None:
        """Until data has come, `wake`, or the timeout."""
        waiter = self._waiter = fetcher._create_fetch_waiter()
        await asyncio.wait([waiter], timeout=timeout)
        self._waiter = None
        if waiter.done():
            waiter.result()  # raises what the coordinator has to say, e.g. no authorization
        else:
            waiter.cancel()

    def _cut(self, fetcher: Any, partitions: Collection[TP], credits: Mapping[str, int]) -> list[Fetched]:
        """Cut at most one batch from each partition's fetched data, in turns."""
        subscriptions = fetcher._subscriptions
        if not self.consumer.flow_active or subscriptions.reassignment_in_progress:
            return []
        batches: list[Fetched] = []
        taken: Counter[str] = Counter()
        for partition in list(fetcher._records):
            if not subscriptions.is_assigned(partition):
                del fetcher._records[partition]
                continue
            if partition not in partitions or taken[partition.topic] >= credits.get(partition.topic, 0):
                continue
            batch = self._cut_one(fetcher, partition)
            if batch is not None:
                batches.append(batch)
                taken[partition.topic] += 1
        return batches

    def _cut_one(self, fetcher: Any, partition: TopicPartition) -> Fetched | None:
        result = fetcher._records[partition]
        if isinstance(result, FetchError):
            self._used_up(fetcher, partition)
            result.check_raise()
        bus = self.app.bus
        tp = ours(bus.prefix, partition)
        batch = cut(
            result,
            fetcher._subscriptions.subscription.assignment.state_value(partition),
            tp,
            self.consumer.epochs.of(tp),
            max_records=bus.batch_max_records,
            max_bytes=bus.batch_max_bytes,
        )
        if result.has_more():
            fetcher._records.move_to_end(partition)
        else:
            self._used_up(fetcher, partition)
        return batch

    @staticmethod
    def _used_up(fetcher: Any, partition: TopicPartition) -> None:
        """Let the fetcher ask for the partition's next data."""
        del fetcher._records[partition]
        fetcher._notify(fetcher._wait_consume_future)

    async def committed(self, partitions: Collection[TP]) -> dict[TP, int]:
        """The group's committed offsets; partitions without one are missing."""
        return await self.call_thread(self._committed, partitions)  # type: ignore[no-any-return]

    async def _committed(self, partitions: Collection[TP]) -> dict[TP, int]:
        coordinator = self._ensure_consumer()._coordinator
        offsets = await coordinator.fetch_committed_offsets([TopicPartition(*tp) for tp in partitions])
        return {TP(*tp): committed.offset for tp, committed in offsets.items() if committed.offset >= 0}

    async def starts(self, partitions: Collection[TP]) -> dict[TP, int]:
        """The first offset that each log still holds."""
        return await self.call_thread(self._starts, partitions)  # type: ignore[no-any-return]

    async def _starts(self, partitions: Collection[TP]) -> dict[TP, int]:
        """However long that takes: as aiokafka asks for committed offsets, but not for these."""
        asked = [TopicPartition(*tp) for tp in partitions]
        while True:
            consumer = self._ensure_consumer()
            try:
                found = await consumer.beginning_offsets(asked) if asked else {}
            except KafkaTimeoutError:
                continue
            except KafkaError as error:
                if not error.retriable:
                    raise
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return {TP(*tp): offset for tp, offset in found.items()}

    async def commit_starts(self, offsets: Mapping[TP, int]) -> None:
        """Commit where the group begins; after a rebalance meanwhile the next owner does it."""
        await self.call_thread(self._commit_starts, offsets)

    async def _commit_starts(self, offsets: Mapping[TP, int]) -> None:
        if offsets:
            with suppress(CommitFailedError, IllegalStateError):
                await self._ensure_consumer().commit({TopicPartition(*tp): at for tp, at in offsets.items()})

    async def seek_all(self, offsets: Mapping[TP, int]) -> None:
        """Set fetch positions; data fetched from elsewhere is dropped. Partitions that are not ours are skipped."""
        await self.call_thread(self._seek_all, offsets)

    async def _seek_all(self, offsets: Mapping[TP, int]) -> None:
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        for tp, offset in offsets.items():
            if TopicPartition(*tp) in assigned:
                consumer.seek(TopicPartition(*tp), offset)

    def close(self) -> None:
        """Nothing: Faust's would close the client in the wrong loop, and stopping the thread closes it anyway."""
