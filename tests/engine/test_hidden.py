"""A removal is kept where it cannot be lost: apart from the item's row, through evictions, snapshots and repeats."""

from __future__ import annotations

import pytest

from stream_rec.engine.engine import Engine
from stream_rec.schemas.records import Item
from tests.engine.worlds import change, click, engine, everywhere, known_items, learn, random_log


def hide(e: Engine, item: str, how: str) -> None:
    change(e, item if how == "removed" else Item(item, available=False))


def push_out(e: Engine, item: str) -> None:
    """Others are used until the item has lost its row."""
    n = 0
    while item in known_items(e):
        click(e, ("u", f"other{n}", e.event_time + 1.0))
        n += 1
        assert n < 1000


@pytest.mark.parametrize("how", ["removed", "unavailable"])
def test_a_hidden_item_that_lost_its_row_stays_hidden_when_it_is_clicked(how: str) -> None:
    e = engine(max_items=16)
    click(e, ("u", "gone", 10.0))
    hide(e, "gone", how)
    push_out(e, "gone")
    click(e, *[(f"v{n}", "gone", e.event_time + 1.0 + n) for n in range(5)])
    assert "gone" in known_items(e)
    assert "gone" not in everywhere(e, ["u", "v1", "unknown"])
    change(e, Item("gone"))
    assert "gone" in everywhere(e, ["unknown"])


def test_it_is_in_snapshots() -> None:
    e, other = engine(max_items=16), engine(max_items=16)
    click(e, ("u", "gone", 10.0))
    change(e, "gone", "never known")
    push_out(e, "gone")
    other.restore({name: array.copy() for name, array in e.snapshot().items()}, e.position)
    assert other.digest() == e.digest()
    click(other, *[("v", item, other.event_time + 1.0) for item in ("gone", "never known", "shown")])
    named = everywhere(other, ["v", "unknown"])
    assert "shown" in named and not {"gone", "never known"} & named


def test_a_snapshot_from_before_hides_what_was_hidden_in_its_rows() -> None:
    e, other = engine(max_items=32), engine(max_items=32)
    learn(e, random_log(3, 300, users=9, items=20))
    change(e, "i1", Item("i2", available=False))
    older = {
        name: array.copy()
        for name, array in e.snapshot().items()
        if not name.startswith("state.hidden.") and name != "state.popularity.reach"
    }
    other.restore(older, e.position)
    push_out(other, "i1")
    click(other, ("v", "i1", other.event_time + 1.0), ("v", "i2", other.event_time + 2.0))
    assert not {"i1", "i2"} & everywhere(other, ["v", "unknown"])
    assert len(other.popular(5).items) == 5


def test_another_bound_takes_over_what_is_hidden() -> None:
    e = engine(max_hidden=64)
    change(e, *[f"i{n}" for n in range(40)])
    for bound, kept in ((2048, 40), (16, 16)):
        other = engine(max_hidden=bound)
        other.restore({name: array.copy() for name, array in e.snapshot().items()}, e.position)
        assert other.stats()["hidden_items"] == kept


def test_how_many_are_hidden_is_bounded_and_said() -> None:
    e = engine(max_hidden=16)
    change(e, *[f"i{n}" for n in range(20)])
    assert e.stats()["hidden_items"] == 16
    assert e.stats()["evicted_hidden"] == 4
    click(e, ("u", "i19", 10.0), ("u", "i0", 20.0))
    assert "i19" not in everywhere(e, ["u"])
