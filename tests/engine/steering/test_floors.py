"""Floors: some items have places at least, where they do not earn them; and never more than may be shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stream_rec.engine.engine import Engine
from stream_rec.engine.results import Ranked
from stream_rec.schemas.records import Item
from stream_rec.schemas.scenario import Cap, Floor, Hide, Pin, Promotion, Scenario
from stream_rec.schemas.scenario_check import faults
from tests.engine.worlds import change, click, decide, engine

N = 24
SMALL = "owner_items < 4.0"
K = 8


@pytest.fixture
def shop() -> Engine:
    """Popular items of one owner; `few-0` to `few-2` of a small one, which nobody has taken, as of 100 others."""
    e = engine(catalogue="off", train_sample=0.0)
    change(e, *[Item(f"i{n}", owner="large") for n in range(N)])
    change(e, *[Item(f"few-{n}", owner="small", tags=("new",)) for n in range(3)])
    rng = np.random.default_rng(3)
    click(e, *[(f"u{rng.integers(6)}", f"i{int(rng.random() ** 2 * N)}", 10.0 * at) for at in range(300)])
    return e


def ask(e: Engine, user: str = "u1", **fields: Any) -> Ranked:
    decide(e, {"s": Scenario(**{"k": K, "filter": "true"} | fields)})
    e.compile_rules()
    return e.recommend([user], scenario="s")


def by(ranked: Ranked) -> list[str | None]:
    return [place.by for place in ranked.places(0)] or [None] * len(ranked.items[0])


def test_the_last_places_are_the_floors_and_the_others_stay_as_they_are(shop: Engine) -> None:
    plain = ask(shop).items[0]
    assert not any(item.startswith("few") for item in plain)
    kept = ask(shop, floors=(Floor(SMALL, places=2),))
    assert kept.items[0][: K - 2] == plain[: K - 2]
    assert len({*kept.items[0][K - 2 :]} & {"few-0", "few-1", "few-2"}) == 2
    assert by(kept) == [None] * (K - 2) + ["floor"] * 2
    first = ask(shop, floors=(Floor(SMALL, within=3),))
    assert by(first) == [None, None, "floor"] + [None] * (K - 3)


def test_what_ranks_pins_and_promotions_bring_counts(shop: Engine) -> None:
    best = ask(shop).items[0][0]
    assert by(ask(shop, floors=(Floor(f"id == '{best}'"),))) == [None] * K
    pinned = ask(shop, floors=(Floor(SMALL),), pins=(Pin("few-1", K),))
    assert (pinned.items[0][-1], by(pinned).count("floor")) == ("few-1", 0)
    promoted = ask(shop, floors=(Floor(SMALL, 2),), promotions=(Promotion(("few-0",), share=1 / K),))
    assert by(promoted) == ["promotion"] + [None] * (K - 2) + ["floor"]


def test_two_floors_have_both_their_places(shop: Engine) -> None:
    ranked = ask(shop, floors=(Floor("id == 'few-0'"), Floor("id == 'few-1' || id == 'few-2'", 2)))
    assert {*ranked.items[0][K - 3 :]} == {"few-0", "few-1", "few-2"}


def test_a_floor_shows_nothing_that_may_not_be_shown(shop: Engine) -> None:
    change(shop, Item("few-0", owner="small", hidden=True))
    rules = {
        "filter": "id != 'few-1'",
        "hides": (Hide(("few-2",)),),
        "floors": (Floor("owner == 'small'", 3),),
    }
    ranked = ask(shop, **rules)
    assert not any(item.startswith("few") for item in ranked.items[0])
    assert len(ranked.items[0]) == K
    capped = ask(shop, floors=(Floor("owner == 'small'", 3),), caps=(Cap("owner", 1), Cap("tags", 1)))
    assert sum(item.startswith("few") for item in capped.items[0]) <= 1


def test_where_nothing_else_is_left_the_floor_is_kept_all_the_same(shop: Engine) -> None:
    ranked = ask(shop, strict=True, filter="id in ['i0', 'i1', 'few-2']", floors=(Floor(SMALL),))
    assert {*ranked.items[0]} == {"i0", "i1", "few-2"}


def test_a_share_of_the_slates_is_drawn_alike_from_the_same_log(shop: Engine) -> None:
    decide(shop, {"s": Scenario(k=K, filter="true", floors=(Floor(SMALL, slates=0.5),))})
    shop.compile_rules()
    users = [f"stranger{n}" for n in range(5)] + [f"u{n}" for n in range(6)]
    once, again = (shop.recommend(users, scenario="s") for _ in range(2))
    assert once.items == again.items
    n_kept = sum(any(item.startswith("few") for item in items) for items in once.items)
    assert 0 < n_kept < len(users)


def test_how_many_items_an_owner_has_is_counted_again_when_the_catalogue_changes(shop: Engine) -> None:
    assert "floor" in by(ask(shop, floors=(Floor(SMALL),)))
    change(shop, *[Item(f"few-{n}", owner="small") for n in range(5)])
    assert "floor" not in by(ask(shop, floors=(Floor(SMALL, 1, K),)))


def test_mistakes_are_named_with_their_place() -> None:
    def places(**fields: Any) -> list[str]:
        return [".".join(map(str, fault.path)) for fault in faults(Scenario(k=K, **fields))]

    assert places(floors=(Floor(SMALL, 3, 4, 0.1),)) == []
    assert places(floors=(Floor("", places=9),)) == ["floors.0.when", "floors.0.places"]
    assert places(floors=(Floor("age < ", 3, within=2), Floor(SMALL, slates=0.0))) == [
        "floors.0.when",
        "floors.0.places",
        "floors.1.slates",
    ]
    assert places(floors=(Floor(SMALL),) * 9) == ["floors"]
