"""The foreign topics, read as a member of a consumer group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from stream_rec import logs
from stream_rec.bus.clients import client_config, translated
from stream_rec.bus.foreign import group_of, source_bus
from stream_rec.clock import Clock
from stream_rec.consumers.bridge.inputs import Input
from stream_rec.consumers.bridge.ledger import Place
from stream_rec.consumers.bridge.outages import Outages, kafka
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.settings import BridgeSettings, Settings

_ENDED = KafkaError._PARTITION_EOF
_OUT_OF_RANGE = KafkaError._AUTO_OFFSET_RESET
_SHOWN_TOPICS = 20
_MAX_GIVEN_UP = 8
"""Commits in a row that were not answered."""

Gone = Callable[[bool], None]
"""Called before partitions are taken away: whether they are still ours, so that their offsets may be committed."""


class _Commit(NamedTuple):
    """One that is not answered yet.

    Attributes:
        nexts: what is to be committed.
        due: when it is given up, by the monotonic clock.
    """

    nexts: dict[Place, int]
    due: float


class Source:
    """Reads the inputs' topics; committed transactions only. Commits what it is told to. For one thread.

    The client lets one call in at a time (findings/confluent-kafka-one-call-at-a-time.sh): whoever asks from another
    thread waits for as long as a read does, and a commit that waits for its answer stops them all.

    Args:
        settings: addresses and bounds.
        inputs: by topic.
        gone: told of partitions that go to others; everything in hand is to be finished or forgotten in it.
        committed: told that the broker has taken the last commit.
        outages: is told of trouble.
        clock: processing time.

    Attributes:
        bus: where the topics are.
        service: what their cluster is called in outages.
        committed: by partition, what was committed since they were ours.

    Raises:
        ConfigError: no address, or security is wrong.
    """

    def __init__(
        self,
        settings: Settings,
        inputs: Mapping[str, Input],
        gone: Gone,
        committed: Callable[[], None],
        outages: Outages,
        clock: Clock,
    ) -> None:
        self.bus = source_bus(settings)
        self.service = kafka(self.bus)
        self.committed: dict[Place, int] = {}
        self._inputs = inputs
        self._gone = gone
        self._taken = committed
        self._outages = outages
        self._clock = clock
        self._group = group_of(settings)
        self._starts: dict[Place, int] = {}
        self._out_of_range: set[Place] = set()
        self._ended: dict[Place, int] = {}
        self._n_forgotten = 0
        self._is_paused = False
        self._sent: _Commit | None = None
        self._n_given_up = 0
        self._log = logs.get("ingest")
        self._consumer = self._made(settings.bridge)

    def join(self) -> dict[Place, None]:
        """Subscribe; all partitions of the topics.

        Raises:
            ConfigError: a topic is not there, or the broker refuses us.
            Unavailable: the broker does not answer.
        """
        counts = self._partition_counts()
        self._consumer.subscribe(
            list(self._inputs), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )
        return {(topic, n): None for topic in self._inputs for n in range(counts[topic])}

    def read(self, n: int, seconds: float) -> list[Message]:
        """What has come, n messages at most; waits for the first of them. Serves the group.

        Raises:
            ConfigError: the broker refuses us, or a topic ends before the group's offset.
            Unavailable: an error that is neither transient nor handled.
        """
        self._place()
        n_forgotten = self._n_forgotten
        first = self._consumer.poll(seconds)
        if first is None:
            return []
        found = [first, *self._consumer.consume(n - 1, 0.0)] if n > 1 else [first]
        if self._n_forgotten != n_forgotten:
            # Some may have come before the partitions went: to commit behind them would pass over what was forgotten.
            self.begin_again()
            return []
        errors = [message for message in found if message.error() is not None]
        if errors:
            found = [message for message in found if message.error() is None]
            for message in errors:
                self._handle(message)
        return found

    def take_ended(self) -> dict[Place, int]:
        """Partitions of which there was nothing more to read, and the offset behind: markers may stand before it."""
        ended, self._ended = self._ended, {}
        return ended

    def pause(self) -> None:
        """Fetch no more for now, without leaving the group; what the client has already may still come."""
        if not self._is_paused:
            self._is_paused = True
            self._consumer.pause(self._consumer.assignment())

    def resume(self) -> None:
        """Go on."""
        if self._is_paused:
            self._is_paused = False
            self._consumer.resume(self._consumer.assignment())

    def commit(self, nexts: Mapping[Place, int]) -> None:
        """Send offsets to be committed; what comes of it is told in a later `read`.

        Nobody waits for the answer: the client would without a bound, and for ever where it loses its coordinator
        meanwhile. Before partitions go, and before it leaves the group, it waits for what was sent by itself.
        """
        self._sent = _Commit(dict(nexts), self._clock.monotonic() + self.bus.admin_timeout_seconds)
        self._send(nexts)

    def is_committing(self) -> bool:
        """Is a commit on its way? After `bus.admin_timeout_seconds` without an answer it is given up.

        Raises:
            Unavailable: so many were given up in a row that nothing will be committed any more.
        """
        if self._sent is not None and self._clock.monotonic() >= self._sent.due:
            self._sent = None
            self._n_given_up += 1
            self._outages.note(self.service, "a commit is not answered")
            if self._n_given_up > _MAX_GIVEN_UP:
                waited = self._n_given_up * self.bus.admin_timeout_seconds
                raise Unavailable("kafka", "commits are not answered", waited_seconds=waited)
        return self._sent is not None

    def lag(self) -> dict[Place, int]:
        """Messages behind the end, by partition that is ours, as of the last fetch."""
        found = {}
        for (topic, partition), offset in self.committed.items():
            with suppress(KafkaException):
                ends = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
                if ends is not None and ends[1] >= 0:
                    found[topic, partition] = max(0, ends[1] - offset)
        return found

    def begin_again(self) -> None:
        """Read what is ours by now once more, from what is committed on."""
        if self._starts:
            ours = dict.fromkeys(self._starts, OFFSET_INVALID)
            self._consumer.assign([])
            self._forget()
            self._starts = ours

    def close(self) -> None:
        """Leave the group, once what was sent is committed."""
        self._consumer.close()

    def _send(self, nexts: Mapping[Place, int]) -> None:
        offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in nexts.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            self._outages.heard(error.args[0], self.bus)

    def _answered(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        """What became of a commit."""
        trouble = error or next((at.error for at in offsets if at.error), None)
        if trouble is not None:
            self._outages.heard(trouble, self.bus)
        if self._sent is None or {(at.topic, at.partition): at.offset for at in offsets} != self._sent.nexts:
            return  # it was given up, or its partitions went
        nexts, self._sent, self._n_given_up = self._sent.nexts, None, 0
        if trouble is None:
            self.committed |= nexts
            self._taken()

    def _partition_counts(self) -> dict[str, int]:
        try:
            there = self._consumer.list_topics(timeout=self.bus.admin_timeout_seconds).topics
        except KafkaException as error:
            raise translated(error, self.bus, self.bus.admin_timeout_seconds) from error
        for topic, one in self._inputs.items():
            if topic not in there or not there[topic].partitions:
                others = sorted(name for name in there if not name.startswith("__"))[:_SHOWN_TOPICS]
                raise ConfigError(
                    f"Kafka at {self.bus.bootstrap} has no topic {topic} (bridge.inputs.{one.name})",
                    fix=f"correct bridge.inputs.{one.name}.topic; there are {', '.join(others) or 'none'}",
                )
        return {topic: len(there[topic].partitions) for topic in self._inputs}

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # Where they begin is asked by us (`_place`): what the client asks for itself it may never begin with, where the
        # group moves to another coordinator meanwhile (librdkafka 2.16).
        consumer.assign([])
        self._starts = {(each.topic, each.partition): OFFSET_INVALID for each in partitions}
        self._is_paused = False
        self._log.info("partitions assigned", partitions=len(partitions), group=self._group)

    def _revoked(self, _consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self._gone(True)
        self._forget()

    def _lost(self, _consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self._gone(False)
        self._forget()

    def _forget(self) -> None:
        self._n_forgotten += 1
        self._sent = None
        self.committed.clear()
        self._starts.clear()
        self._out_of_range.clear()
        self._ended.clear()

    def _handle(self, message: Message) -> None:
        """What comes in place of a message."""
        error, place = message.error(), (message.topic(), message.partition())
        if error.code() == _ENDED:
            self._ended[place] = message.offset()
        elif error.code() == _OUT_OF_RANGE:
            self._out_of_range.add(place)
        elif error.fatal():
            raise translated(KafkaException(error), self.bus, 0.0)
        else:
            self._outages.heard(error, self.bus)

    def _place(self) -> None:
        """Begin with partitions that are ours since the last read, or have no message at their offset."""
        new = [place for place, start in self._starts.items() if start == OFFSET_INVALID]
        if not new and not self._out_of_range:
            return
        try:
            self._assign(self._next(new) | {place: self._in_range(*place) for place in self._out_of_range})
        except KafkaException as error:
            self._outages.heard(error.args[0], self.bus)
        else:
            self._out_of_range.clear()

    def _assign(self, starts: dict[Place, int]) -> None:
        """Read some partitions from these offsets on, the others from where they are.

        A partition without a position cannot be sought, nor may one be assigned alone in this protocol.
        """
        all_starts = self._starts | starts
        ours = self._consumer.position([TopicPartition(*place) for place in all_starts])
        for each in ours:
            place = each.topic, each.partition
            if place in starts or each.offset < 0:
                each.offset = all_starts[place]
        self._consumer.assign(ours)
        self._starts = all_starts
        # What was paused when it was lost is paused still when it comes again (librdkafka 2.16).
        (self._consumer.pause if self._is_paused else self._consumer.resume)(ours)

    def _next(self, places: list[Place]) -> dict[Place, int]:
        """The offsets that the group has committed, or where it begins."""
        if not places:
            return {}
        found, without = self._committed([TopicPartition(*place) for place in places]), defaultdict(list)
        for topic, partition in places:
            if (topic, partition) not in found:
                without[topic].append((topic, partition))
        for topic, some in without.items():
            found |= self._first(topic, some)
        return found

    def _committed(self, partitions: list[TopicPartition]) -> dict[Place, int]:
        """What the group has committed of some partitions."""
        answers = self._consumer.committed(partitions, timeout=self.bus.admin_timeout_seconds)
        for at in answers:
            if at.error:
                raise KafkaException(at.error)
        return {(at.topic, at.partition): int(at.offset) for at in answers if at.offset >= 0}

    def _in_range(self, topic: str, partition: int) -> int:
        """From which offset on to read a partition that has no message at its offset."""
        at = TopicPartition(topic, partition)
        [read] = self._consumer.position([at])
        position = max(read.offset, self._starts[topic, partition], 0)
        low, high = self._consumer.get_watermark_offsets(at, timeout=self.bus.admin_timeout_seconds)
        if position > high:
            raise ConfigError(
                f"{topic}/{partition} ends at {high}, before offset {position} that is next for {self._group}: "
                "the topic was deleted and made anew, or has lost messages",
                fix="set another bridge.group: it begins as bridge.inputs says",
            )
        if position < low:
            self._log.warning(
                "messages were deleted before they were read; the bridge goes on behind them",
                place=f"{topic}/{partition}/{position}",
                messages=low - position,
                fix="raise the topic's retention, or run more bridges",
            )
        return int(max(position, low))

    def _first(self, topic: str, places: list[Place]) -> dict[Place, int]:
        """Where a group begins that has no offset of some partitions.

        That is its input's `begin` if the group has never read the topic; a partition that was added is read whole.
        """
        whole, seconds = dict.fromkeys(places, int(OFFSET_BEGINNING)), self.bus.admin_timeout_seconds
        if self._inputs[topic].begin == "earliest":
            return whole
        n = len(self._consumer.list_topics(topic, timeout=seconds).topics[topic].partitions)
        all_of_it = [TopicPartition(topic, each) for each in range(n)]
        if self._committed(all_of_it):
            return whole
        ends = {
            (topic, each.partition): int(self._consumer.get_watermark_offsets(each, timeout=seconds)[1])
            for each in all_of_it
        }
        self._send(ends)  # of all partitions, or another one would take itself for an added one
        ours = {place: ends[place] for place in places}
        self._ended |= ours  # committed again if that fails
        return ours

    def _made(self, bridge: BridgeSettings) -> Consumer:
        bus = self.bus
        config: dict[str, Any] = {
            **client_config(bus),
            "group.id": self._group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",  # what is gone is to be told, not passed over
            "isolation.level": "read_committed",
            "partition.assignment.strategy": "roundrobin,range",
            "enable.partition.eof": True,
            "session.timeout.ms": int(bus.session_timeout_seconds * 1000),
            "heartbeat.interval.ms": max(1, int(bus.session_timeout_seconds * 1000 / 3)),
            "topic.metadata.refresh.interval.ms": int(bus.metadata_seconds * 1000),
            "queued.min.messages": bridge.uncommitted_records,
            "queued.max.messages.kbytes": max(1, bridge.fetch_bytes // 1024),
            "fetch.queue.backoff.ms": 5,  # by itself it would wait a second when that many are queued
            "reconnect.backoff.max.ms": int(bus.backoff_max_seconds * 1000),
            "error_cb": lambda error: self._outages.heard(error, bus),
            "on_commit": self._answered,
        }
        if not bus.bootstrap:
            raise ConfigError(
                "no Kafka address", fix="set bus.bootstrap, or start the embedded broker: `stream-rec up`"
            )
        try:
            return Consumer(config)
        except KafkaException as error:
            raise ConfigError(f"Kafka client: {error.args[0].str()}", fix="correct bus.security") from error
