"""The engine: learns from every event as it arrives, and ranks for any user at any moment.

A fold over single events: `learn(a + b)` equals `learn(a); learn(b)` bit for bit. No I/O, no clock, no threads but
the index's own rebuild, which is joined at a fixed event count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.answering.outputs import judged, rated
from stream_rec.engine.answering.queries import Queries
from stream_rec.engine.catalogue import records as catalogue
from stream_rec.engine.fold.judge import PrequentialRanks
from stream_rec.engine.fold.learn import Events
from stream_rec.engine.learning.alarm_effects import AlarmEffects
from stream_rec.engine.learning.dedup import Deduplication, SharedIds, event_keys
from stream_rec.engine.learning.event_clock import EventClock
from stream_rec.engine.learning.event_columns import columns, named, without
from stream_rec.engine.learning.learn_loop import LearnLoop, Plan
from stream_rec.engine.learning.people import Forgotten, People
from stream_rec.engine.learning.user_shares import UserShares
from stream_rec.engine.names import n_evicted, n_rows, rows_of
from stream_rec.engine.results import Learned
from stream_rec.engine.spaces.learning import Refused
from stream_rec.engine.state import parts
from stream_rec.engine.state.digest import digest
from stream_rec.engine.state.identity import identity
from stream_rec.errors import ConfigError, GapError
from stream_rec.kernels.attribution import Shown
from stream_rec.kernels.ids import hash_ids
from stream_rec.schemas.columns import (
    Batch,
    EventBatch,
    IdColumn,
    ImpressionBatch,
    ItemBatch,
    Span,
    VectorBatch,
)
from stream_rec.schemas.decisions import DecisionBatch
from stream_rec.schemas.event_types import Meaning
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import EngineSettings, MeasureSettings
from stream_rec.sources.ranker import boost_learning_rate


class Engine(Queries):
    """Learned state, and what can be asked of it. Not thread-safe: one thread of control touches it.

    Args:
        settings: bounds and rates.
        measure: bounds of the join of impressions and interactions.

    Raises:
        ConfigError: a bound that the state cannot have.
    """

    version = "1"

    def __init__(self, settings: EngineSettings, measure: MeasureSettings | None = None) -> None:
        if settings.history_length & (settings.history_length - 1):
            raise ConfigError(
                f"engine.history_length is {settings.history_length}", fix="set a power of two: 32, 64 or 128"
            )
        measure = measure or MeasureSettings()
        super().__init__(settings, measure)
        self.identity = identity(settings, measure)
        self.position: dict[TopicPartition, int] = {}
        self.deduplication = Deduplication(settings.repeat_window, settings.repeat_partitions)
        self._event_clock = EventClock()
        self._shared_ids = SharedIds()
        self._user_shares = UserShares()
        self._people = People(
            self.held, self.attribution, (self._user_shares, self._event_clock), self.decisions
        )
        alarms = AlarmEffects(self.held, self.arms, self.decisions.alarms, settings)
        self._loop = LearnLoop(
            self.held, self._vectors, self.spaces, self._rivers, self._windows, self.arms, alarms, settings
        )

    def learn(
        self,
        batch: EventBatch,
        *,
        judge_all: bool | NDArray[np.bool_] = False,
        frozen: bool = False,
        left_out: Sequence[IdColumn] | None = None,
    ) -> Learned:
        """Learn a batch's events from the engine's position on, in order, each judged before it is learned.

        An event that repeats another's event_id, item and type, inside the partition's window, is neither judged nor
        learned. One whose meaning is `ignore` is as if it were not there, but for what it rates its item. Only interest
        is judged.

        Args:
            batch: one span of one partition.
            judge_all: judge every event, or besides the training sample those marked in a bool [n]. Changes nothing
                that is learned.
            frozen: only histories move: for evaluations that ask without learning.
            left_out: for every event, the items that take no part in the ranking it is judged by. Changes nothing
                that is learned.

        Returns:
            What was learned. Nothing if the span was learned before.

        Raises:
            GapError: the span begins after the next offset to learn.
        """
        position = self._position_for(batch.span)
        first = int(np.searchsorted(batch.offsets, position))
        evicted = self._evicted()
        batch, erased, past = self.decisions.applied(batch, first)
        is_interest, is_ignored = self._meanings.told(batch)
        ignored = np.flatnonzero(is_ignored[first:]) + first
        dropped = np.union1d(erased, ignored)
        no_interest = np.setdiff1d(np.flatnonzero(~is_interest & ~is_ignored), erased)
        kept, batch, judge_all, left_out = without(dropped, batch, judge_all, left_out)
        keys = event_keys(batch)
        self._shared_ids.look(batch, keys, first)
        self._user_shares.look(batch, first)
        repeated = self.deduplication.mark(batch.span.partition, keys, first)
        new, batch, judge_all, left_out = without(repeated, batch, judge_all, left_out)
        batch, back = self._judge_stamps(batch, first)
        ranks = self._learn_new(batch, Plan(first, judge_all, frozen, left_out, back, batch.broker_ts))
        self._advance_to(batch.span)
        users, items = (now - before for now, before in zip(self._evicted(), evicted, strict=True))
        return Learned(
            n_learned=len(batch) - first,
            repeated=np.sort(np.concatenate([erased, kept[repeated]])),
            past=past,
            ignored=np.setdiff1d(ignored, erased),
            no_interest=no_interest,
            fresh=judged(ranks, kept[new]),
            rated=rated(ranks, batch.values, kept[new]),
            evicted_users=users,
            evicted_items=items,
        )

    def upsert_items(self, batch: ItemBatch) -> int:
        """Learn a batch of catalogue changes; the vector index knows each of them at once.

        Returns:
            How many items were evicted for new ones.

        Raises:
            GapError: as for learn.
        """
        position = self._position_for(batch.span)
        _, evicted = self._evicted()
        catalogue.apply(self.held, self._vectors, self.spaces, batch, position, np.uint64(self.settings.seed))
        self._advance_to(batch.span)
        return self._evicted()[1] - evicted

    def learn_vectors(self, batch: VectorBatch) -> list[Refused]:
        """Learn vectors that came, changed or went; the index of their space knows each of them at once.

        Returns:
            Those that do not fit into their space.

        Raises:
            GapError: as for learn.
        """
        refused = self.spaces.learn(batch, self._position_for(batch.span))
        self._advance_to(batch.span)
        return refused

    def learn_impressions(self, batch: ImpressionBatch) -> None:
        """Remember what was shown, to be joined with what users do next.

        Raises:
            GapError: as for learn.
        """
        first = int(np.searchsorted(batch.offsets, self._position_for(batch.span)))
        batch = self.decisions.shown(batch, first)
        self.decisions.pacing.count(batch, first)
        self.attribution.follow(self.decisions.experiments)
        rows = rows_of(self.state.users, batch.users)
        begin = int(batch.item_ends[first - 1]) if first else 0
        self.attribution.expose(
            hash_ids(batch.users)[first:],
            hash_ids(batch.items)[begin:],
            batch.item_ends[first:] - begin,
            batch.ts[first:],
            batch.broker_ts[first:],
            partition=batch.span.partition,
            scenarios=batch.scenarios[first:],
            variants=[variant or None for variant in batch.variants[first:]],
            returning=(rows >= 0)[first:] & (self.state.histories.session_start[rows[first:]] > 0),
            shown=self._shown(batch, rows, first),
        )
        self._advance_to(batch.span)

    def _shown(self, batch: ImpressionBatch, rows: NDArray[np.int32], first: int) -> Shown:
        """Which arms the impressions from index `first` on are of, and what their users have done."""
        trials = self.attribution.trials
        codes = trials.codes(batch.scenarios[first:], batch.variants[first:], batch.experiments[first:])
        past = np.where(rows >= 0, self.state.histories.n_events[rows], 0)[first:].astype(np.float64)
        teams = trials.teams(batch.variants[first:], batch.teams[first:])
        return self.attribution.shown(codes, hash_ids(batch.slate_ids)[first:], past, teams)

    def learn_control(self, batch: DecisionBatch) -> list[Forgotten]:
        """Learn decisions: scenarios are in force for the next slate, users are forgotten at once.

        Returns:
            Who was forgotten, and what was known of them.

        Raises:
            GapError: as for learn.
        """
        forgotten = self._people.learn_all(batch, self._position_for(batch.span))
        self._advance_to(batch.span)
        return forgotten

    def learn_batch(self, batch: Batch) -> None:
        """Learn a batch of any topic, by its kind; one that teaches the engine nothing only moves the position.

        Raises:
            GapError: as for learn.
        """
        match batch:
            case EventBatch():
                self.learn(batch)
            case ItemBatch():
                self.upsert_items(batch)
            case VectorBatch():
                self.learn_vectors(batch)
            case ImpressionBatch():
                self.learn_impressions(batch)
            case DecisionBatch():
                self.learn_control(batch)
            case _:
                self._position_for(batch.span)
                self._advance_to(batch.span)

    def forget_user(self, user_id: str) -> bool:
        """Wipe a user's history, factors and impressions; False if there was no such user."""
        return self._people.forget(user_id)

    def _position_for(self, span: Span) -> int:
        position = self.position.get(span.tp, span.start)
        if span.start > position:
            raise GapError(*span.tp, position, span.start)
        return position

    def _advance_to(self, span: Span) -> None:
        self.position[span.tp] = max(self.position.get(span.tp, span.start), span.next)

    def _judge_stamps(self, batch: EventBatch, first: int) -> tuple[EventBatch, tuple[int, ...]]:
        """The batch with the times that its events count as, and the events before which time goes back."""
        judged, back = self._event_clock.judge(batch.ts, hash_ids(batch.users), first)
        if judged is batch.ts:
            return batch, back
        self._event_clock.blame(batch, judged)
        return replace(batch, ts=judged), back

    def _learn_new(self, batch: EventBatch, plan: Plan) -> PrequentialRanks:
        """The batch without duplicates: into the join of impressions, then into the state."""
        self.held.make_room(len(batch.users.data), len(batch.items.data))
        events, first = columns(batch, self.settings.seed, self._meanings), plan.first
        if not plan.frozen and first < len(batch):
            self._join_shown(events, batch, first)
        return self._loop.learn(events, batch.values, plan)

    def _join_shown(self, events: Events, batch: EventBatch, first: int) -> None:
        """Interest is joined with what was shown; nothing else is a click."""
        at = np.flatnonzero(events.meanings[first:] == Meaning.POSITIVE) + first
        self.attribution.interact(
            events.user_hashes[at],
            events.item_hashes[at],
            batch.ts[at],
            [batch.event_types[i] for i in at.tolist()],
            batch.values[at],
            named(batch.slate_ids)[at],
        )

    def _evicted(self) -> tuple[int, int]:
        return n_evicted(self.state.users), n_evicted(self.state.items)

    def on_drift(self) -> None:
        """Let the ranker move faster for a while, as journals of earlier releases say; now an alarm does."""
        boost_learning_rate(self.state.ranker)

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Everything that was learned but `position`, by name: mostly the memory itself, good until the next change.

        Raises:
            ConfigError: a river model takes part, whose state has no form that could be kept.
        """
        self._rivers.refuse_snapshots()
        return parts.arrays(self.state, self._beside)

    def restore(self, arrays: Mapping[str, NDArray[Any]], position: Mapping[TopicPartition, int]) -> None:
        """Become the engine that `snapshot` was called on: what is learned from now on gives the same bits.

        Args:
            arrays: as `snapshot` gave them; not kept.
            position: of that engine.

        Raises:
            ConfigError: the settings do not allow it; nothing is changed then.
            ValueError: this engine has learned already.
        """
        if self.position or self.n_learned or self.state.counters[0]["n_items_changed"]:
            raise ValueError("only an engine that has learned nothing can be restored")
        self._rivers.refuse_snapshots()
        self.state = parts.restored(self.state, self._beside, arrays)
        self.position = dict(position)
        self.scenes.masks.tail_from(self.attributes.version)

    def digest(self) -> str:
        """A hash of all that was learned, and of `position`; equal engines have equal digests."""
        return digest(self.state, parts.beside(self._beside), self.position)

    @property
    def _beside(self) -> parts.Beside:
        """What is learned, but is not in `state`."""
        return parts.Beside(
            self._vectors, self.attribution, self.deduplication, self._event_clock, self.decisions, self.arms
        )

    def stats(self) -> dict[str, float]:
        """Gauges: sizes, evictions, index."""
        return {
            "users": float(n_rows(self.state.users)),
            "items": float(n_rows(self.state.items)),
            "events_learned": float(self.n_learned),
            "evicted_users": float(n_evicted(self.state.users)),
            "evicted_items": float(n_evicted(self.state.items)),
            "hidden_items": float(n_rows(self.state.hidden)),
            "items_with_window": float(n_rows(self.state.windowed)),
            "evicted_windows": float(n_evicted(self.state.windowed)),
            "catalogue_texts": float(np.count_nonzero(self.state.columns.uses[: n_rows(self.state.texts)])),
            "catalogue_left_out": float(self.state.columns.n_left_out[0]),
            "evicted_hidden": float(n_evicted(self.state.hidden)),
            "blocked": float(self.state.blocked.counters["n_rows"][0]),
            "evicted_blocked": float(self.state.blocked.counters["evicted"][0]),
            "loudest_user_share": self._user_shares.largest,
            **self._vectors.stats(self.state),
            **self.spaces.stats(),
            **self.attribution.stats(),
            **self.reranking.stats(),
            "event_ids": float(self.deduplication.n_ids()),
            "forgotten_users": float(self.decisions.n_erased),
            "stamps_not_believed": float(self._event_clock.n_held_back),
        }
