"""Scenarios as kernels read them: rows for ids, lists for logics, and the masks that their rules compile to.

Rules of places: `places`; lists, and what is cached of them: `shared_lists`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec import logs
from stream_rec.engine.catalogue import lists
from stream_rec.engine.catalogue.attributes import ItemAttributes
from stream_rec.engine.fold.pool import BY_FACTORS, BY_NOTHING, BY_TAGS, Masks, Scene
from stream_rec.engine.fold.rotate import Rotation
from stream_rec.engine.held import Held
from stream_rec.engine.names import n_rows, rows_of
from stream_rec.engine.spaces.indexes import slot_of
from stream_rec.engine.steering import places
from stream_rec.engine.steering.shared_lists import SharedLists, tiers_of
from stream_rec.rules.compiled import Compiled
from stream_rec.rules.masks import PORTION, RuleMasks
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.event_types import ALL_TYPES, EventTypes
from stream_rec.schemas.scenario import SPACE_PREFIX, Promotion, Scenario

MOVE_EVENTS = 16_384
"""Events after which rules that go by an item's age are evaluated again."""
MAX_SAID = 1024
"""Warnings about event types that scenarios name or lack, at most."""
CONNECTED = ("similar", "bought_together")
"""Logics that the ranker orders, from what something of the user's leads to."""
BY_RATING = "predicted_rating"
"""The logic that orders candidates by what the user would rate them."""
SCORED = ("personal", BY_RATING, *CONNECTED)
"""Logics that order candidates by a score."""
OF_BASKET = "bought_together"
"""The logic that only some of the user's events lead to."""
OF_USER = ("recently_viewed", "buy_again")
"""Logics whose list is another for every user."""
IsDue = Callable[[str, Promotion, float], bool]
_NO_ROWS: NDArray[np.int32] = np.zeros(0, np.int32)
_NO_ENDS: NDArray[np.int64] = np.zeros(0, np.int64)
_NO_FLOATS: NDArray[np.float32] = np.zeros(0, np.float32)
_NO_BYTES: NDArray[np.uint8] = np.zeros(0, np.uint8)


class Ruled(NamedTuple):
    """A scenario in force, for one call.

    Attributes:
        scene: for the kernels.
        masks: for the kernels.
        scenario: what it says.
        narrow: bool [rows], what may be shown, if that is little: the index looks for nothing else. None = much.
        spaces: vector spaces that bring lists of each user's own, and the tiers of these.
        own_types: events of these types, a bit set, are what a list of a user's own items goes by, or what stands in
            the basket of `bought_together`.
        n_among: of so many items `scene.among` is a sample; 0 = it holds all that chance chooses from.
    """

    scene: Scene
    masks: Masks
    scenario: Scenario
    narrow: NDArray[np.bool_] | None
    spaces: tuple[tuple[int, str], ...] = ()
    own_types: int = ALL_TYPES
    n_among: int = 0


class Scenes:
    """The scenarios of an engine. Engine's thread.

    Args:
        held: the state, read only.
        attributes: of items.
        types: the table of event types.
        is_due: may a promotion of this scenario have its places, as of event time?
    """

    def __init__(self, held: Held, attributes: ItemAttributes, types: EventTypes, is_due: IsDue) -> None:
        self._held = held
        self._types = types
        self._is_due = is_due
        self._attributes = attributes
        self.masks = RuleMasks(len(held.state.generation), attributes, held.state.generation)
        self._known: Mapping[str, Scenario] | None = None
        self._lists = SharedLists(held, self.masks)
        self._moved = 0
        self._said: set[tuple[str, str]] = set()
        self._log = logs.get("recommend")

    def follow(self, scenarios: Mapping[str, Scenario]) -> bool:
        """These are wanted, a mapping that is replaced when one changes; are they others than before?"""
        if scenarios is self._known:
            return False
        for name, fault in self.masks.apply(scenarios).items():
            self._log.warning(
                "a scenario's rules cannot be compiled: it shows nothing",
                scenario=name,
                why=fault,
                fix=f"apply {name} again without the mistake: stream-rec scenario apply FILE",
            )
        for name, scenario in scenarios.items():
            self._say_unknown_types(name, scenario)
            self._say_no_ratings(name, scenario)
        self._known = scenarios
        return True

    def _say_unknown_types(self, name: str, scenario: Scenario) -> None:
        seen = () if isinstance(scenario.leave_out_seen, str) else scenario.leave_out_seen
        for event_type in {*seen, *scenario.event_types} - {*self._types.names}:
            if (name, event_type) not in self._said and len(self._said) < MAX_SAID:
                self._said.add((name, event_type))
                self._log.warning(
                    "a scenario names an event type that is not in the table: it stands for all types without an entry",
                    scenario=name,
                    event_type=event_type,
                    fix=f"add [engine.event_types.{event_type}], or correct the scenario",
                )

    def _say_no_ratings(self, name: str, scenario: Scenario) -> None:
        known = (name, BY_RATING)
        if scenario.logic != BY_RATING or self._types.has_ratings or known in self._said:
            return
        if len(self._said) < MAX_SAID:
            self._said.add(known)
            self._log.warning(
                "a scenario orders by predicted rating, but no type of event is a rating: it is ordered as `personal`",
                scenario=name,
                fix='say which type is one: value = "rating" in [engine.event_types.NAME]',
            )

    def compile(self, n_evaluations: int = PORTION) -> bool:
        """One bounded portion of what is to be compiled; is there more?"""
        state = self._held.state
        self.masks.renew(state.generation)
        moved = int(state.counters[0]["n_learned"]) // MOVE_EVENTS
        if moved != self._moved:
            self._moved = moved
            self.masks.reevaluate()
        return self.masks.compile(n_rows(state.items), n_evaluations)

    def of(self, name: str, k: int | None, *, only_catalogue: bool) -> Ruled | None:
        """A scenario, for one call; None = it is a plain personal slate, with or without what the user has had."""
        compiled = self.masks.of(name)
        if compiled is None or compiled.scenario.is_plain:
            return None
        scenario = compiled.scenario
        k = scenario.k if k is None else k
        masks, listed = self._masks(compiled), self._lists.listed(compiled, only_catalogue)
        among, n_among = self._lists.among(compiled, only_catalogue)
        now = float(self._held.state.clock[0])
        scene = Scene(
            k=k,
            number=max(compiled.number, 0),
            filters=compiled.program.filters,
            ranks=scenario.logic in SCORED,
            by_rating=scenario.logic == BY_RATING and self._types.has_ratings,
            allow_seen=_allows_seen(scenario),
            seen_types=self.seen_types(scenario),
            only_catalogue=only_catalogue,
            only_connected=scenario.logic in CONNECTED,
            strict=scenario.strict,
            max_age=scenario.item_ttl_seconds or math.inf,
            least=_ln(scenario.min_relevance),
            returns=_ln(scenario.replacement),
            relevance=scenario.diversity.relevance if scenario.diversity else 1.0,
            alike=self._alike(scenario),
            explores=scenario.exploration.share if scenario.exploration else 0.0,
            caps=places.caps_of(compiled),
            pins=self._slots([(pin.slot, pin.item) for pin in scenario.pins]),
            kept_out=self._slots(places.kept_out(scenario)),
            promotions=places.promotion_slots(scenario, k, now, partial(self._is_due, name)),
            floors=places.floors_of(scenario, k),
            floor_rows=self._lists.floor_rows(compiled, only_catalogue),
            listed=listed.rows,
            listed_marks=listed.marks,
            listed_scores=listed.scores,
            among=among,
            own=_NO_ROWS,
            own_marks=_NO_BYTES,
            own_scores=_NO_FLOATS,
            own_ends=_NO_ENDS,
            rotation=rotation_of(scenario),
        )
        types = self._own_types(scenario)
        return Ruled(scene, masks, scenario, self._lists.narrow(compiled), _spaces(scenario), types, n_among)

    def asks_all(self, name: str) -> bool:
        """Do its slates ask the indexes of all items? Those of a list ask nothing, those of a strict filter of few."""
        compiled = self.masks.of(name)
        if compiled is None or compiled.scenario.is_plain:
            return True
        return compiled.scenario.logic in SCORED and self._lists.narrow(compiled) is None

    def has_rules(self, name: str) -> bool:
        """Is it more than a plain personal slate, with or without what the user has had?"""
        return self._known is not None and name in self._known and not self._known[name].is_plain

    def is_by_rating(self, name: str) -> bool:
        """Does a scenario order by predicted ratings?"""
        compiled = self.masks.of(name)
        return self._types.has_ratings and compiled is not None and compiled.scenario.logic == BY_RATING

    def reach(self, name: str, *, only_catalogue: bool) -> tuple[int, int]:
        """How many items a scenario's filter lets through, and of how many; -1 = it has none that is in force."""
        compiled = self.masks.of(name)
        if compiled is None or not compiled.program.filters or not self.masks.is_in_force(name):
            return -1, -1
        state, n = self._held.state, n_rows(self._held.state.items)
        shown = lists.may_be_shown(state, only_catalogue, slice(n)) & (state.items.lengths[:n] >= 0)
        return int(np.count_nonzero(shown & self._lists.filtered(compiled, n))), int(np.count_nonzero(shown))

    def told(self, name: str, row: int) -> list[str]:
        """What each rule of a scenario says of the item in a row; empty below 0."""
        compiled = self.masks.of(name)
        return compiled.program.told(self._attributes.of(row)) if compiled is not None and row >= 0 else []

    def boost(self, name: str, row: int) -> float:
        """What the rules of a scenario add to the score of the item in a row."""
        compiled = self.masks.of(name)
        return float(compiled.boosts[row]) if compiled is not None and len(compiled.boosts) else 0.0

    def seen_types(self, scenario: Scenario) -> int:
        """Events of these types, a bit set, are what `leave_out_seen` goes by."""
        seen = scenario.leave_out_seen
        return ALL_TYPES if isinstance(seen, str) else self._types.mask_of(seen)

    def _own_types(self, scenario: Scenario) -> int:
        """`Ruled.own_types`."""
        if scenario.event_types:
            return self._types.mask_of(scenario.event_types)
        return self._types.conversions if scenario.logic in ("buy_again", OF_BASKET) else ALL_TYPES

    def _masks(self, compiled: Compiled) -> Masks:
        masks = self.masks
        return Masks(masks.bits, masks.evaluated, compiled.boosts, masks.values, compiled.promoted)

    def _alike(self, scenario: Scenario) -> int:
        """`Scene.alike`: in a vector space that there is not (yet), nothing is like anything."""
        over = scenario.diversity.over if scenario.diversity else "tags"
        if over.startswith(SPACE_PREFIX):
            slot = slot_of(self._held.state, over.removeprefix(SPACE_PREFIX))
            return slot if slot >= 0 else BY_NOTHING
        return BY_TAGS if over == "tags" else BY_FACTORS

    def _slots(self, wanted: list[tuple[int, str]]) -> NDArray[np.int32]:
        """Slots from 0 with the rows of the items that are known."""
        if not wanted:
            return np.zeros((0, 2), np.int32)
        rows = rows_of(self._held.state.items, IdColumn.of([item for _, item in wanted])).tolist()
        return places.table(
            [[slot - 1, row] for (slot, _), row in zip(wanted, rows, strict=True) if row >= 0], 2
        )


def _spaces(scenario: Scenario) -> tuple[tuple[int, str], ...]:
    return tuple(
        (mark, logic.removeprefix(SPACE_PREFIX))
        for mark, logic in tiers_of(scenario)
        if logic.startswith(SPACE_PREFIX)
    )


def _allows_seen(scenario: Scenario) -> bool:
    """A list of what the user has had would be empty without it."""
    seen = scenario.leave_out_seen
    return seen == "none" or (seen == "all" and scenario.logic in OF_USER)


def rotation_of(scenario: Scenario) -> Rotation:
    """How a scenario's items fade."""
    rotates = scenario.rotation
    if rotates is None:
        return Rotation()
    return Rotation(_ln(rotates.factor), float(rotates.after), rotates.recover_seconds)


def _ln(share: float) -> float:
    return math.log(share) if share > 0.0 else -math.inf
