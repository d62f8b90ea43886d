"""A worker of one partition and its readers, in one process and without servers: for benches whose shoppers react.

Records are encoded, decoded, learned, ranked and measured by the code of a worker, and slates are the JSON that Redis
would hold. What is not here is the way between: broker, Redis, ownership, replicas. So batches are of a fixed length,
and the same seed gives the same figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_rec.bus.batch import Columns
from stream_rec.clock import ManualClock
from stream_rec.consumers.handlers.event_metrics import EventMetrics
from stream_rec.consumers.output.slate_encoder import SlateEncoder
from stream_rec.consumers.periodic.drift_alarms import record_of
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.engine.engine import Engine
from stream_rec.errors import ContractError
from stream_rec.feedback.measures import SERVED_HIT_RATE, Measures
from stream_rec.feedback.served import UNKNOWN
from stream_rec.kernels.ids import hash_ids
from stream_rec.schemas.codec import encode
from stream_rec.schemas.columns import EventBatch, IdColumn
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import AsOf, PublishedRecord, Reason, Slate, SlateItem, TopicName
from stream_rec.schemas.shown import ShownSlate
from stream_rec.schemas.topics import decode, key_of, topic_of
from stream_rec.settings import Settings
from stream_rec.telemetry.points import field

LIST_EVERY = 500
"""Events between two renewals of the popular list, which shoppers without a slate are shown."""
_LOG = "loop"
_POPULAR = Reason("popularity")


class LoopWorker:
    """Takes records, as a broker would, and gives slates, as Redis would.

    Args:
        settings: as for a worker.

    Attributes:
        engine: learns.
        drops: events learned when the served hit-rate was found to have fallen, by alarm.
    """

    def __init__(self, settings: Settings) -> None:
        self.engine = Engine(settings.engine, settings.measure)
        self._rules = settings.ingest
        self.drops: list[int] = []
        self._measures = Measures(settings.measure, self.engine.sources)
        self._alarm = settings.alarm
        shown = next(iter(settings.engine.scenarios))
        table = PartitionTable({"events": 1}, {"events": _LOG})
        self._metrics = EventMetrics(self._measures, table, shown, self.engine.event_types)
        self._shown = shown
        self._clock = ManualClock()
        self._encoder = SlateEncoder(self._clock)
        self._read_slate = msgspec.json.Decoder(Slate).decode
        self._slates: dict[str, bytes] = {}
        self._popular: Sequence[SlateItem] = ()
        self._waiting: dict[TopicName, Columns] = {}
        self._ends: dict[TopicName, int] = {}
        self._list_due = 0

    def publish(self, records: Iterable[PublishedRecord], ts: float) -> None:
        """Append records to their topics; the broker takes them at `ts`, seconds."""
        for record in records:
            topic = topic_of(record)
            offset = self._ends.get(topic, 0)
            columns = self._waiting.setdefault(topic, Columns())
            columns.add(key_of(record), encode(record), offset, int(ts * 1000))
            self._ends[topic] = offset + 1

    def work(self) -> None:
        """Take in all that was published, and write the slates of its users.

        Raises:
            ContractError: a record is none.
        """
        waiting, self._waiting = self._waiting, {}
        for topic, columns in sorted(waiting.items()):
            fetched = columns.fetched(TopicPartition(topic, 0), 1, columns.offsets[0], self._ends[topic])
            read = decode(topic, fetched, fetched.span(), self._rules)
            if read.rejected:
                raise ContractError(read.rejected[0].reason, read.rejected[0].detail)
            if isinstance(read.batch, EventBatch):
                self._take_events(read.batch)
            else:
                self.engine.learn_batch(read.batch)
        self.engine.compile_rules()

    def read(self, user_id: str) -> ShownSlate | None:
        """What a reader shows to a user: the last slate, or what is popular; None = nothing was learned yet."""
        json = self._slates.get(user_id)
        if json is None:
            return ShownSlate(self._popular, "") if self._popular else None
        slate = self._read_slate(json)
        return ShownSlate(slate.items, slate.slate_id, slate.scenario, slate.variant, slate.experiment)

    @property
    def n_rises(self) -> int:
        """How often the served hit-rate was found to have risen."""
        return int(self._measures.live().get(field("drift_alarms", {"direction": "rise"}), 0))

    def _take_events(self, batch: EventBatch) -> None:
        """As `consumers.handlers.events` does."""
        self._clock.advance(float(batch.ts[-1]) - self._clock.now())
        served, popular = self._metrics.ranks(self.engine, batch)
        learned = self.engine.learn(batch)
        for places in (learned.repeated, learned.ignored, learned.no_interest):
            served[places] = UNKNOWN
        users = list(dict.fromkeys(batch.users.to_list()))
        ranked = self._encoder.rank(self.engine, users, only=[self._shown])
        as_of = AsOf(_LOG, 0, batch.span.next - 1, int(batch.broker_ts[-1]), float(batch.ts[-1]))
        for slate in self._encoder.encode(users, ranked, as_of):
            self._slates[slate.user_id] = slate.json
        self._metrics.served(users, ranked)
        self._metrics.learned(batch, served, popular, learned)
        self._measures.due_points(self._clock.monotonic())
        for change in self._measures.take_changes():
            if change.metric == SERVED_HIT_RATE:
                self.drops.append(self.engine.n_learned)
            self.publish([record_of(self._alarm, change, self._clock.now())], self._clock.now())
        self._renew_popular()

    def _renew_popular(self) -> None:
        if self.engine.n_learned < self._list_due:
            return
        self._list_due = self.engine.n_learned + LIST_EVERY
        top = self.engine.popular(self.engine.decisions.scenarios[self._shown].k)
        self._popular = [SlateItem(*each, _POPULAR) for each in zip(top.items, top.scores, strict=True)]
        hashes: NDArray[np.uint64] = hash_ids(IdColumn.of(top.items))
        self._measures.served.set_popular(hashes)
