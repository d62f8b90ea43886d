"""Slates as they are stored say what `recommend` says."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from stream_rec.engine.engine import Engine
from stream_rec.engine.fold import slates
from stream_rec.schemas.records import Item, Reason, SlateItem
from stream_rec.schemas.scenario import Exploration, Pin, Promotion, Scenario
from tests.engine.worlds import change, click, decide, engine

ITEMS = [f"i{n}" for n in range(20)] + [
    'a "loud" one',
    "back\\slash",
    "line\nand tab\t",
    "\x01\x1f\x7f",
    "größer 😀",
]
USERS = ["ann", "bob", "nobody knows"]


@pytest.fixture
def shop() -> Engine:
    e = engine(catalogue="off", train_sample=0.0)
    change(e, *[Item(name, owner=f"o{n % 3}", price=float(n)) for n, name in enumerate(ITEMS)])
    rng = np.random.default_rng(3)
    users = [*USERS[:2], "u1", "u2"]
    click(e, *[(users[n % 4], ITEMS[int(rng.integers(len(ITEMS)))], 10.0 * n) for n in range(300)])
    return e


def expected(e: Engine, scenario: str) -> list[bytes]:
    """The same by way of records."""
    found = e.recommend(USERS, scenario=scenario)
    made = []
    for user in range(len(USERS)):
        cells = zip(
            found.items[user], found.scores[user], found.sources[user], found.because[user], strict=True
        )
        items = [
            SlateItem(item, score, Reason(found.source_names[source], because or None))
            for item, score, source, because in cells
        ]
        if places := found.places(user):
            items = [
                SlateItem(item.item_id, item.score, item.reason, place.by, place.propensity)
                for item, place in zip(items, places, strict=True)
            ]
        made.append(msgspec.json.encode(items).replace(b'"score":-0.0,', b'"score":0.0,'))
    return made


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario(k=25),
        Scenario(k=25, pins=(Pin("i3", 1),), promotions=(Promotion(when="owner == 'o2'", share=0.3),)),
        Scenario(k=25, exploration=Exploration(0.5)),
        Scenario(k=25, leave_out_seen="all", replacement=0.5),
        Scenario(k=9, filter="price >= 23.0", fallbacks=("popular",)),
        Scenario(k=9, filter="price >= 500.0", strict=True),
    ],
)  # fmt: skip
def test_they_are_the_records(shop: Engine, scenario: Scenario) -> None:
    decide(shop, {"s": scenario})
    shop.compile_rules()
    found = shop.encoded(USERS, scenario="s")
    assert found.items == expected(shop, "s")
    named = shop.recommend(USERS, scenario="s")
    assert found.n_items == sum(map(len, named.items))
    assert found.n_only_index == named.only_index.sum()
    assert found.relaxed == named.relaxed
    assert (found.hashes == named.hashes).all()


def test_of_nobody_there_are_none(shop: Engine) -> None:
    assert shop.encoded([]).items == []


def test_a_score_that_is_no_number_is_refused(shop: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoiled(*arguments: object) -> None:
        recommend(*arguments)
        arguments[-1].scores[0, 1] = np.nan  # type: ignore[attr-defined]

    recommend = slates.recommend
    monkeypatch.setattr(slates, "recommend", spoiled)
    with pytest.raises(ValueError, match="not finite"):
        shop.encoded(USERS)
