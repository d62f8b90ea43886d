"""Outside of its window an item is shown to nobody: by event time, at fixed event counts, also without a row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from stream_rec.engine.catalogue.windows import EVERY
from stream_rec.engine.engine import Engine
from stream_rec.engine.names import n_rows, name_of
from stream_rec.schemas.records import Item
from tests.engine.test_hidden import push_out
from tests.engine.worlds import (
    Record,
    answers,
    change,
    click,
    engine,
    everywhere,
    known_items,
    learn,
    random_log,
)

USERS = ["u", "v1", "unknown"]
T = 1_000_000.0


def pass_time(e: Engine, ts: float) -> None:
    """So many events that windows are looked at, the last at this time."""
    n_events = EVERY - e.n_learned % EVERY
    click(e, *[("u", "other", ts - n_events + 1 + n) for n in range(n_events)])


def shown(e: Engine, item: str) -> bool:
    named = everywhere(e, USERS)
    assert (item not in named) or not e.hidden([item])
    return item in named


def shop(**bounds: object) -> Engine:
    e = engine(**bounds)
    click(e, *[(f"v{n}", "a", T - 100 + n) for n in range(EVERY)])
    return e


def test_an_item_is_shown_from_its_first_second_to_before_its_last() -> None:
    e = shop()
    change(e, Item("a", available_from=T + 100, available_until=T + 200))
    seen = []
    for ts in (T + 99, T + 100, T + 199, T + 200, T + 300):
        pass_time(e, ts)
        seen.append(shown(e, "a"))
    assert seen == [False, True, True, False, False]
    assert e.take_moved() == ["a"]
    assert e.take_moved() == []


@pytest.mark.parametrize("window", [(None, T - 90), (T + 1e6, None), (T + 5, T + 5)])
def test_what_is_outside_of_its_window_is_hidden_at_once(window: tuple[float | None, float | None]) -> None:
    e = shop()
    change(e, Item("a", available_from=window[0], available_until=window[1]))
    assert not shown(e, "a")
    change(e, Item("a"))
    assert shown(e, "a")
    assert e.stats()["items_with_window"] == 0


@pytest.mark.parametrize("fields", [{"hidden": True}, {"available": False}])
def test_inside_of_its_window_an_item_that_is_hidden_or_not_available_is_not_shown(
    fields: dict[str, bool],
) -> None:
    e = shop()
    change(e, structs.replace(Item("a", available_from=T + 100, available_until=T + 1000), **fields))
    for ts in (T, T + 100, T + 500, T + 2000):
        pass_time(e, ts)
        assert not shown(e, "a")
    assert e.take_moved() == []


def test_a_window_outlives_the_items_row() -> None:
    e = shop(max_items=16)
    change(e, Item("a", available_until=T + 1e5))
    push_out(e, "a")
    click(e, ("u", "a", e.event_time + 1.0))
    assert shown(e, "a")
    push_out(e, "a")
    pass_time(e, T + 1e5)
    click(e, *[(f"v{n}", "a", e.event_time + 1.0) for n in range(4)])
    assert "a" in known_items(e)
    assert not shown(e, "a")


def test_what_opens_without_having_been_used_is_new_from_then_on() -> None:
    e = shop()
    change(e, Item("soon", available_from=T + 100))
    click(e, ("u", "b", T + 1))
    assert "soon" not in e.new(5).items
    pass_time(e, T + 100)
    assert e.new(5).items[0] == "soon"
    row = known_items(e).index("soon")
    assert e.state.first_seen[row] == T + 100


def test_before_the_first_event_windows_go_by_the_brokers_time_and_then_by_the_events() -> None:
    e = engine()
    change(e, Item("a", available_from=1.0), Item("b", available_until=0.5))
    assert e.hidden(["a", "b"]) == ["a"]  # the broker said 0
    click(e, *[("u", "a", 10.0 + n) for n in range(EVERY)])
    assert e.hidden(["a", "b"]) == ["b"]


def test_a_removal_ends_the_window() -> None:
    e = shop()
    change(e, Item("a", available_from=T + 100), "a")
    pass_time(e, T + 200)
    assert not shown(e, "a")
    assert e.stats()["items_with_window"] == 0


def test_when_all_rows_are_taken_the_window_that_ends_first_is_forgotten() -> None:
    e = shop(max_windows=16)
    change(
        e,
        *[Item(f"i{n}", available_until=T + 1000 - n) for n in range(16)],
        Item("a", available_until=T + 999.5),
    )
    assert (e.stats()["items_with_window"], e.stats()["evicted_windows"]) == (16, 1)
    pass_time(e, T + 2000)
    assert e.hidden([*(f"i{n}" for n in range(16)), "a"]) == [*(f"i{n}" for n in range(15)), "a"]


def windowed_log(seed: int, n: int = 400) -> list[Record]:
    """Every item of the catalogue has a window somewhere in the log's time."""
    log, rng = random_log(seed, n, users=20, items=30), np.random.default_rng(seed)
    times = [record.value.ts for record in log if record.topic == "events" and record.value is not None]  # type: ignore[union-attr]
    first, last = min(times, default=0.0), max(times, default=1.0)

    def moment() -> float | None:
        return float(rng.uniform(first - 1e5, last + 1e5)) if rng.random() < 0.8 else None

    def with_window(record: Record) -> Record:
        if not isinstance(record.value, Item):
            return record
        return record._replace(
            value=structs.replace(record.value, available_from=moment(), available_until=moment())
        )

    return [with_window(record) for record in log]


def assert_in_step(e: Engine, log: list[Record]) -> None:
    """The heap is one, and what is hidden is what the last records and the clock say."""
    s, own, n = e.state, e.state.windows, n_rows(e.state.windowed)
    assert sorted(own.heap[:n].tolist()) == list(range(n))
    assert (own.place[own.heap[:n]] == np.arange(n)).all()
    assert all(own.due[own.heap[at]] >= own.due[own.heap[(at - 1) // 2]] for at in range(1, n))
    last = {record.key: record.value for record in log if record.topic == "items"}
    windowed = {name_of(s.windowed, row) for row in range(n)}
    assert windowed == {
        item
        for item, said in last.items()
        if isinstance(said, Item) and (said.available_from, said.available_until) != (None, None)
    }
    if e.n_learned % EVERY:
        return
    now = e.event_time
    for item, said in last.items():
        is_open = isinstance(said, Item) and said.available and not said.hidden
        if is_open and isinstance(said, Item):
            opens = -np.inf if said.available_from is None else said.available_from
            closes = np.inf if said.available_until is None else said.available_until
            is_open = opens <= now < closes
        assert e.hidden([item]) == ([] if is_open else [item])


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1 << 32), cuts=st.sets(st.integers(1, 399), max_size=4))
def test_they_open_and_close_the_same_way_however_the_log_is_cut_and_restored(
    seed: int, cuts: set[int]
) -> None:
    log = windowed_log(seed)
    whole, cut_up, at = engine(max_items=24), engine(max_items=24), 0
    learn(whole, log)
    for cut in [*sorted(cuts), len(log)]:
        learn(cut_up, log[at:cut])
        assert_in_step(cut_up, log[:cut])
        at, before = cut, cut_up
        cut_up = engine(max_items=24)
        cut_up.restore({name: array.copy() for name, array in before.snapshot().items()}, before.position)
    assert cut_up.digest() == whole.digest()
    assert answers(cut_up, USERS) == answers(whole, USERS)
