"""One reference to all that a kernel reads and writes: unpacking 150 arrays would cost every call 25 us."""

from __future__ import annotations

from typing import NamedTuple

import numba
from numba.core.types import StructRef  # type: ignore[attr-defined]
from numba.experimental import structref

from stream_rec.engine.fold.state import Query, Rates, State
from stream_rec.kernels.compile import kernel_allocating

if numba.config.DISABLE_JIT:  # kernels as plain Python, to debug one

    class Handle(NamedTuple):
        """State, working memory and rates."""

        state: State
        query: Query
        rates: Rates

else:

    @structref.register
    class _HandleType(StructRef):
        """Fields: state (State), query (Query), rates (Rates)."""

    class Handle(structref.StructRefProxy):  # type: ignore[no-redef]
        """State, working memory and rates for the kernels that Python calls; `hold` makes one."""

    structref.define_proxy(Handle, _HandleType, ["state", "query", "rates"])


@kernel_allocating
def hold(state, query, rates):
    """A handle on these arrays. It sees every change in them, but not that another array took one's place."""
    return Handle(state, query, rates)
