"""What every source of candidates must hold to.

A source's own test file has a short subclass:

class TestTransitions(SourceContract):
name = "transitions"

def assert_equals_twin(self, seed: int) -> None: ...
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from stream_rec.engine.engine import Engine
from stream_rec.engine.fold.slates import Rules
from stream_rec.engine.fold.state import Query
from stream_rec.engine.names import n_rows, name_of, rows_of
from stream_rec.engine.state import create
from stream_rec.engine.state.layout import grows_with, leaves, owner_of
from stream_rec.kernels.codes import ROW_MASK
from stream_rec.kernels.ownership import Owner
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.records import Item
from stream_rec.sources.features import FEATURES, LEVEL, LIST, NAMES, PARTS, SOURCE_OF
from tests.engine.worlds import Record, change, click, engine, everywhere, random_log
from tests.engine.worlds import learn as learn_log

USERS, ITEMS = 40, 24


class PartContract:
    """Runs over what learns from events, whether it proposes items or not."""

    name: ClassVar[str]

    def assert_equals_twin(self, seed: int) -> None:
        """Learn what the seed gives, ask, and compare with a slow twin (tests/oracles) that says the same plainly."""
        raise NotImplementedError

    # ---- what the tests ask of it ----

    def alone(self, **bounds: object) -> Engine:
        return engine(**bounds)

    def log(self, seed: int, n: int, *, users: int, items: int) -> list[Record]:
        return random_log(seed, n, users=users, items=items)

    def part(self, e: Engine) -> dict[str, np.ndarray]:
        """Its arrays, by path."""
        (state,) = (part.state for part in PARTS if part.name == self.name)
        return {path: a for path, a in leaves(e.state) if state and path.startswith(f"{state}.")}

    # ---- bounded ----

    def test_its_state_takes_the_same_memory_however_much_is_learned(self) -> None:
        e = self.alone(max_users=16, max_items=16)
        held = {path: array.nbytes for path, array in self.part(e).items()}
        learn_log(e, self.log(1, 1500, users=200, items=200))
        assert e.stats()["evicted_items"] > 100
        assert {path: array.nbytes for path, array in self.part(e).items()} == held

    # ---- a fold ----

    def test_how_a_log_is_cut_into_batches_changes_nothing(self) -> None:
        log = self.log(3, 400, users=USERS, items=ITEMS)
        whole, cut = self.alone(), self.alone()
        learn_log(whole, log)
        for record in log:
            learn_log(cut, [record])
        assert whole.digest() == cut.digest()

    def test_asking_changes_nothing(self) -> None:
        e = self.alone()
        learn_log(e, self.log(4, 400, users=USERS, items=ITEMS))
        before = e.digest()
        everywhere(e, [f"u{n}" for n in range(USERS)])
        assert e.digest() == before

    def test_an_engine_that_is_restored_knows_the_same_and_goes_on_alike(self) -> None:
        log = self.log(5, 500, users=USERS, items=ITEMS)
        e, other = self.alone(), self.alone()
        learn_log(e, log[:300])
        other.restore({name: array.copy() for name, array in e.snapshot().items()}, e.position)
        assert other.digest() == e.digest()
        for each in (e, other):
            learn_log(each, log[300:])
        assert other.digest() == e.digest()

    def test_arrays_by_row_are_declared(self) -> None:
        """An array that grows with the bounds and says not with whose would be kept whole, and wiped for nobody."""
        small, large = self.part(self.alone(max_users=20, max_items=24)), None
        large = self.part(self.alone(max_users=200, max_items=240))
        for path, array in small.items():
            grown = [now / before for now, before in zip(large[path].shape, array.shape, strict=True)]
            assert (max(grown) > 1) == (grows_with(path) is not Owner.NOBODY), path
            if owner_of(path):
                assert grown[0] == 10, path

    # ---- evicts ----

    def test_of_a_user_who_went_nothing_stays_in_the_row(self) -> None:
        e, fresh = self.alone(), create.empty_state(self.alone().settings)
        learn_log(e, self.log(7, 400, users=10, items=ITEMS))
        empty = dict(leaves(fresh))
        (row,) = rows_of(e.state.users, IdColumn.of(["u1"])).tolist()
        assert e.forget_user("u1")
        for path, array in self.part(e).items():
            if owner_of(path) == "user":
                assert (array[row] == empty[path][row]).all(), path
        assert e.recommend(["u1"]).items == e.recommend(["unknown"]).items

    # ---- right ----

    @pytest.mark.parametrize("seed", range(5))
    def test_it_equals_its_slow_twin(self, seed: int) -> None:
        self.assert_equals_twin(seed)


class SourceContract(PartContract):
    """Runs over one source: the engine learns as ever, and this source alone is heard."""

    # ---- what the tests ask of it ----

    @property
    def place(self) -> int:
        return NAMES.index(self.name)

    @property
    def own(self) -> list[int]:
        """Its features."""
        return np.flatnonzero(self.place == SOURCE_OF).tolist()

    def of_kind(self, kind: int) -> list[int]:
        return [feature for feature in self.own if FEATURES[feature].kind == kind]

    def alone(self, **bounds: object) -> Engine:
        return engine(sources=(self.name,), **bounds)

    def asked(self, e: Engine, row: int) -> Query:
        """The query of a user row with all candidates, as ranking has left it; good until the next one."""
        e._recommender.rank(np.array([row], np.int32), np.zeros(1, np.uint64), Rules(k=1, allow_seen=True))
        return e.held.query

    # ---- bounded ----

    def test_its_features_are_numbers_and_lists_are_shares(self) -> None:
        e = self.alone()
        learn_log(e, self.log(2, 600, users=USERS, items=ITEMS))
        for row in range(-1, n_rows(e.state.users)):
            query = self.asked(e, row)
            n = int(query.n_candidates[0])
            assert np.isfinite(query.features[:, :n]).all()
            for feature in self.of_kind(LIST):
                column = query.features[feature, :n]
                assert (column >= 0).all()
                assert column.max(initial=0.0) <= 1.00001
                heaviest_is_heard = not FEATURES[feature].echoes  # else it may be one of the session's
                if column.any() and heaviest_is_heard:
                    assert column.max() == pytest.approx(1.0)

    # ---- evicts ----

    def test_of_an_item_that_went_nothing_stays_in_its_row(self) -> None:
        e = self.alone(max_items=16, max_users=64)
        rows = [(f"u{n % 20}", f"i{n % 16}", 1000.0 + n) for n in range(400)]
        click(e, *rows)
        change(e, Item("new", ts=2000.0))
        (row,) = rows_of(e.state.items, IdColumn.of(["new"])).tolist()
        assert e.stats()["evicted_items"] == 1
        query = self.asked(e, -2 - row)
        n = int(query.n_candidates[0])
        assert not query.features[self.of_kind(LIST), :n].any()
        new = [c for c, code in enumerate(query.codes[:n].tolist()) if code & ROW_MASK == row]
        for feature in self.of_kind(LEVEL):
            assert not query.features[feature, new].any()

    def test_an_item_that_went_is_never_proposed(self) -> None:
        e = self.alone(max_items=16, max_users=64)
        learn_log(e, self.log(6, 300, users=20, items=16))
        for n in range(60):
            click(e, (f"u{n % 20}", f"later{n}", e.event_time + 1.0))
            known = {name_of(e.state.items, row) for row in range(n_rows(e.state.items))}
            assert everywhere(e, ["u1", f"u{n % 20}", "unknown"], k=16) <= known

    # ---- removed, and switched off ----

    def test_removed_items_are_never_shown(self) -> None:
        e = self.alone()
        learn_log(e, self.log(8, 400, users=USERS, items=ITEMS))
        gone = [f"i{n}" for n in range(0, ITEMS, 2)]
        change(e, *gone)
        users = [f"u{n}" for n in range(USERS)]
        assert not everywhere(e, users) & set(gone)
        click(e, *[("u1", item, e.event_time + 1.0) for item in gone])
        assert not everywhere(e, users) & set(gone)

    def test_switched_off_it_is_silent_and_goes_on_learning(self) -> None:
        others = tuple(name for name in NAMES if name != self.name)
        heard, without = self.alone(), engine(sources=others)
        log = self.log(9, 500, users=USERS, items=ITEMS)
        for e in (heard, without):
            learn_log(e, log)
        for path, array in self.part(heard).items():
            assert (dict(leaves(without.state))[path] == array).all(), path
        said = 0.0
        for row in range(n_rows(heard.state.users)):
            assert not self.asked(without, row).features[self.own].any()
            query = self.asked(heard, row)
            assert not np.delete(query.features, self.own, axis=0).any()
            said += float(np.abs(query.features[self.own]).sum())
        assert said > 0
