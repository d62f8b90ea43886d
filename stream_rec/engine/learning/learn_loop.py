"""One batch into the state: from one judged event to the next, with the vector index and river's models in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.answering.outputs import empty_ranks
from stream_rec.engine.arms.ranker import ArmRanker
from stream_rec.engine.arms.rankers import ArmRankers
from stream_rec.engine.catalogue.windows import Windows, judge_anew
from stream_rec.engine.fold.arms import gather_again, judge_arm
from stream_rec.engine.fold.handle import Handle
from stream_rec.engine.fold.judge import PrequentialRanks
from stream_rec.engine.fold.learn import FACTORIZATION, Events, Step, advance, gather
from stream_rec.engine.held import Held
from stream_rec.engine.learning.alarm_effects import AlarmEffects
from stream_rec.engine.learning.event_clock import move_back
from stream_rec.engine.learning.event_columns import leaving_out
from stream_rec.engine.rivers import Rivers
from stream_rec.engine.spaces.item_vectors import VectorIndex
from stream_rec.engine.spaces.learning import Spaces
from stream_rec.kernels.reference import refer
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.event_types import Meaning
from stream_rec.settings import EngineSettings

SAMPLE_SALT = np.uint64(0x5851F42D4C957F2D)


class Plan(NamedTuple):
    """What is to be done with a batch's events besides learning them.

    Attributes:
        first: the first event that is not learned yet.
        judge: all, or besides the training sample those marked in a bool [n].
        frozen: only histories move.
        left_out: for every event, the items that take no part in the ranking it is judged by.
        back: events before which time goes back (`event_clock.move_back`), ascending.
        broker_ts: int64 [n], ms.
    """

    first: int
    judge: bool | NDArray[np.bool_]
    frozen: bool
    left_out: Sequence[IdColumn] | None
    back: tuple[int, ...]
    broker_ts: NDArray[np.int64]


class _Batch(NamedTuple):
    """What kernels are given of a batch: references, for they are called for every judged event.

    Attributes:
        events: the batch.
        ranks: of those of its events that are judged, written.
    """

    events: Events
    ranks: PrequentialRanks


def training_sample(
    events: Events, settings: EngineSettings, n_learned: int, first: int = 0
) -> NDArray[np.bool_]:
    """Bool [n]: the events that train the ranker, a function of where each stands in the log.

    Of the first events more than of the later ones: 1 - `train_sample` of a young ranker's examples would be wasted.

    Args:
        events: n.
        settings: `train_sample` and `train_first`.
        n_learned: events before `first`.
        first: the first that is learned.
    """
    if not settings.train_sample:
        return np.zeros(len(events.seeds), np.bool_)
    before = n_learned + np.maximum(np.arange(len(events.seeds)) - first, 0)
    shares = np.maximum(settings.train_sample, np.minimum(1.0, settings.train_first / (before + 1.0)))
    return (events.seeds ^ SAMPLE_SALT) < np.minimum(shares * 2.0**64, 2.0**64 - 2048).astype(np.uint64)


class LearnLoop:
    """Judges and learns.

    Args:
        held: the state, changed in place.
        spaces: told when the count of events says so.
        vectors: searched for every judged event, and refreshed when the count of events says so.
        rivers: usually none.
        windows: open and close when the count of events says so.
        arms: rankers that are judged and trained beside the engine's; usually none.
        alarms: what they do is done between events; usually nothing.
        settings: the engine's.
    """

    def __init__(
        self,
        held: Held,
        vectors: VectorIndex,
        spaces: Spaces,
        rivers: Rivers,
        windows: Windows,
        arms: ArmRankers,
        alarms: AlarmEffects,
        settings: EngineSettings,
    ) -> None:
        self._alarms = alarms
        self._held = held
        self._vectors = vectors
        self._spaces = spaces
        self._rivers = rivers
        self._windows = windows
        self._arms = arms
        self._settings = settings
        self._seed = np.uint64(settings.seed)
        self._n_sources = len(held.query.source_contributions)

    def learn(self, events: Events, values: NDArray[np.float32], plan: Plan) -> PrequentialRanks:
        """Learn the events from plan.first on, each that is asked for judged before it is learned.

        Args:
            events: n.
            values: float32 [n], the events' values, NaN = none; for river's models.
            plan: what is asked.
        """
        n = len(events.ts)
        trained = training_sample(events, self._settings, self._held.n_learned, plan.first)
        is_interest = (events.meanings == Meaning.POSITIVE) & (events.weights > 0)
        asked = np.flatnonzero(((trained | plan.judge) & is_interest)[plan.first :]) + plan.first
        ranks = empty_ranks(len(asked), self._n_sources, len(events.ratings))
        batch = _Batch(refer(events), refer(ranks))
        stops = iter([*asked.tolist(), n])
        moments = None if plan.frozen else self._arms.moments(plan.broker_ts[plan.first :])
        alarms = {} if plan.frozen else self._alarms.places(plan.broker_ts, plan.first)
        halts = sorted({*plan.back, *alarms})
        at, stop, has_vector = plan.first, next(stops), False
        judging = at == stop < n
        if judging:
            has_vector = self._ask(batch, at, plan.frozen)
            stop = next(stops)
        while at < n:
            if at in plan.back:
                self._move_back(float(events.ts[at]))
            for due in alarms.get(at, ()):
                self._alarms.apply(due)
            until = min([self._until(at, stop), *(place for place in halts if place > at)])
            found = self._search(judging and has_vector)
            if judging:
                self._vectors.spaces.find_one(self._held.state, self._held.query)
            step = Step(
                judge=judging,
                has_vector=judging and has_vector,
                gathered=judging and self._gather_with_rivers(found, has_vector),
                train=judging and bool(trained[at]) and not plan.frozen,
                ask_next=until == stop < n,
                frozen=plan.frozen,
            )
            left_out = plan.left_out[at] if judging and plan.left_out is not None else None
            arms = self._arms.at(moments[at - plan.first]) if moments is not None and step.train else ()
            with leaving_out(self._held.query, self._held.state.items, left_out):
                if arms:
                    has_vector = self._advance_beside(arms, batch, at, until, step, found)
                else:
                    has_vector = self._advance(batch, at, until, step, found)
            if not plan.frozen:
                self._rivers.learn(self._held.state, events, values, at, until)
                if self._vectors.after(self._held.state, self._held.n_learned):
                    self._spaces.refresh()
                self._windows.after()
            judging = step.ask_next
            if judging:
                stop = next(stops)
            at = until
        return ranks

    def _move_back(self, ts: float) -> None:
        move_back(self._held.state, ts)
        judge_anew(self._held.state)

    def _until(self, at: int, stop: int) -> int:
        """Where the kernels have to stop: at a judged event, for the index or windows, or for river's models."""
        n_learned = self._held.n_learned
        due = min(self._vectors.due_in(n_learned), self._windows.due_in(n_learned))
        return self._rivers.stop(at, min(stop, at + due))

    def _search(self, has_vector: bool) -> NDArray[np.int32]:
        return self._vectors.search_one(self._held.query.vector) if has_vector else self._vectors.nowhere

    def _ask(self, batch: _Batch, first: int, frozen: bool) -> bool:
        """Prepare the query of the first event; has it a vector?"""
        step = Step(judge=False, has_vector=False, gathered=False, train=False, ask_next=True, frozen=frozen)
        return self._advance(batch, first, first, step, self._vectors.nowhere)

    def _advance(self, batch: _Batch, first: int, last: int, step: Step, found: NDArray[np.int32]) -> bool:
        handle = self._held.handle
        return bool(advance(handle, batch.events, first, last, step, found, batch.ranks, self._seed))

    def _advance_beside(
        self,
        arms: Sequence[ArmRanker],
        batch: _Batch,
        first: int,
        last: int,
        step: Step,
        found: NDArray[np.int32],
    ) -> bool:
        """The rankers of arms judge the example first, on what they hear of the same sources."""
        by_arm: list[tuple[ArmRanker, int]] = []
        for each in arms:
            if each.hears_others:
                has_vector = step.has_vector and bool(each.rates.heard[FACTORIZATION])
                self._gather_again(each.handle, batch, first, found, has_vector)
                by_arm.append((each, int(judge_arm(each.handle, batch.events, first))))
        if by_arm:
            self._gather_again(self._held.handle, batch, first, found, step.has_vector)
        elif not step.gathered:
            gather(self._held.handle, found, step.has_vector)
        for each in arms:
            if not each.hears_others:
                by_arm.append((each, int(judge_arm(each.handle, batch.events, first))))
        at = batch.ranks.n_judged[0]
        has_vector = self._advance(batch, first, last, step._replace(gathered=True), found)
        main_rank = int(batch.ranks.rank[at])
        for each, rank in by_arm:
            each.note(rank, main_rank)
        return has_vector

    def _gather_with_rivers(self, found: NDArray[np.int32], has_vector: bool) -> bool:
        """River's models score outside of the kernels, between the gathering and the judging; False without any."""
        if not self._rivers.names:
            return False
        gather(self._held.handle, found, has_vector)
        self._rivers.fill(self._held.query)
        return True

    def _gather_again(
        self, handle: Handle, batch: _Batch, first: int, found: NDArray[np.int32], has_vector: bool
    ) -> None:
        gather_again(handle, batch.events, first, found, has_vector)
        if self._rivers.names:
            self._rivers.fill(self._held.query)
