"""The id-to-row table does what a list does, however its ids collide and however often rows are reused."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.engine.names import n_evicted, n_rows, name_of, rows_of, with_room
from stream_rec.kernels import vocabulary
from stream_rec.kernels.ids import hash_ids
from stream_rec.kernels.reference import refer
from stream_rec.kernels.vocabulary import SWEEP, VocabularyState
from stream_rec.schemas.columns import IdColumn
from tests.oracles.ids import hash_id
from tests.oracles.vocabulary import SlowVocabulary

Operation = tuple[str, str, float]
"""What, id, ts."""


def operations(seed: int, n: int) -> list[Operation]:
    rng = np.random.default_rng(seed)
    what = rng.choice(["insert", "unlink", "compact"], n, p=[0.85, 0.13, 0.02]).tolist()
    return [
        (each, "".join(rng.choice(["a", "b", "é", "\N{GRINNING FACE}"], rng.integers(1, 4))), float(ts))
        for each, ts in zip(what, rng.integers(50, size=n), strict=True)
    ]


class FastVocabulary:
    """The kernels driven as the engine drives them, with a hash that has only `n_hashes` values."""

    def __init__(self, rows: int, n_hashes: int) -> None:
        self.n_rows, self.n_hashes = rows, n_hashes
        self._hold(vocabulary.empty(rows, 4096))

    def _hold(self, v: VocabularyState) -> None:
        self.v, self._held = v, refer(v)

    def _key(self, name: str) -> tuple[np.ndarray, int, np.uint64]:
        data = np.frombuffer(bytearray(name.encode()), np.uint8)
        return data, len(data), np.uint64(1 + hash_id(name) % self.n_hashes)

    def find(self, name: str) -> int:
        data, end, h = self._key(name)
        return int(vocabulary.find(self._held, data, 0, end, h))

    def insert(self, name: str, ts: float) -> int:
        if (roomy := with_room(self.v, len(name.encode()))) is not self.v:
            self._hold(roomy)
        data, end, h = self._key(name)
        row = n_rows(self.v)
        if row == self.n_rows:
            row = int(vocabulary.oldest_of_sweep(self._held))
        vocabulary.insert(self._held, data, 0, end, h, row)
        self.v.seen[row] = ts
        return row

    def unlink(self, name: str) -> None:
        vocabulary.unlink(self._held, self.find(name))

    def compact(self) -> None:
        arena = np.zeros_like(self.v.arena)
        vocabulary.compact(self.v, arena)
        self._hold(self.v._replace(arena=arena))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 1 << 32),
    st.integers(1, 300),
    st.sampled_from([3, 8, SWEEP + 8]),
    st.sampled_from([1, 2, 5, 1 << 40]),
)
def test_it_equals_a_list_of_ids(seed: int, n_steps: int, rows: int, n_hashes: int) -> None:
    steps = operations(seed, n_steps)
    fast, slow = FastVocabulary(rows, n_hashes), SlowVocabulary(rows, SWEEP)
    for what, name, ts in steps:
        if what == "compact":
            fast.compact()
        elif slow.find(name) < 0:
            if what == "insert":
                assert fast.insert(name, ts) == slow.insert(name, ts)
        elif what == "unlink":
            fast.unlink(name)
            slow.unlink(name)
        assert fast.find(name) == slow.find(name)
    for _, name, _ in steps:
        assert fast.find(name) == slow.find(name)
    live = [(row, name) for row, name in enumerate(slow.ids) if name is not None]
    assert [name_of(fast.v, row) for row, _ in live] == [name for _, name in live]
    assert n_evicted(fast.v) == slow.evicted
    assert fast.v.counters["arena_live"][0] == sum(len(name.encode()) for _, name in live)
    assert np.count_nonzero(fast.v.slots) == len(live)


def test_the_arena_of_ids_stays_bounded_however_many_ids_pass_through() -> None:
    fast = FastVocabulary(8, 1 << 40)
    for i in range(20_000):
        fast.insert(f"{i:0100d}", float(i))
    assert fast.v.counters["arena_live"][0] == 8 * 100
    assert fast.v.counters["arena_end"][0] <= len(fast.v.arena) <= 65_536 + 2 * 9 * 100


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=9), max_size=20))
def test_ids_are_hashed_as_in_plain_python(names: list[str]) -> None:
    assert hash_ids(IdColumn.of(names)).tolist() == [hash_id(name) for name in names]


def test_unknown_and_empty_ids_have_no_row() -> None:
    v = vocabulary.empty(4, 4096)
    assert rows_of(v, IdColumn.of(["a", "", "é"])).tolist() == [-1, -1, -1]
