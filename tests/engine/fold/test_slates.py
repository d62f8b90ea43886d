"""A slate is the k best allowed candidates, then what is left of a small catalogue, each with its main source."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream_rec.engine.engine import Engine
from stream_rec.engine.fold import judge, learn
from stream_rec.engine.fold.state import Query
from stream_rec.engine.names import rows_of
from stream_rec.engine.state import create
from stream_rec.kernels.codes import ROW_MASK
from stream_rec.schemas.columns import IdColumn, ItemBatch, ItemChange, Span
from stream_rec.schemas.records import Item
from stream_rec.settings import ScenarioSettings
from stream_rec.sources import registry
from stream_rec.sources.popularity import MIDDLE
from tests.engine.holding import parts
from tests.oracles.candidates import best
from tests.sources.making import Click, batch, clicks, engine


def scored(e: Engine, row: int) -> Query:
    """The candidates of a user with their scores, as the ranker sees them."""
    query, rates = create.query(e.settings), create.rates(e.settings)
    has_vector = bool(learn.read_query(*parts(e, query, rates), row, False))
    found = e._vectors.search_one(query.vector)
    registry.gather(*parts(e, query, rates), found if has_vector else e._vectors.nowhere, has_vector)
    judge.score(*parts(e, query, rates))
    return query


def expected_rows(e: Engine, row: int, k: int, had: Sequence[str] = ()) -> list[int]:
    """Rows of the slate of a user who may not be shown what he has had."""
    query = scored(e, row)
    n = int(query.n_candidates[0])
    rows, eligible = query.codes[:n] & ROW_MASK, e.state.popularity.eligible
    allowed = eligible[rows]
    allowed &= ~np.isin(rows, rows_of(e.state.items, IdColumn.of(had)))
    scores = query.scores[:n].astype(float)
    clicked = query.codes[:n] == (query.past_codes[0] if query.n_past[0] else -1)
    chosen = best(scores, allowed & ~clicked, k)
    (last,) = np.flatnonzero(allowed & clicked).tolist() or [None]
    if last is not None and chosen:
        at = max(1, sum(scores[c] >= scores[last] for c in chosen))
        chosen = [*chosen[:at], last, *chosen[at:]][:k]
    weights = e.state.popularity.reach[MIDDLE]
    hidden = {*rows.tolist(), *rows_of(e.state.items, IdColumn.of(had)).tolist()}
    rest = [r for r in range(int(e.stats()["items"])) if eligible[r] and r not in hidden]
    rest.sort(key=lambda r: (-weights[r], r))
    filled = [*rows[chosen].tolist(), *rest[: k - len(chosen)]]
    if last is not None and not chosen:
        filled = [*filled[:1], int(rows[last])][:k] + filled[1 : k - 1]
    return filled


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 32), st.sampled_from([1, 3, 10, 60]), st.booleans(), st.sets(st.integers(0, 39)))
def test_it_holds_the_k_best_allowed(seed: int, k: int, allow_seen: bool, removed: set[int]) -> None:
    e = engine(scenarios={"default": ScenarioSettings(repeats=allow_seen)})
    log = clicks(seed, 200, users=10, items=40)
    e.learn(batch(log))
    for row in removed:
        e.state.popularity.eligible[row] = False
    users = [f"u{n}" for n in range(10)]
    ranked = e.recommend(users, k=k)
    for n, row in enumerate(rows_of_users(e, users)):
        got = [r for r in ranked.rows[n].tolist() if r >= 0]
        had = [] if allow_seen else [f"i{click.item}" for click in log if click.user == n]
        assert got == expected_rows(e, row, k, had)
        assert ranked.scores[n] == sorted(ranked.scores[n], reverse=True)
        assert [len(column[n]) for column in (ranked.items, ranked.sources, ranked.because)] == [len(got)] * 3


def rows_of_users(e: Engine, users: list[str]) -> list[int]:
    return rows_of(e.state.users, IdColumn.of(users)).tolist()


def test_equals_stand_in_the_order_in_which_they_were_found() -> None:
    e = engine()
    e.learn(batch(clicks(1, 1, users=1, items=1)))
    items = [Item(f"c{n}", ts=5.0) for n in range(12)]
    changes = [ItemChange(n, 0, item.item_id, item) for n, item in enumerate(items)]
    e.upsert_items(ItemBatch(Span("items", 0, 0, 0, 12), changes))
    ranked = e.recommend(["stranger"], k=9)
    assert len(set(ranked.scores[0][1:])) == 1
    assert ranked.rows[0].tolist() == expected_rows(e, -1, 9)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1 << 32))
def test_the_reason_is_the_source_that_lifts_an_item_most_above_the_mean_candidate(seed: int) -> None:
    e = engine()
    e.learn(batch(clicks(seed, 200, users=10, items=40)))
    ranked = e.recommend(["u1"], k=15)
    (row,) = rows_of_users(e, ["u1"])
    query = scored(e, row)
    at = {int(c) & ROW_MASK: i for i, c in enumerate(query.codes[: query.n_candidates[0]])}
    slopes = np.maximum(query.slopes, judge.LEAST_SLOPE)
    typical = by_source(e, slopes * query.features[:, : query.n_candidates[0]].mean(axis=1))
    for item, source in zip(ranked.rows[0].tolist(), ranked.sources[0], strict=True):
        if item not in at:
            assert e.sources[source] == "popularity"
            continue
        says = by_source(e, slopes * query.features[:, at[item]])
        lifts = np.where(says > 0, says - typical, -np.inf)
        assert lifts[source] == pytest.approx(lifts.max(), abs=1e-4)


def by_source(e: Engine, parts: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.array([parts[s == e.held.rates.source_of].sum() for s in range(len(e.sources))])


def test_what_a_source_says_of_all_candidates_is_no_reason_for_one() -> None:
    """Popularity weighs most; but one item alone follows on the user's last."""
    e = engine(train_sample=0.0)
    followed = [Click(1, 1, 0.0), Click(1, 2, 1.0)]
    others = [Click(10 + n, 20 + n % 10, 10.0 + n) for n in range(40)]
    e.learn(batch([*followed, *others, Click(2, 1, 60.0)]))
    ranked = e.recommend(["u2", "stranger"], k=5)
    reasons = dict(zip(ranked.items[0], (e.sources[s] for s in ranked.sources[0]), strict=True))
    assert reasons["i2"] in {"transitions", "neighbours", "item_neighbours"}
    assert {e.sources[s] for s in ranked.sources[1]} == {"popularity"}
