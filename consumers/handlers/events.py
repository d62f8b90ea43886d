"""What is done with `events`: decode, learn, recommend for the users of the batch, write their slates, measure."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from stream_rec.bus.batch import Fetched
from stream_rec.consumers.handlers.as_of_table import AsOfTable
from stream_rec.consumers.handlers.base import DecodedBatch, HandlerContext
from stream_rec.consumers.handlers.control import ForgottenUsers
from stream_rec.consumers.handlers.event_metrics import EventMetrics
from stream_rec.consumers.handlers.touched_items import TouchedItems
from stream_rec.consumers.output.emitter import Outgoing, Receipt
from stream_rec.consumers.output.slate_encoder import SlateOutput
from stream_rec.engine.engine import Engine
from stream_rec.engine.results import Encoded, Learned
from stream_rec.feedback.served import UNKNOWN
from stream_rec.schemas.codec import decode_interactions
from stream_rec.schemas.columns import EventBatch
from stream_rec.schemas.records import AsOf, TopicName
from stream_rec.store.encoding import EncodedSlate
from stream_rec.store.keys import NEVER
from stream_rec.store.markers import Upto
from stream_rec.store.slates import Written

TOPIC: TopicName = "events"


@dataclass(frozen=True, slots=True)
class LearnedEvents:
    """A batch of n events that the engine has learned.

    Attributes:
        decoded: the batch.
        learned: the engine's answer.
        served: int32 [n], ranks of the events' items in what the users were last shown.
        popular: int32 [n], ranks of the events' items in the popular list.
        users: the batch's users, each once.
        ranked: the users' new rankings, by scenario.
        nevers: what users of the batch never want to see; empty of those who may have taken it back.
        as_of: the last event that the rankings know; None when the batch held no event.
    """

    decoded: DecodedBatch[EventBatch]
    learned: Learned
    served: NDArray[np.int32]
    popular: NDArray[np.int32]
    users: list[str]
    ranked: dict[str, Encoded]
    nevers: dict[str, list[str]]
    as_of: AsOf | None


@dataclass(frozen=True, slots=True)
class WrittenEvents:
    """A batch whose slates are in Redis.

    Attributes:
        learned: the batch, and what was learned.
        written: the store's answer.
        written_ms: time of that answer, ms since the epoch.
        receipt: for what was published.
    """

    learned: LearnedEvents
    written: Written
    written_ms: float
    receipt: Receipt


class EventsHandler:
    """Turns events into slates.

    Args:
        context: what every handler works with.
        slates: how slates leave the worker.
        as_of: the last event learned from each partition.
        touched: items whose neighbours have changed.
        metrics: figures of the topic.
        forgotten: told of events that are of a past that was forgotten.
    """

    def __init__(
        self,
        context: HandlerContext,
        slates: SlateOutput,
        as_of: AsOfTable,
        touched: TouchedItems,
        metrics: EventMetrics,
        forgotten: ForgottenUsers,
    ) -> None:
        self._context = context
        self._slates = slates
        self._as_of = as_of
        self._touched = touched
        self._metrics = metrics
        self._forgotten = forgotten

    def decode(self, fetched: Fetched) -> DecodedBatch[EventBatch]:
        """Columns of the good events; the reasons against the others."""
        return self._context.decode(decode_interactions, fetched)

    def learn(self, engine: Engine, decoded: DecodedBatch[EventBatch]) -> LearnedEvents:
        """Judge what was served, learn, and rank for every user of the batch."""
        batch, times = decoded.batch, decoded.times
        with times.stage("measure"):
            served, popular = self._metrics.ranks(engine, batch)
        with times.stage("learn"):
            learned = engine.learn(batch)
            self._metrics.judged(batch, learned)
            self._forgotten.meet(batch.users.only(learned.past).to_list())
        for places in (learned.repeated, learned.ignored, learned.no_interest):
            served[places] = UNKNOWN  # these say nothing about whether it was good to show the item
        as_of = self._note(batch)
        with times.stage("recommend"):
            users = _users(batch, learned.past)
            ranked = self._slates.encoder.rank(engine, users)
            nevers = _changed(batch, learned, users) | engine.nevers(users)
        return LearnedEvents(decoded, learned, served, popular, users, ranked, nevers, as_of)

    async def write(self, learned: LearnedEvents, stop: asyncio.Event) -> WrittenEvents:
        """Slates to Redis, then slates and dead letters to their topics."""
        decoded, times = learned.decoded, learned.decoded.times
        with times.stage("encode"):
            slates = self._encode(learned)
        upto = Upto(decoded.span.partition, decoded.span.next - 1)
        with times.stage("write"):
            written = await self._context.until(
                partial(self._slates.store.write, slates, upto),
                what=f"write {len(slates)} slates of {TOPIC}/{upto.partition}",
                stops=[stop],
            )
        written_ms = self._context.clock.now() * 1000
        if written.lost:
            self._slates.lost.set()
        shown = [slate for slate in slates if slate.scenario != NEVER]
        records = [Outgoing("slates", slate.user_id.encode(), slate.json) for slate in shown]
        return WrittenEvents(learned, written, written_ms, await self._context.publish(decoded, records))

    def measure(self, written: WrittenEvents) -> None:
        """Everything about the batch, once it is done."""
        learned = written.learned
        batch = learned.decoded.batch
        with learned.decoded.times.stage("measure"):
            self._metrics.served(learned.users, learned.ranked)
            if len(batch):
                self._metrics.learned(batch, learned.served, learned.popular, learned.learned)
                self._metrics.written(batch, learned.ranked, written.written, written.written_ms)
        self._context.measure(learned.decoded, written.receipt)

    def relearn(self, engine: Engine, fetched: Fetched) -> None:
        """Learn from events whose slates others have written."""
        batch = self.decode(fetched).batch
        learned = engine.learn(batch)
        self._metrics.judged(batch, learned)
        self._forgotten.meet(batch.users.only(learned.past).to_list())
        self._note(batch)

    def _note(self, batch: EventBatch) -> AsOf | None:
        self._touched.touch(batch.items.to_list())
        return self._as_of.learned(batch)

    def _encode(self, learned: LearnedEvents) -> list[EncodedSlate]:
        if learned.as_of is None:
            return []
        encoder = self._slates.encoder
        slates = encoder.encode(learned.users, learned.ranked, learned.as_of)
        return slates + encoder.encode_nevers(learned.nevers, learned.as_of)


def _changed(batch: EventBatch, learned: Learned, users: list[str]) -> dict[str, list[str]]:
    """Nothing, for the users who have said in this batch what is no interest: perhaps they took a never back."""
    said = batch.users.only(learned.no_interest).to_list()
    return {user: [] for user in sorted({*said}.intersection(users))}


def _users(batch: EventBatch, past: NDArray[np.int64]) -> list[str]:
    """The users of a batch, each once, but whom all of the batch's events say only what is forgotten of them."""
    users = batch.users.to_list()
    if len(past):
        users = [users[i] for i in np.delete(np.arange(len(users)), past)]
    return list(dict.fromkeys(users))
