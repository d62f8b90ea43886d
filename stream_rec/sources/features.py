"""The one table of what the ranker is told of a candidate, and by whom.

All else is made from it: the number of a feature in the kernels, which source it belongs to, how it is normalised, the
ranker's prior, and the names that `evaluate` prints. A source is a file of the same name in this folder.

Order is meaning: the ranker's weights, in memory and in snapshots, stand in the order of FEATURES, and sources are
named by their place in SOURCES. New rows go to the end.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

AS_IT_IS, LIST, VECTOR, LEVEL = range(4)
"""What a feature is, and so how it is normalised over the candidates of a query:

AS_IT_IS: not at all. LIST: what one source proposed, with weights above 0: shares of the heaviest, square-rooted.
VECTOR: a product that every candidate has: to mean 0 and deviation 1. LEVEL: a logarithm that every candidate has: its
place between far below the greatest (0) and the greatest (1).
"""


class Source(NamedTuple):
    """A source of candidates.

    Attributes:
        name: of its module here, in settings and in metrics.
        state: of its part of the state, and so of its arrays in snapshots; "" = it has none.
        turn: when it proposes: who found an item first names the reason, and equals are ranked in the order in which
            they were found.
    """

    name: str
    state: str
    turn: int


class Feature(NamedTuple):
    """One number of every candidate.

    Attributes:
        name: as kernels and `evaluate` call it.
        source: whose it is.
        kind: one of those above.
        prior: the weight that the ranker begins with.
        echoes: would it hear the session's own events, of an item that is in the session? There it is 0.
    """

    name: str
    source: str
    kind: int = AS_IT_IS
    prior: float = 0.0
    echoes: bool = False


SOURCES = (
    Source("popularity", "popularity", turn=6),
    Source("transitions", "transitions", turn=2),
    Source("neighbours", "neighbours", turn=3),
    Source("item_neighbours", "item_neighbours", turn=4),
    Source("factorization", "factors", turn=5),
    Source("session", "", turn=1),
    Source("vectors", "spaces", turn=7),
)
FEATURES = (
    Feature("after", "neighbours", LIST, prior=3.0),
    Feature("before", "neighbours", LIST, prior=0.5),
    Feature("next", "transitions", LIST, prior=2.0, echoes=True),
    Feature("next_older", "transitions", LIST, prior=1.0, echoes=True),
    Feature("later", "transitions", LIST, prior=1.0, echoes=True),
    Feature("back", "transitions", LIST, prior=0.5, echoes=True),
    Feature("cosine", "item_neighbours", LIST, prior=2.0, echoes=True),
    Feature("vector", "factorization", VECTOR, prior=0.3),
    Feature("in_session", "session"),
    Feature("count", "session"),
    Feature("is_last", "session"),
    Feature("in_past", "session"),
    Feature("popular_short", "popularity", LEVEL, prior=0.5, echoes=True),
    Feature("popular_middle", "popularity", LEVEL, prior=0.5, echoes=True),
    Feature("popular_long", "popularity", LEVEL, prior=0.5),
    Feature("youth", "popularity", echoes=True),
    Feature("hop", "item_neighbours", LIST),
    Feature("returns", "session"),
    Feature("steps", "session"),
)

PARTS = (*SOURCES, Source("ratings", "ratings", turn=0))
"""Whatever learns from events: the sources, and ratings, a target of their own that proposes nothing."""
SPACES = "vectors"
"""The source of all vector spaces: each of them is a source of its own to readers, and their features stand behind the
table's (`sources.vectors`)."""
NAMES = tuple(source.name for source in SOURCES if source.name != SPACES)
"""Those that have features in the table."""
SWITCHES = (*NAMES, SPACES)
"""What settings call the sources, by their place in `Rates.heard`."""
N_FEATURES = len(FEATURES)
SOURCE_OF = np.array([NAMES.index(feature.source) for feature in FEATURES], np.int64)
"""int64 [N_FEATURES]: the source of each feature, by its place in SOURCES."""
ECHOES = np.array([feature.echoes for feature in FEATURES])
"""bool [N_FEATURES]."""
KIND_OF = np.array([feature.kind for feature in FEATURES], np.int64)
"""int64 [N_FEATURES]."""


def number_of(name: str) -> int:
    """Where a feature stands in the table: its row in `Query.features`."""
    return [feature.name for feature in FEATURES].index(name)


def number_of_source(name: str) -> int:
    """Where a source stands in the table: its place in `Rates.heard` and in `Engine.sources`."""
    return NAMES.index(name)
