"""The foreign topics, read as a member of a consumer group."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_INVALID,
    OFFSET_STORED,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from stream_rec import logs
from stream_rec.bus.clients import client_config, translated
from stream_rec.bus.foreign import group_of, source_bus
from stream_rec.consumers.bridge.inputs import Input
from stream_rec.consumers.bridge.ledger import Place
from stream_rec.consumers.bridge.outages import Outages, kafka
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.settings import BridgeSettings, BusSettings, Settings

_ENDED = KafkaError._PARTITION_EOF
_UNPLACED = (KafkaError._AUTO_OFFSET_RESET, KafkaError._NO_OFFSET)
"""The offset of a partition is out of range, or there is none."""
_SHOWN_TOPICS = 20
_MAX_GIVEN_UP = 8
"""Commits that nobody waits for any more, and that are not answered."""

Gone = Callable[[bool], None]
"""Called before partitions are taken away: whether they are still ours, so that their offsets may be committed."""


class Source:
    """Reads the inputs' topics; committed transactions only. Commits what it is told to. Not thread-safe.

    Args:
        settings: addresses and bounds.
        inputs: by topic.
        gone: told of partitions that go to others; everything in hand is to be finished or forgotten in it.
        outages: is told of trouble.

    Attributes:
        bus: where the topics are.
        service: what their cluster is called in outages.
        committed: by partition, what was committed since they were ours.

    Raises:
        ConfigError: no address, or security is wrong.
    """

    def __init__(self, settings: Settings, inputs: Mapping[str, Input], gone: Gone, outages: Outages) -> None:
        self.bus = source_bus(settings)
        self.service = kafka(self.bus)
        self.committed: dict[Place, int] = {}
        self._inputs = inputs
        self._gone = gone
        self._outages = outages
        self._group = group_of(settings)
        self._unplaced: set[Place] = set()
        self._ended: dict[Place, int] = {}
        self._is_paused = False
        self._given_up: list[threading.Thread] = []
        self._log = logs.get("ingest")
        self._consumer = _made(self.bus, settings.bridge, self._group, outages)

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
        first = self._consumer.poll(seconds)
        if first is None:
            return []
        found = [first, *self._consumer.consume(n - 1, 0.0)] if n > 1 else [first]
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

    def commit(self, nexts: Mapping[Place, int]) -> bool:
        """Commit offsets, and wait for it, `bus.admin_timeout_seconds` at most; whether the broker has taken them.

        The client itself waits without a bound, and for ever where it loses its coordinator meanwhile. A commit that is
        given up may still be answered: that does no harm, as what it says is published.

        Raises:
            ConfigError: the broker refuses us.
            Unavailable: so many were given up in a row that nothing will be committed any more.
        """
        offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in nexts.items()]
        taken: list[bool] = []
        commit = threading.Thread(target=self._commit, args=(offsets, taken), daemon=True)
        commit.start()
        commit.join(self.bus.admin_timeout_seconds)
        if commit.is_alive():
            self._given_up = [each for each in self._given_up if each.is_alive()] + [commit]
            self._outages.note(self.service, "a commit is not answered")
            if len(self._given_up) > _MAX_GIVEN_UP:
                waited = len(self._given_up) * self.bus.admin_timeout_seconds
                raise Unavailable("kafka", "commits are not answered", waited_seconds=waited)
            return False
        if not taken:
            return False
        self.committed |= nexts
        return True

    def _commit(self, offsets: list[TopicPartition], taken: list[bool]) -> None:
        """In a thread of its own; `taken` gets an entry if the broker has taken all of them."""
        try:
            answers = self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            self._outages.heard(error.args[0], self.bus)
        except RuntimeError:  # the consumer was closed meanwhile
            return
        else:
            if not any(answer.error for answer in answers or ()):
                taken.append(True)

    def lag(self) -> dict[Place, int]:
        """Messages behind the end, by partition that is ours, as of the last fetch. From any thread."""
        found = {}
        for (topic, partition), offset in list(self.committed.items()):
            with suppress(KafkaException, RuntimeError):
                ends = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
                if ends is not None and ends[1] >= 0:
                    found[topic, partition] = max(0, ends[1] - offset)
        return found

    def close(self) -> None:
        """Leave the group; while a commit is not answered yet, the group has to notice by itself.

        The client may not be taken away beneath a thread that waits in it.
        """
        if not any(each.is_alive() for each in self._given_up):
            self._consumer.close()

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
        # What was paused when it was lost is paused still when it comes again (librdkafka 2.16).
        consumer.assign(partitions)
        consumer.resume(partitions)
        self._is_paused = False
        self._log.info("partitions assigned", partitions=len(partitions), group=self._group)

    def _revoked(self, _consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self._gone(True)
        self._forget()

    def _lost(self, _consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self._gone(False)
        self._forget()

    def _forget(self) -> None:
        self.committed.clear()
        self._unplaced.clear()
        self._ended.clear()

    def _handle(self, message: Message) -> None:
        """What comes in place of a message."""
        error, place = message.error(), (message.topic(), message.partition())
        if error.code() == _ENDED:
            self._ended[place] = message.offset()
        elif error.code() in _UNPLACED:
            self._unplaced.add(place)
        elif error.fatal():
            raise translated(KafkaException(error), self.bus, 0.0)
        else:
            self._outages.heard(error, self.bus)

    def _place(self) -> None:
        """Begin with partitions that have no offset, or one that is not there."""
        if not self._unplaced:
            return
        try:
            self._assign({place: self._begin(*place) for place in self._unplaced})
        except KafkaException as error:
            self._outages.heard(error.args[0], self.bus)
        else:
            self._unplaced.clear()

    def _assign(self, starts: Mapping[Place, int]) -> None:
        """Read some partitions from these offsets on, the others from where they are.

        A partition without a position cannot be sought, nor may one be assigned alone in this protocol.
        """
        ours = self._consumer.position(self._consumer.assignment())
        for each in ours:
            each.offset = starts.get((each.topic, each.partition), each.offset)
            if each.offset == OFFSET_INVALID:
                each.offset = OFFSET_STORED
        self._consumer.assign(ours)
        if self._is_paused:
            self._consumer.pause(ours)

    def _begin(self, topic: str, partition: int) -> int:
        """From which offset on to read it."""
        seconds, at = self.bus.admin_timeout_seconds, TopicPartition(topic, partition)
        [committed] = self._consumer.committed([at], timeout=seconds)
        [read] = self._consumer.position([at])
        position = read.offset if read.offset >= 0 else committed.offset
        if position < 0:
            return self._first(topic, partition)
        low, high = self._consumer.get_watermark_offsets(at, timeout=seconds)
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

    def _first(self, topic: str, partition: int) -> int:
        """Where a group begins that has no offset of a partition.

        That is its input's `begin` if the group has never read the topic; a partition that was added is read whole.
        """
        seconds = self.bus.admin_timeout_seconds
        if self._inputs[topic].begin == "earliest":
            return int(OFFSET_BEGINNING)
        n = len(self._consumer.list_topics(topic, timeout=seconds).topics[topic].partitions)
        all_of_it = [TopicPartition(topic, each) for each in range(n)]
        if any(one.offset >= 0 for one in self._consumer.committed(all_of_it, timeout=seconds)):
            return int(OFFSET_BEGINNING)
        ends = [
            TopicPartition(
                topic, each.partition, self._consumer.get_watermark_offsets(each, timeout=seconds)[1]
            )
            for each in all_of_it
        ]
        self._consumer.commit(offsets=ends, asynchronous=False)
        return int(ends[partition].offset)


def _made(bus: BusSettings, bridge: BridgeSettings, group: str, outages: Outages) -> Consumer:
    config: dict[str, Any] = {
        **client_config(bus),
        "group.id": group,
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
        "error_cb": lambda error: outages.heard(error, bus),
    }
    if not bus.bootstrap:
        raise ConfigError(
            "no Kafka address", fix="set bus.bootstrap, or start the embedded broker: `stream-rec up`"
        )
    try:
        return Consumer(config)
    except KafkaException as error:
        raise ConfigError(f"Kafka client: {error.args[0].str()}", fix="correct bus.security") from error
