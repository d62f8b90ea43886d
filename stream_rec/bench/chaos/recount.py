"""The log, counted by a plain consumer that has nothing to do with the workers.

On purpose not on `stream_rec.bus.reader`: it is the witness against what workers read through that, and would not see a
fault that it shared.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Mapping

import msgspec
from confluent_kafka import Message, TopicPartition

from stream_rec.bench.chaos.shoppers import SHOPPER, Join
from stream_rec.bench.chaos.steering import GUEST, NEVER
from stream_rec.bench.chaos.tally import Tally, Testimony
from stream_rec.bus.clients import reader
from stream_rec.errors import Unavailable
from stream_rec.schemas.records import Impression, Interaction
from stream_rec.schemas.topics import full_name
from stream_rec.settings import BusSettings

_decode = msgspec.json.Decoder(Interaction).decode
_decode_shown = msgspec.json.Decoder(Impression).decode


class Recount(threading.Thread):
    """Reads `events` and `impressions` from their beginning, committed records only.

    An event_id counts once in a partition, a guest never.

    Args:
        bus: where from.
        n_partitions: of `events`.
        n_shown: partitions of `impressions`.
    """

    def __init__(self, bus: BusSettings, n_partitions: int, n_shown: int) -> None:
        super().__init__(name="recount", daemon=True)
        topic, self._shown_topic = full_name(bus.prefix, "events"), full_name(bus.prefix, "impressions")
        self._consumer = reader(
            bus, {"isolation.level": "read_committed", "auto.offset.reset": "error", "fetch.wait.max.ms": 50}
        )
        self._consumer.assign(
            [TopicPartition(topic, partition, 0) for partition in range(n_partitions)]
            + [TopicPartition(self._shown_topic, partition, 0) for partition in range(n_shown)]
        )
        self._tally = Tally()
        self._interests: Counter[str] = Counter()
        self._join = Join()
        self._next: defaultdict[int, int] = defaultdict(int)
        self._next_shown: defaultdict[int, int] = defaultdict(int)
        self._last: dict[str, tuple[int, int]] = {}
        self._ids: defaultdict[int, set[str]] = defaultdict(set)
        self._held = threading.Lock()
        self._over = threading.Event()
        self._failure: Exception | None = None

    def has_reached(self, ends: Mapping[int, int], shown_ends: Mapping[int, int]) -> bool:
        """Is everything before these offsets of the two topics counted?

        Raises:
            Exception: what ended the reading.
        """
        if self._failure is not None:
            raise self._failure
        return all(self._next[partition] >= end for partition, end in ends.items()) and all(
            self._next_shown[partition] >= end for partition, end in shown_ends.items()
        )

    def shown(self) -> tuple[Testimony, dict[str, tuple[int, int]]]:
        """The counts so far, and (partition, offset) of the last event of each user but shoppers."""
        with self._held:
            counted = msgspec.structs.replace(
                self._tally.shown(), histories=dict(self._interests), outcomes=self._join.counts()
            )
            return counted, dict(self._last)

    def end(self) -> None:
        """Stop reading."""
        self._over.set()
        self.join()

    def run(self) -> None:
        """The thread."""
        try:
            while not self._over.is_set():
                for message in self._consumer.consume(1_000, 0.1):
                    self._take(message)
        except Exception as error:  # noqa: BLE001 - raised by `has_reached`
            self._failure = error
        finally:
            self._consumer.close()

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            if error.retriable():
                return
            raise Unavailable("kafka", f"the log cannot be read: {error.str()}")
        if message.topic() == self._shown_topic:
            with self._held:
                self._join.add(_decode_shown(message.value()))
                self._next_shown[message.partition()] = message.offset() + 1
            return
        partition, offset = message.partition(), message.offset()
        if offset < self._next[partition]:
            raise Unavailable("kafka", f"events/{partition} was read at {offset} again")
        try:
            event = _decode(message.value())
        except msgspec.MsgspecError:  # a bad message: the workers set it aside
            self._next[partition] = offset + 1
            return
        if event.user_id.startswith(GUEST):
            self._next[partition] = offset + 1
            return
        ids = self._ids[partition]
        with self._held:
            self._next[partition] = offset + 1
            self._join.add(event)
            if not event.user_id.startswith(SHOPPER):  # nobody looks at their slates
                self._last[event.user_id] = (partition, offset)
            if event.event_id not in ids:
                counted = (offset, event.event_id or "", event.user_id, event.item_id)
                self._tally.add(partition, [counted])
                self._interests[event.user_id] += event.event_type != NEVER
        if event.event_id:
            ids.add(event.event_id)
