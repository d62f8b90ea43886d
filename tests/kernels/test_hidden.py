"""Hidden ids are a set of bounded size: what was hidden longest ago is forgotten first."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.kernels import hidden, vocabulary
from stream_rec.kernels.ids import hash_ids
from stream_rec.kernels.reference import refer
from stream_rec.kernels.vocabulary import VocabularyState
from stream_rec.schemas.columns import IdColumn

ROWS = 8


def empty(arena: int) -> VocabularyState:
    """As kernels get it from an engine: by reference."""
    held: VocabularyState = refer(vocabulary.empty(ROWS, arena))
    return held


def do(v: VocabularyState, what: str, item: str, now: float = 0.0) -> bool:
    data = np.frombuffer(bytearray(item.encode()), np.uint8)
    id_hash = hash_ids(IdColumn.of([item]))[0]
    if what == "hide":
        hidden.hide(v, data, 0, len(data), id_hash, now)
    elif what == "show":
        hidden.show(v, data, 0, len(data), id_hash)
    return bool(hidden.holds(v, data, 0, len(data), id_hash))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(1, 200))
def test_it_is_a_set_and_its_rows_are_dense(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    v, kept = empty(1 << 12), set[str]()
    for what, number in zip(rng.choice(["hide", "show"], n), rng.integers(ROWS, size=n), strict=True):
        item = f"item {number}"
        assert do(v, str(what), item) == (what == "hide")
        kept = kept | {item} if what == "hide" else kept - {item}
        assert all(do(v, "look", f"item {i}") == (f"item {i}" in kept) for i in range(ROWS))
        assert v.counters["n_rows"][0] == len(kept)
        assert not any(a[len(kept) :].any() for a in (v.hashes, v.starts, v.lengths, v.seen))


def test_when_it_is_full_what_was_hidden_longest_ago_is_forgotten() -> None:
    v = empty(1 << 12)
    for n in range(ROWS):
        do(v, "hide", f"i{n}", float(n))
    do(v, "hide", "i0", 100.0)
    do(v, "hide", "new", 101.0)
    assert [n for n in range(ROWS) if not do(v, "look", f"i{n}")] == [1]
    assert do(v, "look", "new")
    assert v.counters["evicted"][0] == 1


def test_what_comes_and_goes_pushes_nothing_out() -> None:
    v = empty(1 << 14)
    do(v, "hide", "stays", 0.0)
    for n in range(10 * ROWS):
        do(v, "hide", f"i{n}", 1.0 + n)
        do(v, "show", f"i{n}")
    assert do(v, "look", "stays")
