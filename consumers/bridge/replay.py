"""Dead letters of foreign topics, mapped again by the shapes as they are now. Foreign topics are not written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from stream_rec.clock import Clock, SystemClock
from stream_rec.consumers.bridge.control import ControlFollower
from stream_rec.consumers.bridge.inputs import inputs_of
from stream_rec.consumers.bridge.ledger import Ledger
from stream_rec.consumers.bridge.merges import merges_of
from stream_rec.consumers.bridge.outages import Outages
from stream_rec.consumers.bridge.output import Output
from stream_rec.consumers.bridge.translator import Translator
from stream_rec.consumers.output.dead_letters import DeadLetters
from stream_rec.errors import Unavailable
from stream_rec.schemas.records import DeadLetter
from stream_rec.settings import Settings
from stream_rec.shapes.messages import RawMessage

_POLL_SECONDS = 0.05


@dataclass(slots=True)
class Remapped:
    """What became of them.

    Attributes:
        records: published.
        messages: of which these were made.
        still_refused: messages, by reason: the shape, or the registry, is as it was.
        left_out: messages of which the shape makes nothing now.
        cut: messages of which only the beginning was kept.
    """

    records: int = 0
    messages: int = 0
    still_refused: Counter[str] = field(default_factory=Counter)
    left_out: int = 0
    cut: int = 0


class Remapping:
    """Takes the letters of the inputs' topics. Headers are not in a letter: shapes that look at them may refuse again.

    Args:
        settings: the whole tree, with at least one input.
        clock: measures the wait for Kafka.

    Raises:
        ConfigError: an input or a shape is wrong.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.done = Remapped()
        self._bus = settings.bus
        self._clock = clock or SystemClock()
        self._inputs = inputs_of(settings)
        letters = DeadLetters(settings.ingest, self._clock, settings.bridge.shapes)
        merges = merges_of(self._inputs, settings.bridge, self._clock)
        self._control = ControlFollower(settings, merges) if merges is not None else None
        self._translator = Translator(self._inputs, settings.ingest, letters, self._clock, merges)
        self._output = Output(settings.bus, Outages(self._clock, settings.bus.backoff_max_seconds))
        self._ledger = Ledger()
        self._batch = self._ledger.open()

    def take(self, letters: Iterable[DeadLetter]) -> Iterator[DeadLetter]:
        """Publish what letters of foreign messages become now; the others come out as they are.

        Raises:
            Unavailable: the registry does not answer, or Kafka does not take them in `bus.publish_timeout_seconds`.
        """
        if self._control is not None:
            self._control.read()
        for letter in letters:
            if letter.topic in self._inputs:
                self._map(letter)
            else:
                yield letter
        self._wait(0)

    def _map(self, letter: DeadLetter) -> None:
        if letter.truncated:
            self.done.cut += 1
            return
        place = (letter.topic, letter.partition, letter.offset)
        source = self._inputs[letter.topic]
        before = source.dead_letters.copy()
        found = self._translator.records(RawMessage(letter.raw, letter.key, {}, letter.broker_ts, *place))
        records = [record for record in found if record[0] != "dead-letters"]
        self.done.still_refused += source.dead_letters - before
        self.done.messages += bool(records)
        self.done.left_out += not found
        self.done.records += len(records)
        while records:
            records = records[self._output.send(records, self._batch) :]
            self._wait(self._bus.publish_queue_records // 2)

    def _wait(self, most: int) -> None:
        """Until no more than so many records are not acknowledged."""
        began = self._clock.monotonic()
        while self._batch.n_waiting > most:
            self._output.poll(_POLL_SECONDS)
            if self._ledger.refusals:
                raise self._output.refused(self._ledger.refusals[0])
            waited = self._clock.monotonic() - began
            if waited > self._bus.publish_timeout_seconds:
                n = self._batch.n_waiting
                raise Unavailable(
                    "kafka", f"{self._bus.bootstrap}: {n} records are not acknowledged", waited_seconds=waited
                )
