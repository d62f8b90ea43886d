"""What is done with `events`: decode, learn, recommend for the users of the batch, write their slates, measure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_rec import logs
from stream_rec.bus.batch import Fetched
from stream_rec.clock import Clock
from stream_rec.consumers.output.dead_letters import count_unusable, dead_letters
from stream_rec.consumers.output.emitter import Emitter, Outgoing, Receipt
from stream_rec.consumers.runtime.stage_times import StageTimes
from stream_rec.engine.engine import Engine
from stream_rec.engine.names import rows_of
from stream_rec.engine.results import Learned, Ranked
from stream_rec.feedback.measures import Measures
from stream_rec.feedback.served import UNKNOWN
from stream_rec.kernels.ids import hash_ids
from stream_rec.kernels.murmur2 import partition_of
from stream_rec.schemas.codec import decode_interactions
from stream_rec.schemas.columns import Decoded, EventBatch, IdColumn
from stream_rec.schemas.records import AsOf
from stream_rec.settings import Settings
from stream_rec.store.encoding import EncodedSlate, encode_slates
from stream_rec.store.markers import Upto
from stream_rec.store.slates import SlateStore, Written

TOPIC = "events"


@dataclass(slots=True)
class EventsWork:
    """A batch of events on its way; filled stage by stage.

    Attributes:
        fetched: as it came.
        decoded: its events, and what was rejected.
        times: per stage.
        learned: what the engine said; set by `learn`, like the four after it.
        served, popular: ranks of the events' items in what the users were last shown, and in the popular list.
        users: the batch's users, each once.
        ranked: their slates by scenario.
        as_of: of the slates; None when the batch held no event.
        written: what Redis answered.
        written_ms: when.
    """

    fetched: Fetched
    decoded: Decoded[EventBatch]
    times: StageTimes
    learned: Learned | None = None
    served: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    popular: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    users: list[str] = field(default_factory=list)
    ranked: dict[str, Ranked] = field(default_factory=dict)
    as_of: AsOf | None = None
    written: Written | None = None
    written_ms: float = 0.0


class EventsHandler:
    """Turns events into slates.

    Args:
        settings: rules of what is let in, and the scenarios.
        slates: where slates go.
        emitter: publishes them, and dead letters.
        measures: touched in the engine's thread only.
        until: `store.waiting.until_available` with its settings.
        clock: when slates were made and written.

    Attributes:
        log: incarnation of the topic; set before the first batch.
        n_partitions: of the topic; set before the first batch.
        latest: by partition, up to where slates made now know.
        touched: items whose neighbours have changed, longest waiting first; at most `max_touched`.
        on_lost: called when Redis turns out to have lost slates.
    """

    max_touched = 10_000

    def __init__(
        self,
        settings: Settings,
        slates: SlateStore,
        emitter: Emitter,
        measures: Measures,
        until: Callable[..., Awaitable[Written]],
        clock: Clock,
    ) -> None:
        self._rules = settings.ingest
        self._scenarios = tuple(settings.engine.scenarios)
        self._slates = slates
        self._emitter = emitter
        self._measures = measures
        self._until = until
        self._clock = clock
        self._misrouted_said = False
        self.log = ""
        self.n_partitions = 1
        self.latest: dict[int, AsOf] = {}
        self.touched: dict[str, None] = {}
        self.on_lost: Callable[[], None] = lambda: None

    def decode(self, fetched: Fetched) -> EventsWork:
        """Columns of the good events; the reasons against the others."""
        times = StageTimes()
        with times.stage("ingest"):
            decoded = decode_interactions(fetched, fetched.span(TOPIC), self._rules)
        return EventsWork(fetched, decoded, times)

    def learn(self, engine: Engine, work: EventsWork) -> None:
        """Judge what was served, learn, and rank for every user of the batch."""
        batch, times = work.decoded.batch, work.times
        with times.stage("measure"):
            users, items = hash_ids(batch.users), hash_ids(batch.items)
            work.served = self._served_ranks(engine, batch, users, items)
            work.popular = self._measures.served.popular_ranks(items)
        with times.stage("learn"):
            work.learned = engine.learn(batch)
        work.served[work.learned.repeated] = UNKNOWN  # a repeat says nothing about what was shown
        work.as_of = self._note(batch)
        with times.stage("recommend"):
            work.users = list(dict.fromkeys(batch.users.to_list()))
            if work.users:
                for scenario in self._scenarios:
                    work.ranked[scenario] = engine.recommend(work.users, scenario=scenario)

    async def write(self, work: EventsWork, stop: asyncio.Event) -> Receipt:
        """Slates to Redis, then slates and dead letters to their topics."""
        with work.times.stage("encode"):
            slates = self._encode(work)
        span = work.decoded.batch.span
        upto = Upto(span.partition, span.next - 1)
        with work.times.stage("write"):
            work.written = await self._until(
                lambda: self._slates.write(slates, upto),
                what=f"write {len(slates)} slates of {TOPIC}/{span.partition}",
                stops=[stop],
            )
        work.written_ms = self._clock.now() * 1000
        if work.written.lost:
            self.on_lost()
        letters = dead_letters(span, work.decoded.rejected, self._rules)
        return await self._emitter.send(
            [*(Outgoing("slates", slate.user_id.encode(), slate.json) for slate in slates), *letters]
        )

    def measure(self, work: EventsWork) -> None:
        """Everything about the batch, once it is done."""
        batch, span = work.decoded.batch, work.decoded.batch.span
        assert work.learned is not None and work.written is not None
        with work.times.stage("measure"):
            self._put_served(work)
            count_unusable(self._measures, span, work.decoded)
            if len(batch):
                self._measure_events(work)
        work.times.report(self._measures, span, len(work.fetched))

    def relearn(self, engine: Engine, fetched: Fetched) -> None:
        """Learn from events whose slates others have written."""
        batch = self.decode(fetched).decoded.batch
        engine.learn(batch)
        self._note(batch)

    def notes(self) -> dict[str, Any]:
        """What a snapshot keeps beside the engine: up to where slates know. Engine's thread."""
        return {"latest": [msgspec.to_builtins(as_of) for as_of in self.latest.values()]}

    def recall(self, notes: Mapping[str, Any]) -> None:
        """Go on from the notes of the snapshot that the engine was filled from; before the first batch."""
        for as_of in msgspec.convert(notes.get("latest", []), list[AsOf]):
            if as_of.log == self.log:
                self.latest[as_of.partition] = as_of

    def encode(self, users: list[str], ranked: Ranked, as_of: AsOf, scenario: str) -> list[EncodedSlate]:
        """Slates as JSON."""
        return encode_slates(
            users,
            ranked.items,
            ranked.scores,
            ranked.sources,
            ranked.because,
            source_names=ranked.source_names,
            as_of=as_of,
            scenario=scenario,
            model=Engine.version,
            created_ts=self._clock.now(),
        )

    def touch(self, item_ids: Iterable[str]) -> None:
        """The neighbours of these items have changed. Engine's thread."""
        for item in item_ids:
            self.touched[item] = None
        while len(self.touched) > self.max_touched:
            del self.touched[next(iter(self.touched))]

    def _encode(self, work: EventsWork) -> list[EncodedSlate]:
        if work.as_of is None:
            return []
        return [
            slate
            for scenario, ranked in work.ranked.items()
            for slate in self.encode(work.users, ranked, work.as_of, scenario)
        ]

    def _note(self, batch: EventBatch) -> AsOf | None:
        """Up to where slates made from now on know; None for a batch without events."""
        if not len(batch):
            return None
        partition = batch.span.partition
        offset, broker_ts, ts = int(batch.offsets[-1]), int(batch.broker_ts[-1]), float(batch.ts[-1])
        as_of = AsOf(self.log, partition, offset, broker_ts, ts)
        known = self.latest.get(partition)
        if known is None or known.offset < offset:
            self.latest[partition] = as_of
        self.touch(batch.items.to_list())
        return as_of

    def _served_ranks(
        self, engine: Engine, batch: EventBatch, users: NDArray[np.uint64], items: NDArray[np.uint64]
    ) -> NDArray[np.int32]:
        served = self._measures.served
        ranks = served.ranks(users, items)
        # A user the engine has never met was never written a slate: what he is shown is the popular list.
        strangers = (ranks == UNKNOWN) & (rows_of(engine.state.users, batch.users) < 0)
        if strangers.any():
            served.fill(users[strangers], np.zeros((np.count_nonzero(strangers), 1), np.uint64))
            ranks = served.ranks(users, items)
        return ranks

    def _put_served(self, work: EventsWork) -> None:
        ranked = work.ranked.get(self._scenarios[0])
        if ranked is None:
            return
        self._measures.served.put(hash_ids(IdColumn.of(work.users)), ranked.hashes)

    def _measure_events(self, work: EventsWork) -> None:
        batch, learned, written = work.decoded.batch, work.learned, work.written
        assert learned is not None and written is not None
        span = batch.span
        self._measures.on_batch(
            span, batch.offsets, batch.broker_ts, served=work.served, popular=work.popular, learned=learned
        )
        self._measures.on_written(
            span,
            batch.broker_ts,
            work.written_ms,
            written=written.n_written,
            stale=written.n_stale,
            items=sum(len(row) for ranked in work.ranked.values() for row in ranked.items),
            only_index_items=int(sum(ranked.only_index.sum() for ranked in work.ranked.values())),
        )
        misrouted = int(np.count_nonzero(partition_of(batch.users, self.n_partitions) != span.partition))
        self._measures.add(TOPIC, span.partition, "misrouted", misrouted, len(batch))
        if misrouted and not self._misrouted_said:
            self._misrouted_said = True
            logs.get("ingest").warning(
                "events on a partition that their user_id does not hash to: a producer uses another partitioner; "
                "set partitioner=murmur2_random (librdkafka) or Java's default",
                partition=span.partition,
                events=misrouted,
            )
