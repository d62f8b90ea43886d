"""One reference to all that a kernel reads and writes."""

from __future__ import annotations

from typing import NamedTuple

from stream_rec.engine.fold.state import Query, Rates, State
from stream_rec.kernels.reference import refer


class Handle(NamedTuple):
    """State, working memory and rates for the kernels that Python calls; `hold` makes one."""

    state: State
    query: Query
    rates: Rates


def hold(state: State, query: Query, rates: Rates) -> Handle:
    """A handle on these arrays. It sees every change in them, but not that another array took one's place."""
    handle: Handle = refer(Handle(state, query, rates))
    return handle
