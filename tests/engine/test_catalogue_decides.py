"""If a catalogue is kept, only what it has is recommended; a catalogue that is half loaded hides nothing."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.engine.catalogue.records import COVERED
from stream_rec.engine.engine import Engine
from stream_rec.schemas.records import Item
from tests.engine.worlds import answers, change, click, engine, everywhere, known_items, learn, random_log

USERS = [f"u{n}" for n in range(8)]
ALL = [f"i{n}" for n in range(20)]


def shop(strays: int = 0, **bounds: object) -> Engine:
    """Eight users who walked through twenty items, and so many events on items that no catalogue has."""
    e = engine(index_refresh_events=16, **bounds)
    rng = np.random.default_rng(3)
    click(e, *[(USERS[n % 8], f"i{rng.integers(20)}", 60.0 * n) for n in range(400)])
    click(e, *[(USERS[n % 8], f"stray{n % 5}", 30_000.0 + n) for n in range(strays)])
    return e


def named(e: Engine) -> set[str]:
    return everywhere(e, [*USERS, "unknown user"])


def test_without_a_catalogue_all_is_recommended() -> None:
    e = shop(strays=20)
    assert not e.catalogue_decides
    assert named(e) == set(known_items(e))


def test_as_soon_as_it_covers_what_people_do_nothing_else_is_recommended() -> None:
    e = shop(strays=20)
    for item in ALL:
        change(e, Item(item))
    assert e.catalogue_decides
    assert named(e) == set(ALL)
    assert set(e.recommend(["u1"], k=60).items[0]) == set(ALL)


def test_a_catalogue_on_its_way_in_hides_nothing_before_and_leaves_enough_after() -> None:
    e = shop()
    for n, item in enumerate(ALL):
        change(e, Item(item))
        shown = named(e)
        assert len(shown) >= (COVERED * 20 - 4 if e.catalogue_decides else 20), n
    assert shown == set(ALL)


def test_a_catalogue_of_a_part_of_the_shop_does_not_decide() -> None:
    e = shop(strays=200)
    change(e, *[Item(item) for item in ALL])
    assert not e.catalogue_decides
    assert {"stray0", "i1"} <= named(e)


def test_what_was_removed_or_is_not_available_neither_counts_nor_shows() -> None:
    e = shop()
    change(e, *[Item(item) for item in ALL[:10]], *ALL[10:])
    assert e.catalogue_decides
    assert named(e) == set(ALL[:10])
    change(e, *[Item(item, available=False) for item in ALL[:10]])
    assert not e.catalogue_decides


def test_a_shop_is_never_empty() -> None:
    """Whatever the catalogue takes out, as long as people click on anything that may be shown."""
    e = shop(strays=20)
    rng = np.random.default_rng(4)
    for _ in range(60):
        item = str(rng.choice(ALL))
        change(e, item if rng.random() < 0.4 else Item(item, available=bool(rng.random() < 0.5)))
        assert e.recommend(["u1"]).items[0]
        assert e.popular(5).items


def test_required_means_from_the_beginning_and_off_means_never() -> None:
    required, off = shop(strays=200, catalogue="required"), shop(strays=20, catalogue="off")
    assert named(required) == set()
    change(required, Item("i3"), Item("i4"))
    assert named(required) == {"i3", "i4"}
    change(off, *[Item(item) for item in ALL])
    assert named(off) == set(known_items(off))


def test_many_events_on_strays_leave_the_catalogues_popular_items_in_front() -> None:
    """All lists of the heaviest are full of strays: the slate is filled with what the catalogue has, by popularity."""
    e = engine(max_items=512, max_users=256, catalogue="required", sources=("popularity",))
    change(e, *[Item(f"c{n}") for n in range(30)])
    click(e, *[(f"u{n % 200}", f"stray{n % 50}", float(n)) for n in range(2000)])
    click(
        e,
        *[(f"v{n}", f"c{n % 5}", 2000.0 + n) for n in range(15)],
        *[(f"w{n}", "c7", 3000.0 + n) for n in range(9)],
    )
    slate = e.recommend(["unknown user"], k=20).items[0]
    assert len(slate) == 20
    assert {"c0", "c1", "c2", "c3", "c4", "c7"} <= set(slate)


def test_the_order_in_which_records_and_events_come_changes_nothing() -> None:
    before, after = engine(), engine()
    records = [Item(item) for item in ALL]
    rows = [(USERS[n % 8], f"i{n % 22}", 60.0 * n) for n in range(300)]
    change(before, *records)
    click(before, *rows)
    click(after, *rows)
    change(after, *records)
    assert before.catalogue_decides
    assert after.catalogue_decides
    assert named(before) == named(after) == set(ALL)


@pytest.mark.parametrize("rule", ["auto", "required", "off"])
def test_the_setting_changes_nothing_that_is_learned(rule: str) -> None:
    log = random_log(8, 600, users=20, items=40)
    plain, ruled = engine(), engine(catalogue=rule)
    learn(plain, log, judge_all=True)
    learn(ruled, log, judge_all=True)
    assert plain.digest() == ruled.digest()
    assert plain.identity == ruled.identity


def test_a_restored_engine_knows_what_the_catalogue_has() -> None:
    e = shop(strays=20)
    change(e, *[Item(item) for item in ALL], "i3")
    again = engine(index_refresh_events=16)
    again.restore({name: array.copy() for name, array in e.snapshot().items()}, e.position)
    assert again.catalogue_decides
    assert answers(again, USERS) == answers(e, USERS)


def test_an_item_that_gets_the_row_of_an_evicted_one_is_not_taken_for_the_catalogues() -> None:
    e = engine(max_items=16, catalogue="required")
    change(e, *[Item(f"c{n}") for n in range(16)])
    click(e, *[("u", f"x{n}", 1000.0 + n) for n in range(40)])
    assert all(item[0] == "c" for item in named(e))
