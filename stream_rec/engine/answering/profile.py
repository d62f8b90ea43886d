"""What the engine knows of one user: what the user has had, by which events, and what that says. Reads only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stream_rec.engine.answering.had import Occurrence, occurrences
from stream_rec.engine.engine import Engine
from stream_rec.engine.names import name_of, rows_of
from stream_rec.kernels.vocabulary import UNUSED_BELOW
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.event_types import N_TYPES

MAX_INTERESTS = 20
"""Tags, the most frequent."""


class HadItem(NamedTuple):
    """An item that the user has had.

    Attributes:
        item_id: the item.
        event_types: by which events, those that are a conversion first; a type without a number of its own
            (`EventTypes.remembered`) is left out.
        times: how often among the last events; 0 = only before them.
    """

    item_id: str
    event_types: tuple[str, ...]
    times: int


class Interest(NamedTuple):
    """A tag of what the user has had.

    Attributes:
        tag: the tag.
        share: of the last events, those with an item that has it.
    """

    tag: str
    share: float


class InArm(NamedTuple):
    """An arm that the user's slates of a scenario are of."""

    scenario: str
    experiment: str
    arm: str


@dataclass(frozen=True, slots=True)
class Profile:
    """One user.

    Attributes:
        n_events: that the user's history has counted; 0 = the user is unknown.
        n_session: of these, in the present session.
        last_seen: event time of the last of them, seconds since the epoch; None = there was none.
        n_items: different items that the user is known to have had.
        items: of these, the latest first.
        interests: the most frequent first, then by name.
        arms: by scenario.
        nevers: items that the user never wants to see.
    """

    n_events: int
    n_session: int
    last_seen: float | None
    n_items: int
    items: list[HadItem]
    interests: list[Interest]
    arms: list[InArm]
    nevers: list[str]


def profile(engine: Engine, user_id: str, n: int) -> Profile:
    """What is known of a user; of an unknown one nothing but the arms.

    Args:
        engine: read only.
        user_id: the user.
        n: items, at most.
    """
    row = int(rows_of(engine.state.users, IdColumn.of([user_id]))[0])
    arms = [
        InArm(scenario, dealt.experiment, dealt.arm) for scenario, dealt in engine.arms_of(user_id).items()
    ]
    nevers = engine.nevers([user_id]).get(user_id, [])
    if row < 0:
        return Profile(0, 0, None, 0, [], [], arms, nevers)
    own = engine.state.histories
    had = occurrences(engine.state, row)
    seen = float(engine.state.users.seen[row])
    return Profile(
        n_events=int(own.n_events[row]),
        n_session=int(own.n_events[row]) - int(own.session_start[row]),
        last_seen=None if seen < UNUSED_BELOW else seen,
        n_items=len({each.row for each in had}),
        items=_items(engine, had, n),
        interests=_interests(engine, had),
        arms=arms,
        nevers=nevers,
    )


def _items(engine: Engine, had: Sequence[Occurrence], n: int) -> list[HadItem]:
    kinds: dict[int, int] = {}
    for each in had:
        kinds[each.row] = kinds.get(each.row, 0) | each.types
    times = Counter(each.row for each in had if each.is_recent)
    return [
        HadItem(name_of(engine.state.items, row), _names(engine, types), times[row])
        for row, types in list(kinds.items())[:n]
    ]


def _names(engine: Engine, types: int) -> tuple[str, ...]:
    remembered = engine.event_types.remembered
    numbers = [number for number in range(1, N_TYPES) if types >> number & 1 and number <= len(remembered)]
    return tuple([remembered[number - 1] for number in numbers])


def _interests(engine: Engine, had: Sequence[Occurrence]) -> list[Interest]:
    recent = Counter(each.row for each in had if each.is_recent)
    tags = Counter[str]()
    for row, times in recent.items():
        for tag in engine.attributes.of(row, ("tags",))["tags"]:
            tags[tag] += times
    found = sorted(tags.items(), key=lambda pair: (-pair[1], pair[0]))[:MAX_INTERESTS]
    return [Interest(tag, float(np.round(n / recent.total(), 4))) for tag, n in found]
