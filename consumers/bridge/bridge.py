"""The bridge's loop: take messages, map them, publish what they become, commit what Kafka has acknowledged.

At least once: an offset is committed when every record made of the messages before it is acknowledged. What is
published again after a kill has the same event ids, and workers learn it once.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from stream_rec.bus.lag import OffsetReader
from stream_rec.bus.stalls import Stall
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import Clock, SystemClock
from stream_rec.consumers.bridge.control import ControlFollower
from stream_rec.consumers.bridge.inputs import Input, inputs_of
from stream_rec.consumers.bridge.ledger import Batch, Ledger, Place
from stream_rec.consumers.bridge.merges import merges_of
from stream_rec.consumers.bridge.outages import Outages
from stream_rec.consumers.bridge.output import Output
from stream_rec.consumers.bridge.source import Source
from stream_rec.consumers.bridge.translator import Record, Translator
from stream_rec.consumers.output.dead_letters import DeadLetters
from stream_rec.errors import Unavailable
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import Settings
from stream_rec.shapes.messages import NO_HEADERS, RawMessage, Registry

_READ_SECONDS = 0.1
_ACK_SECONDS = 0.01
_LOOK_SECONDS = 0.005
"""Between two looks for answers to commits, while acknowledgements are waited for as well."""
_ANSWER_SECONDS = 0.001
"""The same while nothing else is waited for. Each look may bring a message for later: without a break between them
there would be a batch of those before the answer, and what was fetched would be fetched again, a second later."""
_PAUSE_AFTER_SECONDS = 1.0
"""Waiting longer than this, partitions are paused: what was fetched ahead of it is fetched again."""
_STOP_SECONDS = 2.0
"""Of waiting for what is on its way, when it is told to stop."""
_LEAVE_SECONDS = 1.5
"""Of committing and leaving the group after that."""
_COMMITS = 4
"""As often is committed, at least, as `bridge.uncommitted_records` are published."""


@dataclass(slots=True)
class _Hand:
    """Messages that were taken and are not all published.

    Attributes:
        messages: in the order in which they came.
        batch: into which they go.
        ended: partitions that have no more behind them, and the offset there.
        at: the message that is next.
        records: of this message, those that there was no room for; empty = it is not begun with.
    """

    messages: list[Message]
    batch: Batch
    ended: Mapping[Place, int]
    at: int = 0
    records: list[Record] = field(default_factory=list)

    @property
    def is_begun(self) -> bool:
        """Is something of it published, which can only be committed once the rest is?"""
        return self.at > 0 or bool(self.records)


class Bridge:
    """Reads the inputs of the settings and publishes to our topics. Everything in one thread but `figures`.

    Args:
        settings: the whole tree; `bus.bootstrap` must be set.
        registry: of schemas; None = the one of the settings.
        clock: processing time.

    Attributes:
        inputs: by topic, with counts of what became of their messages.

    Raises:
        ConfigError: no input, a shape or an address is wrong.
    """

    def __init__(
        self, settings: Settings, registry: Registry | None = None, clock: Clock | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self.inputs: Mapping[str, Input] = inputs_of(settings, registry)
        self._ledger = Ledger()
        self._outages = Outages(self._clock, settings.bus.backoff_max_seconds)
        self._letters = DeadLetters(settings.ingest, self._clock, settings.bridge.shapes)
        self._merges = merges_of(self.inputs, settings.bridge, self._clock)
        self._control = ControlFollower(settings, self._merges) if self._merges is not None else None
        self._translator = Translator(self.inputs, settings.ingest, self._letters, self._clock, self._merges)
        self._output = Output(settings.bus, self._outages)
        self._stall = Stall(settings.bus, self._clock)
        self._source = Source(settings, self.inputs, self._gone, self._committed, self._outages, self._clock)
        self._lag: Mapping[Place, int] = {}
        self._hand: _Hand | None = None
        self._again_at = 0.0
        self._blocked_since: float | None = None
        self._looked_at = 0.0
        self._committed_at = self._clock.monotonic()
        self._is_ending = False

    def run(self, stopping: threading.Event, *, until_end: bool = False) -> None:
        """Work until told to stop, then finish what is on its way, commit, and leave the group.

        Args:
            stopping: set when it is to end.
            until_end: end, too, when everything that was there at the start is published and committed. It must be
                the group's only member.

        Raises:
            ConfigError: the operator must fix something: a topic is missing, a server refuses us.
            Unavailable: Kafka does not answer at the start, or refuses records for a reason that may pass.
        """
        ensure_topics(self._settings.bus)
        if self._control is not None:
            self._control.start()
        self._source.join()
        ends = self._ends() if until_end else {}
        try:
            while not stopping.is_set():
                self._step()
                if until_end and self._has_reached(ends):
                    break
        finally:
            self._finish()

    @property
    def blocked_seconds(self) -> float:
        """How long it has been waiting for a server; 0 = it is not."""
        since = self._blocked_since
        return 0.0 if since is None else self._clock.monotonic() - since

    @property
    def uncommitted(self) -> int:
        """Records published whose source is not committed."""
        return self._ledger.size

    def lag(self) -> dict[Place, int]:
        """Messages behind the end, by partition that is ours, `bus.commit_interval_seconds` ago at most."""
        return dict(self._lag)

    def _step(self) -> None:
        """One turn of the loop."""
        self._output.poll()
        self._raise_failures()
        self._commit_if_due()
        n_waiting = self._ledger.n_waiting
        if self._stall.is_one(is_waiting=n_waiting > 0, progress=(n_waiting, self._ledger.n_settled)):
            self._begin_anew()
        hand, now = self._hand, self._clock.monotonic()
        if hand is not None and now >= self._again_at and (hand.is_begun or not self._is_full):
            self._publish(hand)
        if self._hand is not None or self._is_full:
            self._wait()
            return
        self._blocked_since = None
        self._source.resume()
        self._take(self._source.read(self._settings.bridge.batch_records, _READ_SECONDS))

    @property
    def _is_full(self) -> bool:
        """Is so much published and not committed that nothing more may be begun with?"""
        return self._ledger.size >= self._settings.bridge.uncommitted_records

    def _wait(self) -> None:
        """Serve acknowledgements, the group, and answers to commits, which come with messages: few, for later."""
        now, hand, n_waiting = self._clock.monotonic(), self._hand, self._ledger.n_waiting
        self._blocked_since = self._blocked_since or now
        is_long = now - self._blocked_since >= _PAUSE_AFTER_SECONDS
        is_soon = self._source.is_committing() and not n_waiting and not is_long
        self._output.poll(_ANSWER_SECONDS if is_soon else _ACK_SECONDS)
        n_late = len(hand.messages) - hand.at if hand is not None else 0
        if is_long or n_late >= self._settings.bridge.batch_records:
            self._source.pause()
        if not n_waiting or now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            self._take(self._source.read(1, 0.0))

    def _take(self, messages: list[Message]) -> None:
        """Take into hand what was read."""
        if messages:
            self._outages.over(self._source.service)
        if self._hand is not None:
            self._hand.messages += messages
            return
        ended = self._source.take_ended()
        if messages or ended:
            self._hand = _Hand(messages, self._ledger.open(), ended)

    def _publish(self, hand: _Hand) -> None:
        """Publish what is in hand, as far as servers take it; the rest stays in hand."""
        batch, send, records_of, messages = hand.batch, self._output.send, self._records, hand.messages
        try:
            while hand.records or hand.at < len(messages):
                message = messages[hand.at]
                records = hand.records or records_of(message)
                n = send(records, batch)
                if n < len(records):
                    hand.records = records[n:]
                    return
                hand.records = []
                batch.nexts[message.topic(), message.partition()] = message.offset() + 1
                batch.n_messages += 1
                hand.at += 1
        except Unavailable as error:
            self._again_at = self._clock.monotonic() + self._outages.note(error.service, error.detail)
            return
        self._outages.over("registry")
        for place, offset in hand.ended.items():
            batch.nexts[place] = max(offset, batch.nexts.get(place, offset))
        self._let_go()

    def _records(self, message: Message) -> list[Record]:
        """What is to be published for a message."""
        topic, (kind, timestamp) = message.topic(), message.timestamp()
        headers = dict(message.headers() or ()) if self.inputs[topic].reads_headers else NO_HEADERS
        return self._translator.records(
            RawMessage(
                message.value(),
                message.key(),
                headers,
                timestamp if kind != TIMESTAMP_NOT_AVAILABLE else -1,
                topic,
                message.partition(),
                message.offset(),
            )
        )

    def _forget(self) -> None:
        """What is not committed comes again, to us or to others."""
        self._ledger.clear()
        if self._merges is not None:
            self._merges.unsure()

    def _let_go(self) -> None:
        """Nothing is in hand any more; what was published of it counts."""
        if self._hand is not None:
            self._ledger.close(self._hand.batch)
        self._hand, self._again_at = None, 0.0

    def _raise_failures(self) -> None:
        if self._outages.failure is not None:
            raise self._outages.failure
        if self._control is not None and self._control.failure is not None:
            raise self._control.failure
        if self._ledger.refusals:
            raise self._output.refused(self._ledger.refusals[0])

    def _commit_if_due(self) -> None:
        if self._source.is_committing():
            return
        now, size = self._clock.monotonic(), self._ledger.size_unsaid
        is_late = now - self._committed_at >= self._settings.bus.commit_interval_seconds
        if is_late or size * _COMMITS >= self._settings.bridge.uncommitted_records:
            self._committed_at = now
            self._commit()
            self._lag = self._source.lag()
            self._letters.tell_held_back()
            self._translator.tell_held_back()

    def _commit(self) -> None:
        """Commit what is acknowledged; what the broker does not take is tried again."""
        nexts = self._ledger.to_commit()
        if nexts:
            self._outages.over(self._output.service)
            self._source.commit(nexts)

    def _committed(self) -> None:
        self._ledger.committed()
        self._outages.over(self._source.service)

    def _gone(self, is_ours: bool) -> None:
        """Partitions go to others, who begin at what is committed: finish, or forget what is not finished."""
        self._let_go()
        if self._is_ending:
            return
        if is_ours:
            self._drain(self._settings.bus.drain_seconds)
            self._commit()
        if not self._ledger.is_settled:
            self._output.renew()
        self._forget()

    def _begin_anew(self) -> None:
        """Publish what is not committed once more, with another producer."""
        self._let_go()
        self._output.renew()
        self._forget()
        self._source.begin_again()

    def _drain(self, seconds: float) -> None:
        """Wait until everything is acknowledged, so long at most."""
        deadline = self._clock.monotonic() + seconds
        while not self._ledger.is_settled and not self._ledger.refusals:
            if self._clock.monotonic() >= deadline:
                return
            self._output.poll(_ACK_SECONDS)

    def _finish(self) -> None:
        """The end, within seconds whoever is away: what is not finished comes again."""
        self._is_ending = True
        self._let_go()
        self._drain(_STOP_SECONDS)
        closing = threading.Thread(target=self._leave, name="bridge-leave", daemon=True)
        closing.start()
        closing.join(_LEAVE_SECONDS)

    def _leave(self) -> None:
        """These calls wait for brokers."""
        self._commit()
        self._source.close()
        if self._control is not None:
            self._control.stop()

    def _ends(self) -> Mapping[TopicPartition, int]:
        return OffsetReader(self._source.bus).ends(list(self.inputs))

    def _has_reached(self, ends: Mapping[TopicPartition, int]) -> bool:
        return all(self._source.committed.get(place, -1) >= end for place, end in ends.items())
