"""A member of a consumer group that fetches nothing: which partitions are ours, and commits that only owners make.

What is read is read by `Reader`. A commit carries the group's generation, so the broker refuses that of a member
which has lost its partitions and does not know it yet: whatever is decided by a commit is decided once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from stream_rec.bus import clients
from stream_rec.bus.naming import on_bus, ours
from stream_rec.errors import Unavailable
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import TopicName
from stream_rec.schemas.topics import full_name
from stream_rec.settings import BusSettings

_LOST = {
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError._STATE,
    KafkaError._ASSIGNMENT_LOST,
}
"""Errors of a commit that say: not yours, or not any more."""


class Committed(NamedTuple):
    """What the group has committed of a partition.

    Attributes:
        offset: the next one; None = nothing.
        note: what was committed with it; empty where there was nothing, or the broker (the embedded one) keeps none.
    """

    offset: int | None
    note: str = ""


class NotOwnerError(Exception):
    """The commit was refused: the partition is another member's by now, or is about to be."""


class Membership:
    """One member. Not thread-safe; its callbacks run inside of `poll`, and may not commit.

    Args:
        bus: addresses, timeouts.
        group: its id.
        topics: that the group shares.
        on_assigned: told which partitions are ours from now on.
        on_gone: told which of them are another's, or about to be.
    """

    def __init__(
        self,
        bus: BusSettings,
        group: str,
        topics: Collection[TopicName],
        on_assigned: Callable[[list[TopicPartition]], None],
        on_gone: Callable[[list[TopicPartition]], None],
    ) -> None:
        self._bus = bus
        self._commit: threading.Thread | None = None
        session_ms = int(bus.session_timeout_seconds * 1000)
        self._consumer: Consumer = clients.reader(
            bus,
            {
                "group.id": group,
                "session.timeout.ms": session_ms,
                "heartbeat.interval.ms": min(1000, session_ms // 3),
                "partition.assignment.strategy": "range",  # eager: the embedded broker knows no other
                "topic.metadata.refresh.interval.ms": int(bus.metadata_seconds * 1000),
                "reconnect.backoff.ms": 50,
                "reconnect.backoff.max.ms": int(bus.backoff_max_seconds * 1000),
            },
        )

        def assigned(consumer: Consumer, partitions: list[KafkaPartition]) -> None:
            consumer.assign(partitions)
            consumer.pause(partitions)
            on_assigned(self._ours(partitions))

        def gone(_: Consumer, partitions: list[KafkaPartition]) -> None:
            on_gone(self._ours(partitions))

        self._consumer.subscribe(
            [full_name(bus.prefix, name) for name in topics],
            on_assign=assigned,
            on_revoke=gone,
            on_lost=gone,
        )

    def poll(self, seconds: float = 0.0) -> None:
        """Take part in what the group does. Call it several times a minute.

        Raises:
            ConfigError: the broker refuses us.
            Unavailable: an error that is neither transient nor handled.
        """
        message = self._consumer.poll(seconds)
        error = message.error() if message is not None else None
        if error is not None and not error.retriable() and not clients.is_silence(error):
            raise clients.translated(KafkaException(error), self._bus, 0.0)

    def committed(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Committed]:
        """What the group has committed.

        Raises:
            ConfigError, Unavailable: the broker refuses, or did not answer within `bus.admin_timeout_seconds`.
        """
        asked = [on_bus(self._bus.prefix, tp) for tp in partitions]
        began = time.monotonic()
        try:
            answers = self._consumer.committed(asked, timeout=self._bus.admin_timeout_seconds)
            for answer in answers:
                if answer.error:
                    raise KafkaException(answer.error)
        except KafkaException as error:
            raise clients.translated(error, self._bus, time.monotonic() - began) from error
        return {
            ours(self._bus.prefix, at): Committed(at.offset if at.offset >= 0 else None, at.metadata or "")
            for at in answers
        }

    def commit(self, tp: TopicPartition, offset: int, note: str) -> None:
        """Commit the next offset of a partition, with a note. On return the group has it.

        The client waits without a bound, and for ever where it loses its coordinator meanwhile: so it does in a thread
        of its own. It then lets nobody in (findings/confluent-kafka-one-call-at-a-time.sh), and is of no more use. For
        the same reason no callback may commit: `poll`, in which it runs, would not let that thread in.

        Raises:
            NotOwnerError: we are not to decide about this partition; nothing was committed.
            ConfigError: the broker refuses.
            Unavailable: it did not answer within `bus.admin_timeout_seconds`: it may be committed or not. It can only
                be closed.
        """
        at = KafkaPartition(full_name(self._bus.prefix, tp.topic), tp.partition, offset, note)
        began, seconds = time.monotonic(), self._bus.admin_timeout_seconds
        answer: list[KafkaError | None] = []
        self._commit = threading.Thread(target=self._commit_one, args=(at, answer), daemon=True)
        self._commit.start()
        self._commit.join(seconds)
        if not answer:
            raise Unavailable("kafka", "a commit is not answered", waited_seconds=seconds)
        [error] = answer
        if error is None:
            return
        if error.code() in _LOST:
            raise NotOwnerError(error.str())
        raise clients.translated(KafkaException(error), self._bus, time.monotonic() - began)

    def close(self) -> None:
        """Leave the group; what is ours is revoked first. While a commit is not answered the group has to notice it."""
        if self._commit is None or not self._commit.is_alive():
            self._consumer.close()

    def _commit_one(self, at: KafkaPartition, answer: list[KafkaError | None]) -> None:
        try:
            told = self._consumer.commit(offsets=[at], asynchronous=False)
        except KafkaException as error:
            answer.append(error.args[0])
        else:
            answer.append(next((each.error for each in told or () if each.error), None))

    def _ours(self, partitions: Sequence[Any]) -> list[TopicPartition]:
        return [ours(self._bus.prefix, partition) for partition in partitions]
