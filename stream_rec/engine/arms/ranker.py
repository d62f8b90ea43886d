"""The ranker of one arm, and the state as it looks with it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold.handle import Handle, hold
from stream_rec.engine.fold.state import Query, Rates, State
from stream_rec.engine.held import Held
from stream_rec.schemas.experiment import Arm
from stream_rec.sources.features import SWITCHES
from stream_rec.sources.ranker import RankerState

HITS_AT = 20
N_SUMS = 5
JUDGED, HITS, RECIPROCAL, MAIN_HITS, MAIN_RECIPROCAL = range(N_SUMS)
FIGURES = ("judged", "hits", "reciprocal", "main_hits", "main_reciprocal")
"""Examples, hits among the first HITS_AT, sum of 1 / rank; and of the engine's own ranker on the same examples."""


_MAY_BE_ADDED = np.array([name != "factorization" for name in SWITCHES])
"""An arm may hear what the engine leaves out, for all sources learn; but of this one the index is searched only if the
engine hears it."""


class Key(NamedTuple):
    """Which ranker it is.

    Attributes:
        experiment, arm: their names.
        started: when the experiment began, seconds: a name may be used again.
    """

    experiment: str
    arm: str
    started: float


class ArmRanker:
    """A ranker that learns beside the engine's own. It is a memory to rank in, too.

    Args:
        held: the engine's state and working memory.
        ranker: the arm's own state, changed in place.
        arm: what is different.
        sums: float64 [N_SUMS], changed in place; None = nothing has been judged.

    Attributes:
        ranker: as given.
        sums: as given.
        hears_others: not the same sources as the engine.
    """

    def __init__(
        self, held: Held, ranker: RankerState, arm: Arm, sums: NDArray[np.float64] | None = None
    ) -> None:
        self._held = held
        self.ranker = ranker
        self.sums = np.zeros(N_SUMS) if sums is None else sums
        rates = held.rates
        heard = rates.heard
        if arm.sources:
            heard = np.array([name in arm.sources for name in SWITCHES]) & (heard | _MAY_BE_ADDED)
        self.hears_others = not np.array_equal(heard, rates.heard)
        own = rates.ranker._replace(learning_rate=rates.ranker.learning_rate * arm.learning_rate)
        self.rates: Rates = rates._replace(ranker=own, heard=heard)
        self.query: Query = held.query
        self._known: State | None = None

    @classmethod
    def beginning(cls, held: Held, arm: Arm) -> ArmRanker:
        """It begins as the engine's own ranker is now."""
        return cls(held, RankerState._make(array.copy() for array in held.state.ranker), arm)

    @property
    def state(self) -> State:
        """All that is learned, with this ranker in the place of the engine's own."""
        self._follow()
        return self._state

    @property
    def handle(self) -> Handle:
        """For the kernels that Python calls."""
        self._follow()
        return self._handle

    def _follow(self) -> None:
        if self._known is not self._held.state:
            self._known = self._held.state
            own: dict[str, Any] = {"ranker": self.ranker}
            self._state: State = self._known._replace(**own)
            self._handle: Handle = hold(self._state, self.query, self.rates)

    def note(self, rank: int, main_rank: int) -> None:
        """An example was judged: its rank here, and by the engine's own ranker; 0 = no candidate."""
        self.sums[JUDGED] += 1
        for of, hits, reciprocal in ((rank, HITS, RECIPROCAL), (main_rank, MAIN_HITS, MAIN_RECIPROCAL)):
            self.sums[hits] += 0 < of <= HITS_AT
            self.sums[reciprocal] += 1 / of if of else 0.0
