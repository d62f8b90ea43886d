"""Dead letters published again, as the raw messages that they were, to where they came from."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from stream_rec.bus.clients import producer_config
from stream_rec.bus.topics import partition_counts
from stream_rec.clock import Clock
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.schemas.columns import Span
from stream_rec.schemas.records import DeadLetter
from stream_rec.schemas.topics import FOLLOWED, decode, full_name
from stream_rec.settings import BusSettings, IngestSettings

_POLL_SECONDS = 0.05
_SHOWN_PLACES = 20


@dataclass(slots=True)
class Replayed:
    """What became of the letters.

    Attributes:
        published: acknowledged by Kafka.
        repeats: left out: the same message is published already (it was replayed before, and set aside again).
        still_refused: of the published ones, those that the present rules refuse again, by reason.
        cut: left out: only their beginning was kept.
        cut_places: the first of these.
        homeless: left out: their topic or partition is not there.
        failed: refused by Kafka, by reason.
    """

    published: int = 0
    repeats: int = 0
    still_refused: Counter[str] = field(default_factory=Counter)
    cut: int = 0
    cut_places: list[str] = field(default_factory=list)
    homeless: int = 0
    failed: Counter[str] = field(default_factory=Counter)


def replay_letters(
    letters: Iterable[DeadLetter], bus: BusSettings, rules: IngestSettings, clock: Clock
) -> Replayed:
    """Publish whole letters again, each message once, on its partition and with its key.

    An event with an `event_id` that was learned meanwhile is not learned again; others have none to be known by.

    Args:
        letters: to publish.
        bus: addresses and bounds.
        rules: what is let in; they say which letters will be dead again.
        clock: stands for the broker's stamp when that is judged.

    Raises:
        ConfigError: security is wrong.
        Unavailable: Kafka does not take them within `bus.publish_timeout_seconds`.
    """
    return _Replay(bus, rules, clock).run(letters)


class _Replay:
    def __init__(self, bus: BusSettings, rules: IngestSettings, clock: Clock) -> None:
        self._bus = bus
        self._rules = rules
        self._clock = clock
        self._counts = partition_counts(bus, FOLLOWED)
        self._seen: set[bytes] = set()
        self._done = Replayed()
        try:
            self._producer = Producer(producer_config(bus))
        except KafkaException as error:
            raise ConfigError(f"Kafka client: {error.args[0].str()}", fix="correct bus.security") from error

    def run(self, letters: Iterable[DeadLetter]) -> Replayed:
        for letter in letters:
            self._take(letter)
        left = self._producer.flush(self._bus.publish_timeout_seconds)
        if left or self._done.failed["timed out"]:
            n = left or self._done.failed["timed out"]
            raise Unavailable(
                "kafka",
                f"{self._bus.bootstrap}: {n} messages were not acknowledged; those that were: {self._done.published}",
                waited_seconds=self._bus.publish_timeout_seconds,
            )
        return self._done

    def _take(self, letter: DeadLetter) -> None:
        done = self._done
        if letter.truncated:
            done.cut += 1
            if len(done.cut_places) < _SHOWN_PLACES:
                done.cut_places.append(f"{letter.topic}/{letter.partition}/{letter.offset}")
        elif letter.partition >= self._counts.get(letter.topic, 0):
            done.homeless += 1
        elif (same := _digest(letter)) in self._seen:
            done.repeats += 1
        else:
            self._seen.add(same)
            self._publish(letter)

    def _publish(self, letter: DeadLetter) -> None:
        if reason := self._judged(letter):
            self._done.still_refused[reason] += 1
        while True:
            try:
                self._producer.produce(
                    full_name(self._bus.prefix, letter.topic),
                    letter.raw,
                    letter.key,
                    partition=letter.partition,
                    on_delivery=self._reported,
                )
            except BufferError:
                self._producer.poll(_POLL_SECONDS)
            except KafkaException as error:
                self._done.failed[error.args[0].str()] += 1
                return
            else:
                self._producer.poll(0)
                return

    def _judged(self, letter: DeadLetter) -> str:
        """Why the rules refuse it again; empty = they do not."""
        span = Span(letter.topic, letter.partition, 0, 0, 1)
        found = decode(letter.topic, _One(letter, int(self._clock.now() * 1000)), span, self._rules)
        return found.rejected[0].reason if found.rejected else ""

    def _reported(self, error: KafkaError | None, _message: Message) -> None:
        if error is None:
            self._done.published += 1
        elif error.code() in (KafkaError._MSG_TIMED_OUT, KafkaError._TIMED_OUT):
            self._done.failed["timed out"] += 1
        else:
            self._done.failed[error.str()] += 1


class _One:
    """A letter's message as a batch of one."""

    def __init__(self, letter: DeadLetter, stamp_ms: int) -> None:
        self.keys = [letter.key]
        self.values = [letter.raw]
        self.offsets = [0]
        self.timestamps = [stamp_ms]


def _digest(letter: DeadLetter) -> bytes:
    """Tells messages apart."""
    parts = (letter.topic.encode(), b"%d" % letter.partition, letter.key or b"", letter.raw)
    hashed = hashlib.blake2b(digest_size=16)
    for part in parts:
        hashed.update(b"%d:" % len(part) + part)
    return hashed.digest()
