"""The engine's results as protocols, for what is measured (the engine is above this package)."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class JudgedLike(Protocol):
    """The fresh prequential sample of a batch, as `engine.results.Judged`; m events, ranks from 1, 0 = miss."""

    @property
    def at(self) -> NDArray[np.int32]:
        """[m], index in the batch, ascending."""
        ...

    @property
    def rank(self) -> NDArray[np.int32]:
        """[m], blended."""
        ...

    @property
    def rank_by_source(self) -> NDArray[np.int32]:
        """[m, sources]."""
        ...

    @property
    def popularity(self) -> NDArray[np.int32]:
        """[m], of plain popularity."""
        ...

    @property
    def only_index(self) -> NDArray[np.bool_]:
        """[m], only the vector index had found it."""
        ...


class RatedLike(Protocol):
    """The ratings of a batch, as `engine.results.Rated`; m of them."""

    @property
    def at(self) -> NDArray[np.int64]:
        """[m], index in the batch, ascending."""
        ...

    @property
    def values(self) -> NDArray[np.float32]:
        """[m]."""
        ...

    @property
    def expected(self) -> NDArray[np.float32]:
        """[m], just before each was learned."""
        ...


class LearnedLike(Protocol):
    """What learning a batch did, as `engine.results.Learned`."""

    @property
    def n_learned(self) -> int:
        """Events learned now."""
        ...

    @property
    def n_repeated(self) -> int:
        """Events dropped by deduplication."""
        ...

    @property
    def n_ignored(self) -> int:
        """Events that leave no trace by their type."""
        ...

    @property
    def no_interest(self) -> NDArray[np.int64]:
        """Places of the events that were learned, but not as interest."""
        ...

    @property
    def fresh(self) -> JudgedLike:
        """The judged sample."""
        ...

    @property
    def rated(self) -> RatedLike:
        """The ratings."""
        ...

    @property
    def evicted_users(self) -> int:
        """Users evicted."""
        ...

    @property
    def evicted_items(self) -> int:
        """Items evicted."""
        ...
