"""The engine: learns from every event as it arrives, and ranks for any user at any moment.

A fold over single events: `learn(a + b)` equals `learn(a); learn(b)` bit for bit. No I/O, no clock, no threads but
the index's own rebuild, which is joined at a fixed event count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine import catalogue, categories, lists
from stream_rec.engine.attributes import ItemAttributes
from stream_rec.engine.categories import Category
from stream_rec.engine.decisions import Decisions
from stream_rec.engine.dedup import Deduplication, SharedIds, event_keys
from stream_rec.engine.event_clock import EventClock
from stream_rec.engine.event_columns import columns, without
from stream_rec.engine.fold.judge import PrequentialRanks
from stream_rec.engine.fold.slates import Rules
from stream_rec.engine.fold.state import State
from stream_rec.engine.held import Held
from stream_rec.engine.learn_loop import LearnLoop, Plan
from stream_rec.engine.names import ItemNames, n_evicted, n_rows, rows_of
from stream_rec.engine.outputs import joined, judged
from stream_rec.engine.people import Forgotten, People
from stream_rec.engine.recommend import Recommender
from stream_rec.engine.results import Learned, Neighbours, Ranked
from stream_rec.engine.rivers import Rivers
from stream_rec.engine.scenes import OF_USER, Ruled, Scenes
from stream_rec.engine.state import parts
from stream_rec.engine.state.digest import digest
from stream_rec.engine.state.identity import identity
from stream_rec.engine.user_shares import UserShares
from stream_rec.engine.vectors import VectorIndex
from stream_rec.engine.windows import Windows
from stream_rec.errors import ConfigError, GapError
from stream_rec.feedback.attribution import Attribution
from stream_rec.kernels.ids import hash_ids
from stream_rec.schemas.columns import Batch, EventBatch, IdColumn, ImpressionBatch, ItemBatch, Span
from stream_rec.schemas.decisions import DecisionBatch
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import EngineSettings, MeasureSettings
from stream_rec.sources import features
from stream_rec.sources.ranker import boost_learning_rate

ListName = Literal["popular", "trending", "new"]


class Engine:
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
        self.settings = settings
        self.identity = identity(settings, measure)
        self.position: dict[TopicPartition, int] = {}
        self.held = Held(settings)
        self.attributes = ItemAttributes(self.held)
        self.deduplication = Deduplication(settings.repeat_window, settings.repeat_partitions)
        self.attribution = Attribution(
            measure, max_items=settings.max_items, scenarios=list(settings.scenarios)
        )
        self._event_clock = EventClock()
        self._shared_ids = SharedIds()
        self._user_shares = UserShares()
        self.decisions = Decisions(settings)
        self._people = People(
            self.held, self.attribution, (self._user_shares, self._event_clock), self.decisions
        )
        self._names = ItemNames(settings.max_items)
        self._vectors = VectorIndex(settings)
        self._rivers = Rivers(settings)
        self.sources: tuple[str, ...] = (*features.NAMES, *self._rivers.names)
        self.scenes = Scenes(self.held, self.attributes, settings.max_items)
        self._windows = Windows(self.held, self._vectors)
        self._loop = LearnLoop(self.held, self._vectors, self._rivers, self._windows, settings)
        self._recommender = Recommender(self.held, self._vectors, self._rivers, self._names, self.sources)

    @property
    def state(self) -> State:
        """All that is learned."""
        return self.held.state

    @state.setter
    def state(self, state: State) -> None:
        self.held.state = state

    # ---- learn ----

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
        learned.

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
        kept, batch, judge_all, left_out = without(erased, batch, judge_all, left_out)
        keys = event_keys(batch)
        self._shared_ids.look(batch, keys, first)
        self._user_shares.look(batch, first)
        repeated = self.deduplication.mark(batch.span.partition, keys, first)
        new, batch, judge_all, left_out = without(repeated, batch, judge_all, left_out)
        batch, back = self._judge_stamps(batch, first)
        ranks = self._learn_new(batch, Plan(first, judge_all, frozen, left_out, back))
        self._advance_to(batch.span)
        users, items = (now - before for now, before in zip(self._evicted(), evicted, strict=True))
        return Learned(
            n_learned=len(batch) - first,
            repeated=np.sort(np.concatenate([erased, kept[repeated]])),
            past=past,
            fresh=judged(ranks, kept[new]),
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
        catalogue.apply(self.held, self._vectors, batch, position, np.uint64(self.settings.seed))
        self._advance_to(batch.span)
        return self._evicted()[1] - evicted

    def learn_impressions(self, batch: ImpressionBatch) -> None:
        """Remember what was shown, to be joined with what users do next.

        Raises:
            GapError: as for learn.
        """
        first = int(np.searchsorted(batch.offsets, self._position_for(batch.span)))
        batch = self.decisions.shown(batch, first)
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
        )
        self._advance_to(batch.span)

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

    def hidden(self, item_ids: Sequence[str]) -> list[str]:
        """Those of these items that must not be shown: removed or not available."""
        rows = rows_of(self.state.hidden, IdColumn.of(item_ids))
        return [item for item, row in zip(item_ids, rows.tolist(), strict=True) if row >= 0]

    def take_moved(self) -> list[str]:
        """Items whose window has opened or closed since the last call."""
        return self._windows.take_moved()

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
        events, first = columns(batch, self.settings), plan.first
        if not plan.frozen and first < len(batch):
            self.attribution.interact(
                events.user_hashes[first:],
                events.item_hashes[first:],
                batch.ts[first:],
                batch.event_types[first:],
                batch.values[first:],
            )
        return self._loop.learn(events, batch.values, plan)

    def _evicted(self) -> tuple[int, int]:
        return n_evicted(self.state.users), n_evicted(self.state.items)

    def on_drift(self) -> None:
        """Let the ranker move faster for a while. The log does not tell when; the journal does."""
        boost_learning_rate(self.state.ranker)

    # ---- recommend ----

    def recommend(self, users: Sequence[str], *, scenario: str = "default", k: int | None = None) -> Ranked:
        """Slates for users as of the last learned event. Reads only; an unknown user (cold start) gets what is popular.

        The item of a user's last event does not lead, unless there is nothing else.

        Args:
            users: user ids.
            scenario: of `decisions.scenarios`: says what a slate is.
            k: another length.

        Raises:
            ValueError: k is below 1.
        """
        of_scenario = self.decisions.scenarios[scenario]
        self.scenes.follow(self.decisions.scenarios)
        rows = rows_of(self.state.users, IdColumn.of(users))
        ruled = self.scenes.of(scenario, k, only_catalogue=self.catalogue_decides)
        if ruled is not None:
            return self._under_rules(rows, ruled)
        rules = Rules(
            k=of_scenario.k if k is None else k,
            allow_seen=of_scenario.leave_out_seen != "all",
            only_catalogue=self.catalogue_decides,
            or_seen=True,
        )
        return self._recommender.rank(rows, rules)

    def _under_rules(self, rows: NDArray[np.int32], ruled: Ruled) -> Ranked:
        if ruled.scenario.logic not in OF_USER:
            return self._recommender.arrange(rows, ruled)
        each = [
            self._recommender.arrange(rows[i : i + 1], self.scenes.of_user(ruled, int(rows[i])))
            for i in range(len(rows))
        ]
        return joined(each)

    @property
    def is_compiling_rules(self) -> bool:
        """Are there rules that were decided and are not in force yet?"""
        self.scenes.follow(self.decisions.scenarios)
        return self.scenes.masks.is_compiling

    def compile_rules(self, n_evaluations: int | None = None) -> bool:
        """One bounded slice of what rules have to be evaluated for; is there more? None = all of it.

        Until a scenario's rules are compiled, those before are in force; a new scenario with a filter shows nothing.
        """
        self.scenes.follow(self.decisions.scenarios)
        if n_evaluations is not None:
            return self.scenes.compile(n_evaluations)
        while self.scenes.compile():
            pass
        return False

    def similar(self, item_id: str, k: int) -> Neighbours:
        """What events or tags connect with an item, for an unknown user whose session is this item alone.

        Empty if the item is unknown, or nothing connects it with others.

        Raises:
            ValueError: k is below 1.
        """
        row = int(rows_of(self.state.items, IdColumn.of([item_id]))[0])
        if row < 0:
            return Neighbours([], [])
        rules = Rules(k=k, allow_seen=False, only_catalogue=self.catalogue_decides, only_connected=True)
        ranked = self._recommender.rank(np.array([-2 - row], np.int32), rules)
        return Neighbours(ranked.items[0], ranked.scores[0])

    def popular(self, k: int) -> Neighbours:
        """The heaviest items at the middle half-life."""
        return self._listed(lists.popular(self.state, k, self.catalogue_decides))

    def trending(self, k: int) -> Neighbours:
        """Items with more events of late than their longer past foretells."""
        return self._listed(lists.trending(self.state, k, self.catalogue_decides))

    def new(self, k: int) -> Neighbours:
        """The items that came last, newest first."""
        return self._listed(lists.newest(self.state, k, self.catalogue_decides))

    def categories(self, n: int) -> list[Category]:
        """The n tags that are used most."""
        return categories.heaviest(self.state, n)

    def of_category(self, category: Category, k: int) -> dict[ListName, Neighbours]:
        """The lists of a category's items: what has changed since it was read is left out of them."""
        state, only, rows = self.state, self.catalogue_decides, categories.unchanged(self.state, category)
        return {
            "popular": self._listed(lists.popular(state, k, only, rows)),
            "trending": self._listed(lists.trending(state, k, only, rows)),
            "new": self._listed(lists.latest(state, k, only, rows)),
        }

    def _listed(self, found: tuple[list[int], list[float]]) -> Neighbours:
        codes, scores = found
        return Neighbours(self._names.of(self.state.items, np.array(codes, np.int32)).tolist(), scores)

    @property
    def catalogue_decides(self) -> bool:
        """Is only what the catalogue has recommended now?"""
        return catalogue.decides(self.state, self.settings.catalogue)

    @property
    def event_time(self) -> float:
        """The latest event time learned, in seconds; 0 before the first event."""
        return float(self.state.clock[0])

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

    def digest(self) -> str:
        """A hash of all that was learned, and of `position`; equal engines have equal digests."""
        return digest(self.state, parts.beside(self._beside), self.position)

    @property
    def _beside(self) -> parts.Beside:
        """What is learned, but is not in `state`."""
        return parts.Beside(
            self._vectors, self.attribution, self.deduplication, self._event_clock, self.decisions
        )

    @property
    def n_learned(self) -> int:
        """Events learned, ever."""
        return int(self.state.counters[0]["n_learned"])

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
            "loudest_user_share": self._user_shares.largest,
            **self._vectors.stats(self.state),
            **self.attribution.stats(),
            "event_ids": float(self.deduplication.n_ids()),
            "forgotten_users": float(self.decisions.n_erased),
            "stamps_not_believed": float(self._event_clock.n_held_back),
        }
