"""The whole state of the engine as one nested tuple of arrays, with the working memory and the rates beside it.

State, Query and Rates have a field for every source of the table that has a part in them (`state.factors`,
`query.neighbours`, `rates.popularity`): a new source is known to every kernel without a word here.
"""

from __future__ import annotations

from collections import namedtuple
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.bounds import Bounds
from stream_rec.kernels.columns import ColumnState
from stream_rec.kernels.histories import HistoryState
from stream_rec.kernels.ownership import Owner, PerItem
from stream_rec.kernels.pairs import PairState
from stream_rec.kernels.past import PastState
from stream_rec.kernels.query import QueryCore
from stream_rec.kernels.records import record
from stream_rec.kernels.vocabulary import VocabularyState
from stream_rec.kernels.windows import WindowState
from stream_rec.sources import registry
from stream_rec.sources.ranker import RankerRates, RankerState

COUNTERS = record([(name, np.int64) for name in ("n_learned", "n_items_changed", "spare", "spare_too")])
"""Events learned, catalogue records learned."""


class StateCore(NamedTuple):
    """What is learned whatever the sources.

    Attributes:
        users: vocabulary of users.
        items: vocabulary of items.
        hidden: vocabulary of the items that must not be shown, whether they have a row or not; see kernels.hidden.
        windowed: vocabulary of the items that may be shown only for a time.
        windows: of these; see kernels.windows.
        texts: vocabulary of the texts that stand in columns.
        columns: what the catalogue says of items; see kernels.columns.
        generation: uint8 [items], see kernels.codes.
        first_seen: float64 [items], event time of an item's first event, or its catalogue time.
        in_catalogue: bool [items], the catalogue has a record of it, available or not.
        newest: int32 [n], codes of the items that came last, a ring.
        n_newest: int64 [1].
        counters: COUNTERS [1].
        clock: float64 [1], the latest event time.
        histories: of the users.
        remembered: uint64 [N_TYPES], hash of the event type that has each number in histories; 0 = no type of its own.
        past: what users have had before their histories; see kernels.past.
        blocked: what users have disliked or never want to see again.
        undoable: the last events that another one may take back.
    """

    users: Annotated[VocabularyState, Owner.USER_ROW]
    items: Annotated[VocabularyState, Owner.ITEM_ROW]
    hidden: Annotated[VocabularyState, Owner.HIDDEN_ROW]
    windowed: Annotated[VocabularyState, Owner.WINDOW_ROW]
    windows: WindowState
    texts: Annotated[VocabularyState, Owner.TEXT_ROW]
    columns: ColumnState
    generation: PerItem[np.uint8]
    first_seen: PerItem[np.float64]
    in_catalogue: PerItem[np.bool_]
    newest: NDArray[np.int32]
    n_newest: NDArray[np.int64]
    counters: NDArray[np.void]
    clock: NDArray[np.float64]
    histories: Annotated[HistoryState, Owner.USER_ROW]
    remembered: NDArray[np.uint64]
    past: PastState
    blocked: Annotated[PairState, Owner.BLOCKED_ROW]
    undoable: Annotated[PairState, Owner.UNDOABLE_ROW]


class RatesCore(NamedTuple):
    """Settings that the kernels need, whatever the sources; they never change while an engine lives.

    Attributes:
        session_gap: seconds.
        heard: bool [sources], switched on.
        source_of: int64 [D], which source each feature belongs to, by its place in `Engine.sources`.
        conversions: bit set: numbers of the event types that are conversions.
        max_blocked_per_user: dislikes and nevers of one user, at most.
        ranker: the ranker's own.
    """

    session_gap: float
    heard: NDArray[np.bool_]
    source_of: NDArray[np.int64]
    conversions: int
    max_blocked_per_user: int
    ranker: RankerRates


_SMALLEST = Bounds()

if TYPE_CHECKING:

    class State(StateCore):
        """StateCore, the sources' parts, and the ranker's."""

        ranker: RankerState

        def __getattr__(self, source: str) -> Any: ...

    class Query(QueryCore):
        """QueryCore, and the sources' parts."""

        def __getattr__(self, source: str) -> Any: ...

    class Rates(RatesCore):
        """RatesCore, and the sources' parts."""

        def __getattr__(self, source: str) -> Any: ...

else:
    State = namedtuple("State", (*StateCore._fields, *registry.parts("empty", _SMALLEST), "ranker"))
    Query = namedtuple("Query", (*QueryCore._fields, *registry.parts("scratch", _SMALLEST)))
    Rates = namedtuple("Rates", (*RatesCore._fields, *registry.parts("RATES")))
