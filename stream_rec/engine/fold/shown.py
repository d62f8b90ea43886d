"""What may be shown to anybody, now: the one place where kernels ask."""

from __future__ import annotations

from stream_rec.kernels.compile import kernel_inner


@kernel_inner
def may_be_shown(state, row, only_catalogue):
    """Neither removed nor unavailable, inside its window by event time, and in the catalogue if that decides.

    Windows are turned at fixed event counts (`engine.catalogue.windows`); in between, what has closed is not shown.
    """
    if not state.popularity.eligible[row] or (only_catalogue and not state.in_catalogue[row]):
        return False
    if state.windowed.counters[0].n_rows == 0:  # no item ever had a window: two reads of the row are saved
        return True
    # A bound that is not given is NaN, of which no comparison is true.
    return not (state.columns.opens[row] > state.clock[0] or state.columns.closes[row] <= state.clock[0])
