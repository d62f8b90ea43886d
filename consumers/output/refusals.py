"""What becomes of a record that Kafka refuses: it is sent again, sent alone, or lost. None of it ends the worker."""

from __future__ import annotations

from enum import Enum, auto

from confluent_kafka import KafkaError, KafkaException

from stream_rec import logs
from stream_rec.bus.clients import translated
from stream_rec.clock import Clock
from stream_rec.errors import ConfigError
from stream_rec.schemas.records import TopicName
from stream_rec.schemas.topics import TOPICS, full_name
from stream_rec.settings import BusSettings

_ALONE_SECONDS = 60.0
"""A topic that has refused a batch gets its records one by one for so long."""
_FOR_GOOD = {
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.INVALID_MSG_SIZE,
    KafkaError.INVALID_MSG,
    KafkaError.INVALID_TIMESTAMP,
    KafkaError.INVALID_RECORD,
    KafkaError._INVALID_DIFFERENT_RECORD,
    KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT,
}
"""What no waiting mends. A broker refuses a whole batch for one record, or for being too large as a whole."""


class Verdict(Enum):
    """What is to be done with a refused record."""

    AGAIN = auto()
    """In a moment: the refusal may be lifted (rights, a topic that is being made)."""
    ALONE = auto()
    """In a batch of its own: another record may be to blame, or only the size of all."""
    LOST = auto()


class Refusals:
    """Judges refusals by topic, and tells of what is lost. Thread-safe as far as one thread judges.

    What may be lifted is waited for `bus.publish_timeout_seconds`, once: while a topic refuses for longer than that,
    what it refuses is lost at once, and batches go on. The first record that it takes ends this.

    Args:
        bus: bounds, and names for the log.
        clock: processing time.
    """

    def __init__(self, bus: BusSettings, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._refused_since: dict[TopicName, float] = {}
        self._alone_until: dict[TopicName, float] = {}
        self._lines = logs.Occasional(clock)
        self._log = logs.get("ingest")

    def wants_alone(self, topic: TopicName) -> bool:
        """Has the topic refused a batch lately?"""
        return bool(self._alone_until) and self._alone_until.get(topic, 0.0) > self._clock.monotonic()

    def accepted(self, topic: TopicName) -> None:
        """A topic has taken a record."""
        if self._refused_since:
            self._refused_since.pop(topic, None)

    def judge(self, topic: TopicName, error: KafkaError, *, was_alone: bool) -> Verdict:
        """What to do with a record that a topic has refused.

        Args:
            topic: that refused it.
            error: the broker's, or the client's.
            was_alone: whether it was sent in a batch of its own.
        """
        now = self._clock.monotonic()
        if error.code() in _FOR_GOOD:
            if was_alone:
                return Verdict.LOST
            self._alone_until[topic] = now + _ALONE_SECONDS
            return Verdict.ALONE
        since = self._refused_since.setdefault(topic, now)
        if now - since > self._bus.publish_timeout_seconds:
            return Verdict.LOST
        if n := self._lines.note(("again", topic, error.code())):
            self._say("Kafka refuses records for now; they are sent again", topic, error, records=n)
        return Verdict.AGAIN

    def tell_lost(self, topic: TopicName, error: KafkaError, record: tuple[bytes, bytes], place: str) -> None:
        """Log a record (key, value) that is lost: the first of a kind, then one line a minute."""
        key, value = record
        if n := self._lines.note(("lost", topic, error.code())):
            self._say(
                "Kafka refuses a record for good: it is lost, and the rest continues",
                topic,
                error,
                records=n,
                record=place if TOPICS[topic].is_keyed_by_user else key.decode(errors="replace")[:200],
                bytes=len(value),
            )

    def _say(self, event: str, topic: TopicName, error: KafkaError, **fields: object) -> None:
        name = full_name(self._bus.prefix, topic)
        self._log.warning(event, topic=name, why=error.str(), fix=self._fix(name, error), **fields)

    def _fix(self, name: str, error: KafkaError) -> str:
        if error.code() in (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE):
            return f"raise max.message.bytes of {name}, and bus.max_message_bytes; `stream-rec doctor` compares them"
        if error.code() == KafkaError.INVALID_TIMESTAMP:
            return f"set message.timestamp.type=LogAppendTime on {name}, or correct this machine's clock"
        if error.code() in (KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART):
            return f"create {name}: a worker does so when it starts"
        ours = translated(KafkaException(error), self._bus, 0.0)
        return ours.fix if isinstance(ours, ConfigError) else "see the broker's log"
