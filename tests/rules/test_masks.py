"""Masks: compiled in slices, the old ones in force until the new are complete, rows that changed first."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pytest
from msgspec import structs
from numpy.typing import NDArray

from stream_rec.rules.masks import MAX_NUMBERS, READING, RuleMasks
from stream_rec.schemas.scenario import Boost, Cap, Hide, Pin, Promotion, Scenario

N = 50


class Catalogue:
    """Items with a price each."""

    def __init__(self, n: int = N) -> None:
        self.price = np.arange(n, dtype=np.float64)
        self.changed = np.zeros(n, np.int64)
        self.version = 0

    def set_price(self, row: int, price: float) -> None:
        self.version += 1
        self.price[row], self.changed[row] = price, self.version

    def changed_since(self, version: int) -> NDArray[np.int64]:
        return np.flatnonzero(self.changed > version)

    def of(self, row: int, names: Collection[str] | None = None) -> dict[str, Any]:
        known = {"id": f"i{row}", "price": float(self.price[row]), "tags": [f"t{row % 3}"]}
        return {name: value for name, value in known.items() if names is None or name in names} | {
            "attributes": {}
        }


class World:
    def __init__(self) -> None:
        self.catalogue = Catalogue()
        self.generation = np.ones(N, np.uint8)
        self.masks = RuleMasks(N, self.catalogue, self.generation)

    def count_reading(self) -> list[int]:
        """The rows that are read from now on."""
        read: list[int] = []
        of = self.catalogue.of

        def counted(row: int, names: Collection[str] | None = None) -> dict[str, Any]:
            read.append(row)
            return of(row, names)

        self.catalogue.of = counted  # type: ignore[method-assign]
        return read

    def compile(self) -> None:
        while self.masks.compile(N):
            pass

    def compile_some(self, items: int = 4, n_sets: int = 1) -> bool:
        """One portion of so many items for so many rule sets."""
        return self.masks.compile(N, items * (n_sets + READING))

    def shown(self, name: str) -> list[int]:
        compiled = self.masks.of(name)
        assert compiled is not None
        bits = (self.masks.bits >> np.uint64(compiled.number)) & np.uint64(1)
        return np.flatnonzero((bits == 1) & (self.masks.evaluated == self.generation)).tolist()


@pytest.fixture
def world() -> World:
    return World()


def test_a_filter_becomes_a_bit_and_boosts_a_factor(world: World) -> None:
    boosts = (Boost("price > 1.0", 2.0), Boost("'t0' in tags", 3.0))
    world.masks.apply({"cheap": Scenario(filter="price < 5.0", boosts=boosts)})
    world.compile()
    assert world.shown("cheap") == [0, 1, 2, 3, 4]
    compiled = world.masks.of("cheap")
    assert compiled is not None
    assert np.exp(compiled.boosts[:4]).round(3).tolist() == [3.0, 1.0, 2.0, 6.0]


def test_until_new_rules_are_complete_the_old_ones_are_in_force(world: World) -> None:
    world.masks.apply({"s": Scenario(filter="price < 5.0")})
    world.compile()
    world.masks.apply({"s": Scenario(filter="price > 45.0", k=3)})
    assert world.compile_some()
    assert world.shown("s") == [0, 1, 2, 3, 4]
    assert world.masks.is_compiling
    world.compile()
    assert world.shown("s") == [46, 47, 48, 49]
    assert not world.masks.is_behind


def test_a_new_scenario_with_a_filter_shows_nothing_before_it_is_known_to_be_allowed(world: World) -> None:
    world.masks.apply({"s": Scenario(filter="price >= 0.0")})
    world.compile_some()
    assert 0 < len(world.shown("s")) < N


def test_a_changed_row_is_evaluated_before_others(world: World) -> None:
    world.masks.apply({"s": Scenario(filter="price < 5.0")})
    world.compile()
    world.catalogue.set_price(3, 99.0)
    world.catalogue.set_price(40, 1.0)
    world.masks.apply({"s": Scenario(filter="price < 5.0"), "other": Scenario(filter="price < 7.0")})
    world.compile_some(2, n_sets=2)
    assert world.shown("s") == [0, 1, 2, 4, 40]


def test_a_row_with_another_item_is_not_shown_before_it_is_evaluated(world: World) -> None:
    world.masks.apply({"s": Scenario(filter="price < 5.0")})
    world.compile()
    world.generation[2] += 1
    assert world.shown("s") == [0, 1, 3, 4]
    world.catalogue.set_price(2, 1.0)
    world.compile()
    assert world.shown("s") == [0, 1, 2, 3, 4]


def test_a_scenario_that_asks_nothing_costs_no_masks(world: World) -> None:
    world.masks.apply({"s": Scenario(k=7)})
    assert not world.masks.is_behind
    assert len(world.masks.bits) == 0


def test_hidden_items_promotions_and_caps_are_columns_too(world: World) -> None:
    scenario = Scenario(
        hides=(Hide(("i1",)), Hide(("i2",), slots=(1,))),
        promotions=(Promotion(items=("i4",)), Promotion(when="price > 47.0")),
        caps=(Cap("tags", 1), Cap("owner", 1)),
    )
    world.masks.apply({"s": scenario})
    world.compile()
    assert 1 not in world.shown("s")
    assert 2 in world.shown("s")
    compiled = world.masks.of("s")
    assert compiled is not None
    assert np.flatnonzero(compiled.promoted).tolist() == [4, 48, 49]
    assert len({int(value) for value in world.masks.values[0, :, 0]}) == 3
    assert not world.masks.values[1].any()


def test_what_cannot_be_compiled_shows_nothing_and_is_told(world: World) -> None:
    faults = world.masks.apply({"s": Scenario(filter="price <")})
    world.compile()
    assert "s" in faults
    assert world.shown("s") == []


def test_scenarios_come_and_go_without_end(world: World) -> None:
    for i in range(3 * MAX_NUMBERS):
        world.masks.apply(
            {f"s{i}": Scenario(filter=f"price < {i % 7}.0"), "kept": Scenario(filter="price < 2.0")}
        )
        world.compile()
        assert world.shown(f"s{i}") == list(range(i % 7))
        assert world.shown("kept") == [0, 1]
    world.masks.apply({})
    assert world.masks.of("kept") is None


def test_what_changes_no_rule_about_items_is_in_force_at_once(world: World) -> None:
    """Length, logic, pins, how many a cap allows: the masks are those of before."""
    rules = Scenario(filter="price < 5.0", boosts=(Boost("price > 1.0", 2.0),), caps=(Cap("tags", 2),))
    world.masks.apply({"s": rules})
    world.compile()
    read = world.count_reading()
    changed = structs.replace(rules, k=3, logic="popular", pins=(Pin("i9", 1),), caps=(Cap("tags", 1),))
    before = world.masks.of("s")
    assert before is not None
    version = before.version
    world.masks.apply({"s": changed})
    after = world.masks.of("s")
    assert after is not None
    assert after.scenario == changed
    assert after.version > version
    assert not world.masks.is_behind
    world.compile()
    assert read == []
    assert world.shown("s") == [0, 1, 2, 3, 4]


def test_only_the_scenario_that_changed_is_compiled_and_no_more_is_read_than_it_asks(world: World) -> None:
    world.masks.apply({f"s{i}": Scenario(filter="'t1' in tags", caps=(Cap("tags", 1),)) for i in range(9)})
    world.compile()
    asked: list[Collection[str] | None] = []
    of = world.catalogue.of

    def noted(row: int, names: Collection[str] | None = None) -> dict[str, Any]:
        asked.append(names)
        return of(row, names)

    world.catalogue.of = noted  # type: ignore[method-assign]
    scenarios = {f"s{i}": Scenario(filter="'t1' in tags", caps=(Cap("tags", 1),)) for i in range(8)}
    world.masks.apply({**scenarios, "s8": Scenario(filter="price < 5.0", caps=(Cap("tags", 1),))})
    world.compile()
    assert asked == [{"price"}] * N
    assert world.shown("s8") == [0, 1, 2, 3, 4]


def test_rules_that_are_taken_back_before_they_are_compiled_leave_the_old_ones_as_they_are(
    world: World,
) -> None:
    old = {"s": Scenario(filter="price < 5.0")}
    world.masks.apply(old)
    world.compile()
    world.masks.apply({"s": Scenario(filter="price > 45.0")})
    world.compile_some()
    world.masks.apply(old)
    assert not world.masks.is_compiling
    world.compile()
    assert world.shown("s") == [0, 1, 2, 3, 4]


def test_a_change_does_not_wait_until_others_are_compiled(world: World) -> None:
    many = {f"s{i}": Scenario(filter="price < 5.0") for i in range(9)}
    world.masks.apply(many)
    world.compile_some()
    world.masks.apply({**many, "late": Scenario(filter="price > 45.0")})
    while not world.masks.is_in_force("late"):
        assert world.compile_some()
    assert world.shown("late") == [46, 47, 48, 49]
    assert not world.masks.is_in_force("s0")
    world.compile()
    assert all(world.shown(name) == [0, 1, 2, 3, 4] for name in many)


def test_a_scenario_that_changes_all_the_time_comes_into_force_too(world: World) -> None:
    """And the version that is begun next is the latest."""
    in_force = set()
    for n in range(40):
        world.masks.apply({"s": Scenario(filter=f"price < {n}.0")})
        world.compile_some(8)
        if world.masks.is_in_force("s"):
            in_force.add(len(world.shown("s")))
    assert len(in_force) > 3
    world.compile()
    assert world.shown("s") == list(range(39))
    assert not world.masks.is_pending("s")


def test_a_scenario_is_removed_while_two_versions_of_it_are_to_be_compiled(world: World) -> None:
    for n in (1, 2):
        world.masks.apply({"s": Scenario(filter=f"price < {n}.0")})
        world.compile_some()
    world.masks.apply({})
    world.compile()
    assert world.masks.of("s") is None
    assert not world.masks.is_behind


def test_what_caps_count_is_noted_again_where_nobody_watched_the_items_change(world: World) -> None:
    capped = {"s": Scenario(caps=(Cap("price", 1),))}
    world.masks.apply(capped)
    world.compile()
    world.masks.apply({})
    world.compile()
    for row in (7, 8):
        world.catalogue.set_price(row, 3.0)
    world.compile()
    world.masks.apply(capped)
    world.compile()
    assert len({int(world.masks.values[0, row, 0]) for row in (3, 7, 8)}) == 1


def test_a_slice_is_bounded(world: World) -> None:
    asked = world.count_reading()
    world.masks.apply({f"s{i}": Scenario(filter="price < 5.0") for i in range(9)})
    world.compile_some(2, n_sets=9)
    assert len(asked) == 2


def test_what_a_filter_stops_and_lets_through_again_is_told(world: World) -> None:
    world.masks.apply({"cheap": Scenario(filter="price < 5.0")})
    world.compile()
    assert world.masks.take_moved() == []
    world.catalogue.set_price(1, 50.0)
    world.compile()
    assert world.masks.take_moved() == [("cheap", 1, False)]
    world.masks.apply({"cheap": Scenario(filter="price < 8.0")})
    world.compile()
    assert world.masks.take_moved() == [("cheap", row, True) for row in (5, 6, 7)]
    world.catalogue.set_price(1, 1.0)
    world.compile()
    assert world.masks.take_moved() == [("cheap", 1, True)]
    world.masks.apply({"cheap": Scenario()})
    assert len(world.masks.take_moved()) == N - 8


def test_an_item_that_comes_in_an_evicted_ones_row_may_have_been_shown_before(world: World) -> None:
    world.masks.apply({"cheap": Scenario(filter="price < 5.0")})
    world.compile()
    world.generation[[2, 20]] += 1
    world.catalogue.set_price(2, 1.0)
    world.catalogue.set_price(20, 50.0)
    world.compile()
    assert world.masks.take_moved() == [("cheap", 20, False)]


def test_what_changed_while_nobody_kept_masks_is_told_of_all_that_is_stopped(world: World) -> None:
    for row in (1, 20, 30):
        world.catalogue.set_price(row, float(row))
    world.masks.tail_from(1)
    world.masks.apply({"cheap": Scenario(filter="price < 5.0"), "all": Scenario(k=3)})
    world.compile()
    assert world.masks.take_moved() == [("cheap", 20, False), ("cheap", 30, False)]
    assert not world.masks.is_pending("cheap")
