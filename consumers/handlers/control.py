"""What is done with `control`: decode, let the engine take the decisions in, and tell who must act on them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable

from stream_rec.bus.batch import Fetched
from stream_rec.consumers.handlers.as_of_table import AsOfTable
from stream_rec.consumers.handlers.base import DecodedBatch, HandlerContext, LearnedBatch, WrittenBatch
from stream_rec.engine.engine import Engine
from stream_rec.engine.learning.people import Forgotten
from stream_rec.kernels.ids import hash_ids
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.decisions import DecisionBatch, decode_control
from stream_rec.schemas.records import TopicName

TOPIC: TopicName = "control"


class ForgottenUsers:
    """Users whom the engine has forgotten and whose traces elsewhere are to be removed. Bounded queues.

    A decision names a user by a hash. Who learns it before the user's events never knew the id, and perhaps the only
    worker that did has been killed; so ids are taken from events that are passed over, too.

    Filled in the engine's thread, emptied in the main one.

    Args:
        max_users: length of each; the one waiting longest is dropped.
    """

    def __init__(self, max_users: int = 10_000) -> None:
        self._waiting: deque[Forgotten] = deque(maxlen=max_users)
        self._met: deque[str] = deque(maxlen=max_users)

    def add(self, forgotten: Forgotten) -> None:
        """A user was forgotten."""
        self._waiting.append(forgotten)

    def meet(self, users: Iterable[str]) -> None:
        """Events of theirs came, from before they were forgotten."""
        self._met.extend(users)

    def take(self) -> list[Forgotten]:
        """All that wait, oldest first."""
        return [self._waiting.popleft() for _ in range(len(self._waiting))]

    def take_met(self) -> set[str]:
        """Those whose events came."""
        return {self._met.popleft() for _ in range(len(self._met))}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._met)


class ControlHandler:
    """Keeps the rules, and forgets.

    Args:
        context: what every handler works with.
        as_of: told up to which decision slates know.
        forgotten: takes who is to be forgotten elsewhere, too.
    """

    def __init__(self, context: HandlerContext, as_of: AsOfTable, forgotten: ForgottenUsers) -> None:
        self._context = context
        self._as_of = as_of
        self._forgotten = forgotten

    def decode(self, fetched: Fetched) -> DecodedBatch[DecisionBatch]:
        """The good decisions; the reasons against the others."""
        return self._context.decode(decode_control, fetched)

    def learn(self, engine: Engine, decoded: DecodedBatch[DecisionBatch]) -> LearnedBatch[DecisionBatch]:
        """The next slate is made under the new rules; users are forgotten."""
        with decoded.times.stage("learn"):
            self._learn(engine, decoded.batch)
        return LearnedBatch(decoded)

    async def write(
        self, learned: LearnedBatch[DecisionBatch], _stop: asyncio.Event
    ) -> WrittenBatch[DecisionBatch]:
        """Nothing but dead letters: slates are renewed, and receipts written, in the background."""
        return WrittenBatch(learned.decoded, await self._context.publish(learned.decoded))

    def measure(self, written: WrittenBatch[DecisionBatch]) -> None:
        """What was rejected, and how long it took."""
        self._context.measure(written.decoded, written.receipt)

    def relearn(self, engine: Engine, fetched: Fetched) -> None:
        """Every worker obeys, whoever serves the topic."""
        self._learn(engine, self.decode(fetched).batch)

    def _learn(self, engine: Engine, batch: DecisionBatch) -> None:
        for forgotten in engine.learn_control(batch):
            self._context.measures.served.forget(forgotten.user_hash)
            if forgotten.became:
                user = hash_ids(IdColumn.of([forgotten.became]))[0]
                self._context.measures.served.forget(int(user))
            self._forgotten.add(forgotten)
        self._as_of.decided(batch.span.next)
