"""Lists that belong to no user: popular, trending, new, of the whole catalogue or of a tag's items."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.fold.state import State
from stream_rec.engine.names import n_rows
from stream_rec.kernels.codes import ROW_MASK, is_current
from stream_rec.sources.popularity import MIDDLE, SHORT

Rows = NDArray[np.signedinteger] | slice


def _all(state: State) -> slice:
    return slice(n_rows(state.items))


def _now(state: State, half_life: int, of: Rows) -> NDArray[np.float64]:
    """Decayed counts of items as they are at the latest event time, repeats of one user damped."""
    p = state.popularity
    exponent = np.clip(p.rates[half_life] * (state.clock[0] - p.landmarks[half_life]), -700.0, 700.0)
    scores: NDArray[np.float64] = p.reach[half_life, of] * np.exp(-exponent)
    return scores


def weights(state: State, of: Rows) -> NDArray[np.float64]:
    """Decayed counts of rows at the middle half-life: what is popular."""
    return _now(state, MIDDLE, of)


def as_heavy(state: State, known: NDArray[np.int32]) -> NDArray[np.int64]:
    """The rows that are as heavy as the lightest of these, or so little lighter that rounding may hide it; ascending.

    Who looks for as many of the heaviest needs no others: a pass over a catalogue is much shorter than sorting it.
    """
    of_all = weights(state, _all(state))
    least = float(of_all[known].min())
    return np.flatnonzero(of_all >= least - 1e-9 * (least + 1e-9))


def trend(state: State, of: Rows) -> NDArray[np.float64]:
    """By how much the short-term counts of rows exceed what the longer past foretells, in standard deviations.

    An item with a steady rate has decayed counts in the ratio of the half-lives; counts are taken as Poisson.
    """
    p = state.popularity
    expected = _now(state, MIDDLE, of) * (p.rates[MIDDLE] / p.rates[SHORT])
    deviations: NDArray[np.float64] = (_now(state, SHORT, of) - expected) / np.sqrt(expected + 1.0)
    return deviations


def may_be_shown(
    state: State, only_catalogue: bool, of: NDArray[np.signedinteger] | slice = slice(None)
) -> NDArray[np.bool_]:
    """Bool [items], or of some rows; as engine.fold.shown has it."""
    own, now = state.columns, float(state.clock[0])
    shown: NDArray[np.bool_] = (
        state.popularity.eligible[of] & ~(own.opens[of] > now) & ~(own.closes[of] <= now)
    )
    return shown & state.in_catalogue[of] if only_catalogue else shown


def _heaviest(
    state: State, scores: NDArray[np.float64], of: Rows, k: int, only_catalogue: bool
) -> tuple[list[int], list[float]]:
    places = np.flatnonzero(
        may_be_shown(state, only_catalogue)[of] & (state.items.lengths[of] >= 0) & (scores > -np.inf)
    )
    if len(places) > k:
        # Sorting a whole catalogue every second would keep events waiting; all that tie with the last stay in.
        places = places[scores[places] >= np.partition(scores[places], -k)[-k]]
    places = places[np.argsort(-scores[places], kind="stable")[:k]]
    best = places if isinstance(of, slice) else of[places]
    codes = best | (state.generation[best].astype(np.int64) << 24)
    return codes.tolist(), scores[places].tolist()


def _above_0(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(scores > 0.0, scores, -np.inf)


def popular(
    state: State, k: int, only_catalogue: bool, of: Rows | None = None
) -> tuple[list[int], list[float]]:
    """Codes and decayed counts of the k heaviest items at the middle half-life; ties by row.

    What one user does again and again with an item of the own history counts less and less.

    Args:
        state: read only.
        k: items, at most.
        only_catalogue: only what the catalogue has.
        of: rows, ascending; None = all.
    """
    of = _all(state) if of is None else of
    return _heaviest(state, _above_0(weights(state, of)), of, k, only_catalogue)


def trending(
    state: State, k: int, only_catalogue: bool, of: Rows | None = None
) -> tuple[list[int], list[float]]:
    """The k items whose short-term count exceeds most what the longer past foretells; arguments as of `popular`."""
    of = _all(state) if of is None else of
    return _heaviest(state, _above_0(trend(state, of)), of, k, only_catalogue)


def latest(state: State, k: int, only_catalogue: bool, of: Rows) -> tuple[list[int], list[float]]:
    """Codes and times of the k items of these rows that came last, by their own times; arguments as of `popular`."""
    return _heaviest(state, state.first_seen[of], of, k, only_catalogue)


def newest(state: State, k: int, only_catalogue: bool) -> tuple[list[int], list[float]]:
    """Codes and times of the k items that came last."""
    last, length = int(state.n_newest[0]), len(state.newest)
    shown = may_be_shown(state, only_catalogue)
    codes, times = [], []
    for i in range(last - 1, max(-1, last - 1 - length), -1):
        code = int(state.newest[i % length])
        if code not in codes and is_current(code, state.generation) and shown[code & ROW_MASK]:
            codes.append(code)
            times.append(float(state.first_seen[code & ROW_MASK]))
    return codes[:k], times[:k]
