"""What an engine can be asked: slates, lists, what may be shown. It reads only, as of the last learned event.

One class, and so one file: each question is a few lines that hand it on to what answers it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.answering.by_arm import Asked, ByArm
from stream_rec.engine.answering.had import had_rows
from stream_rec.engine.answering.outputs import Filled
from stream_rec.engine.answering.recommend import Recommender
from stream_rec.engine.answering.reranking import Reranking
from stream_rec.engine.arms.rankers import ArmRankers
from stream_rec.engine.catalogue import categories, lists
from stream_rec.engine.catalogue import records as catalogue
from stream_rec.engine.catalogue.attributes import ItemAttributes
from stream_rec.engine.catalogue.categories import Category
from stream_rec.engine.catalogue.windows import Windows
from stream_rec.engine.fold import rotate
from stream_rec.engine.fold.slates import Asked as OfIndexes
from stream_rec.engine.fold.slates import Rules
from stream_rec.engine.fold.state import State
from stream_rec.engine.held import Held, Memory
from stream_rec.engine.learning.event_meanings import EventMeanings
from stream_rec.engine.names import ItemNames, n_rows, name_of, rows_of
from stream_rec.engine.results import Encoded, FilterMove, Neighbours, Ranked
from stream_rec.engine.rivers import Rivers
from stream_rec.engine.spaces.indexes import n_slots
from stream_rec.engine.spaces.item_vectors import VectorIndex
from stream_rec.engine.spaces.learning import Spaces
from stream_rec.engine.steering.decisions import Decisions
from stream_rec.engine.steering.nevers import Nevers
from stream_rec.engine.steering.scenes import Ruled, Scenes, rotation_of
from stream_rec.engine.steering.trials import Dealt, is_variant
from stream_rec.feedback.attribution import Attribution
from stream_rec.kernels.ids import hash_ids
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.event_types import ALL_TYPES, EventTypes
from stream_rec.settings import EngineSettings, MeasureSettings
from stream_rec.sources import features
from stream_rec.sources.ranker import RankerState

ListName = Literal["popular", "trending", "new"]


class Queries:
    """The half of an engine that answers. Not thread-safe, like the engine: ranking uses its working memory.

    Args:
        settings: bounds and rates.
        measure: bounds of the join of impressions and interactions.

    Attributes:
        settings: as given.
        held: the state, and the working memory beside it.
        attributes: of items, as rules read them.
        attribution: what users were shown, and did.
        decisions: what is in force.
        arms: rankers of arms that rank by themselves.
        scenes: scenarios, compiled.
        spaces: vector spaces.
        reranking: models of scenarios that order candidates anew; none by itself.
    """

    def __init__(self, settings: EngineSettings, measure: MeasureSettings) -> None:
        self.settings = settings
        self.held = Held(settings)
        self.attributes = ItemAttributes(self.held)
        self._meanings = EventMeanings(settings.event_types)
        self.attribution = Attribution(
            measure,
            self.event_types,
            max_items=settings.max_items,
            scenarios=list(settings.scenarios),
            session_gap_seconds=settings.session_gap_seconds,
        )
        self.decisions = Decisions(settings)
        self._names = ItemNames(settings.max_items)
        self.reranking = Reranking(self._names)
        self._nevers = Nevers(self.held, self._names)
        self._vectors = VectorIndex(settings)
        self._rivers = Rivers(settings)
        self.spaces = Spaces(self.held, self._vectors.spaces, settings)
        self.scenes = Scenes(self.held, self.attributes, self.event_types, self.decisions.pacing.is_due)
        self._windows = Windows(self.held, self._vectors)
        self.arms = ArmRankers(self.held, self.decisions)
        self._recommender = self.recommender(self.held)
        self._by_arm = ByArm(self, self._recommender, self._fill)

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of all sources, by their place: always as many; "" = a slot for a vector space is free."""
        return (*features.NAMES, *self._rivers.names, *self.spaces.sources())

    @property
    def n_sources_in_use(self) -> int:
        """How many of `sources` there are but for slots of vector spaces behind the last one that is taken."""
        return len(features.NAMES) + len(self._rivers.names) + n_slots(self.state)

    @property
    def state(self) -> State:
        """All that is learned."""
        return self.held.state

    @state.setter
    def state(self, state: State) -> None:
        self.held.state = state

    @property
    def event_types(self) -> EventTypes:
        """What events mean, by their types."""
        return self._meanings.types

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
        return self.answer(self.asking(users, scenario, k))

    def answer(self, asked: Asked) -> Ranked:
        """As `recommend`, to what `asking` made."""
        return self._by_arm.ranked(asked)

    def encoded(self, users: Sequence[str], *, scenario: str = "default") -> Encoded:
        """What `recommend` answers, as it is stored.

        Raises:
            ValueError: a score is not finite.
        """
        return self._by_arm.encoded(self.asking(users, scenario))

    def in_arm(
        self, users: Sequence[str], scenario: str, k: int, *, experiment: str = "", arm: str = ""
    ) -> Ranked:
        """As `recommend`, in an arm that the caller names, whoever is in it.

        Raises:
            KeyError: no experiment of this name (empty = of any) has such an arm in this scenario now.
        """
        return self._by_arm.in_arm(self.asking(users, scenario, k), experiment, arm)

    def arms_of(self, user_id: str) -> dict[str, Dealt]:
        """The arm that a user's slates are of, by scenario; where they are of none, the scenario is left out."""
        of_all = {name: self._by_arm.dealt(self.asking([user_id], name)) for name in self.decisions.scenarios}
        return {name: arm for name, arm in of_all.items() if arm is not None}

    def ranker_of(self, scenario: str, arm: Dealt | None) -> RankerState:
        """What orders the slates of an arm (None = of no arm) of a scenario."""
        own = self._by_arm.own_ranker(scenario, arm)
        return self.state.ranker if own is None else own.ranker

    def asking(self, users: Sequence[str], scenario: str, k: int | None = None) -> Asked:
        """What `answer` is asked of users; arguments as of `recommend`."""
        ids = IdColumn.of(users)
        hashes = hash_ids(ids)
        return Asked(rows_of(self.state.users, ids, hashes), hashes, scenario, k)

    def rules_of(self, scenario: str, k: int | None = None) -> Ruled | Rules:
        """What a scenario says now, for slates of k places.

        Raises:
            KeyError: there is no such scenario.
        """
        scenarios = self.decisions.trials.scenarios
        of_scenario = scenarios[scenario]
        self.scenes.follow(scenarios)
        only_catalogue = self.catalogue_decides
        ruled = self.scenes.of(scenario, k, only_catalogue=only_catalogue)
        if ruled is not None:
            return ruled
        return Rules(
            k=of_scenario.k if k is None else k,
            allow_seen=of_scenario.leave_out_seen != "all",
            only_catalogue=only_catalogue,
            or_seen=True,
        )

    def slates(self, rows: NDArray[np.int32], hashes: NDArray[np.uint64], rules: Ruled | Rules) -> Ranked:
        """Slates of n users. Reads only.

        Args:
            rows: int32 [n], of the users; those below 0 as in `kernels.candidates.read_context`.
            hashes: uint64 [n], of the users' ids, 0 = nobody's: what they have blocked is known under these.
            rules: what the slates may hold.

        Raises:
            ValueError: k is below 1.
        """
        return self._recommender.named(self._fill(rows, hashes, rules, self._recommender))

    def _fill(
        self,
        rows: NDArray[np.int32],
        hashes: NDArray[np.uint64],
        rules: Ruled | Rules,
        recommender: Recommender,
        near: OfIndexes | None = None,
    ) -> Filled:
        if isinstance(rules, Rules):
            return recommender.rank(rows, hashes, rules, near)
        return recommender.arrange(rows, hashes, rules, near)

    def recommender(self, memory: Memory) -> Recommender:
        """One that ranks in a working memory of its own."""
        searched = self._vectors, self._rivers
        return Recommender(
            memory, searched, self._names, lambda: self.sources, self.attribution, self.reranking
        )

    def has_rules(self, scenario: str) -> bool:
        """Is it another slate than a plain personal one: may it forbid what others show?"""
        self.scenes.follow(self.decisions.trials.scenarios)
        return self.scenes.has_rules(scenario)

    def reach(self, scenario: str) -> tuple[int, int]:
        """How many items a scenario's filter lets through, of how many that may be shown; -1 = it has none."""
        self.scenes.follow(self.decisions.trials.scenarios)
        return self.scenes.reach(scenario, only_catalogue=self.catalogue_decides)

    def changed_at(self, scenario: str) -> int:
        """Offset on `control` of the last record about it; -1 = there is none, or it is no longer known."""
        changed = self.decisions.changed.get(scenario)
        return changed.offset if changed else -1

    def rules_upto(self, scenario: str) -> int | None:
        """As `Ranked.rules_upto`."""
        self.scenes.follow(self.decisions.trials.scenarios)
        if not self.scenes.masks.is_pending(scenario):
            self.decisions.settled(scenario)
            return None
        # Several records may have come since: none of them is known.
        return max(-1, self.decisions.first_change.get(scenario, self.changed_at(scenario)) - 1)

    def fades(self, scenario: str, user_row: int, rows: NDArray[np.int32]) -> NDArray[np.float32]:
        """What rotation adds to the scores of the items in these rows for a user: 0, or less."""
        added = np.zeros(len(rows), np.float32)
        rotation = rotation_of(self.decisions.trials.scenarios[scenario])
        if rotation.factor == 0.0 or user_row < 0:
            return added
        state = self.state
        rotate.fades(
            self.attribution.handle,
            state.users.hashes[user_row],
            self.event_time,
            rotation,
            rotate.empty_faded(),
            state.items.hashes[rows],
            added,
        )
        return added

    def take_filter_moves(self) -> list[FilterMove]:
        """What filters have stopped, or begun, to let through since the last call."""
        state = self.held.state
        return [
            FilterMove(scenario, name_of(state.items, row), shown)
            for scenario, row, shown in self.scenes.masks.take_moved()
            if state.items.lengths[row] >= 0 and not is_variant(scenario)
        ]

    def let_through(self, first: int, n: int) -> dict[str, list[str]]:
        """Of n item rows from `first` on, what the filter of each scenario lets through; empty behind the last row."""
        state = self.held.state
        rows = range(first, min(first + n, n_rows(state.items)))
        held = [row for row in rows if state.items.lengths[row] >= 0]
        through = self.scenes.masks.through(np.array(held, np.int64)) if held else {}
        return {
            scenario: [name_of(state.items, held[at]) for at in np.flatnonzero(shown).tolist()]
            for scenario, shown in through.items()
            if not is_variant(scenario)
        }

    def stopped(self, n: int) -> dict[str, list[str]]:
        """Of each scenario in force that filters: what the filter stops, the latest changes, n at most."""
        state = self.held.state
        rows = np.flatnonzero(state.items.lengths[: n_rows(state.items)] >= 0)
        rows = rows[np.argsort(-state.columns.changed[rows], kind="stable")]
        return {
            scenario: [name_of(state.items, row) for row in rows[~shown][:n].tolist()]
            for scenario, shown in self.scenes.masks.through(rows).items()
            if not is_variant(scenario)
        }

    def still_stopped(self, scenario: str, item_ids: Sequence[str]) -> list[str]:
        """Those of these items that the scenario's filter does not let through, or that are not known any more."""
        rows = rows_of(self.state.items, IdColumn.of(item_ids))
        shown = self.scenes.masks.through(np.maximum(rows, 0)).get(scenario)
        if shown is None:
            return []
        return [item for item, stays in zip(item_ids, ((rows < 0) | ~shown).tolist(), strict=True) if stays]

    @property
    def is_compiling_rules(self) -> bool:
        """Are there rules that were decided and are not in force yet?"""
        self.scenes.follow(self.decisions.trials.scenarios)
        return self.scenes.masks.is_compiling

    def compile_rules(self, is_over: Callable[[], bool] | None = None) -> bool:
        """What rules have to be evaluated for; is there more?

        Until a scenario's rules are compiled, those before are in force; a new scenario with a filter shows nothing.

        Args:
            is_over: asked after each small portion, whether to leave the rest to another call; None = it never is.
        """
        scenarios = self.decisions.trials.scenarios
        is_new = self.scenes.follow(scenarios)
        self.reranking.want([each.rerank for each in scenarios.values() if each.rerank is not None])
        if is_new and is_over is not None and is_over():  # ten scenarios take some milliseconds to parse
            return True
        while self.scenes.compile():
            if is_over is not None and is_over():
                return True
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
        nobody = np.zeros(1, np.uint64)
        ranked = self.slates(np.array([-2 - row], np.int32), nobody, rules)
        return Neighbours(ranked.items[0], ranked.scores[0])

    def near(self, space: str, item_ids: Sequence[str], k: int) -> Neighbours:
        """The items of a vector space that are nearest to the mean of these, which are not among them; by cosine.

        Empty if there is no such space, or nothing is known there of any of these items.

        Raises:
            ValueError: k is below 1.
        """
        if k < 1:
            raise ValueError(f"k is {k}")
        codes, cosines = self.spaces.nearest(space, item_ids, k, only_catalogue=self.catalogue_decides)
        return self._listed((codes, cosines))

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
    def n_learned(self) -> int:
        """Events learned, ever."""
        return self.held.n_learned

    @property
    def event_time(self) -> float:
        """The latest event time learned, in seconds; 0 before the first event."""
        return float(self.state.clock[0])

    def had(self, user_id: str) -> list[str]:
        """What the user is known to have had, the latest first: what `leave_out_seen = "all"` leaves out."""
        state = self.state
        row = int(rows_of(state.users, IdColumn.of([user_id]))[0])
        if row < 0:
            return []
        rows = had_rows(state, row, ALL_TYPES)
        codes = (rows | state.generation[rows].astype(np.int64) << 24).astype(np.int32)
        items: list[str] = self._names.of(state.items, codes).tolist()
        return items

    def nevers(self, users: Sequence[str]) -> dict[str, list[str]]:
        """The items that users never want to see, by user; who has said nothing is left out.

        For readers that have nothing of the user's to show. Of very many items of an owner or a tag the most popular.
        """
        return self._nevers.of(users)

    def hidden(self, item_ids: Sequence[str]) -> list[str]:
        """Those of these items that must not be shown: removed or not available."""
        rows = rows_of(self.state.hidden, IdColumn.of(item_ids))
        return [item for item, row in zip(item_ids, rows.tolist(), strict=True) if row >= 0]

    def take_moved(self) -> list[str]:
        """Items whose window has opened or closed since the last call."""
        return self._windows.take_moved()
