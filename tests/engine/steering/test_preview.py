"""A preview shows both slates and what each rule alone does; what was learned and what is in force stay."""

from __future__ import annotations

import pytest

from stream_rec.engine.engine import Engine
from stream_rec.engine.steering.preview import Moved, preview
from stream_rec.schemas.records import Item
from stream_rec.schemas.scenario import Boost, Hide, Pin, Scenario
from tests.engine.worlds import change, click, decide, engine


@pytest.fixture
def shop() -> Engine:
    e = engine(catalogue="off", train_sample=1.0)
    click(e, *[(f"u{n % 7}", f"i{(n * n) % 20}", 10.0 * n) for n in range(300)])
    change(e, *[Item(f"i{n}", price=float(n), tags=("even",) if n % 2 == 0 else ("odd",)) for n in range(20)])
    decide(e, {"home": Scenario(k=5)})
    e.compile_rules()
    return e


def test_it_is_what_would_come_and_nothing_stays(shop: Engine) -> None:
    digest, before = shop.digest(), shop.recommend(["u1"], scenario="home").items[0]
    wanted = {"home": Scenario(k=5, filter="price > 3.0"), "new": Scenario(k=3)}
    home, new = preview(shop, "u1", wanted)
    assert shop.digest() == digest
    assert set(shop.decisions.scenarios) == {"home"}
    assert shop.recommend(["u1"], scenario="home").items[0] == before == home.before
    assert (new.before, len(new.after)) == (None, 3)
    decide(shop, wanted)
    shop.compile_rules()
    assert shop.recommend(["u1"], scenario="home").items[0] == home.after
    assert [each.item_id for each in home.moved[:5]] == home.after
    assert {each.item_id for each in home.moved[5:]} == set(before) - set(home.after)
    assert [each.item_id for each in home.explained] == [each.item_id for each in home.moved]


def test_each_rule_has_the_effect_that_it_alone_makes(shop: Engine) -> None:
    best = shop.recommend(["u1"], scenario="home").items[0]
    wanted = Scenario(
        k=5,
        hides=(Hide((best[0],)), Hide(("nobody",))),
        pins=(Pin(best[3], 1),),
        boosts=(Boost("price < 0.0", 2.0),),
    )
    (found,) = preview(shop, "u1", {"home": wanted})
    effects = {effect.rule: effect for effect in found.effects}
    assert list(effects) == ["boosts[0]", "pins[0]", "hides[0]", "hides[1]"]
    assert effects["boosts[0]"].moved == effects["hides[1]"].moved == []
    assert Moved(best[0], 2, None) in effects["hides[0]"].moved
    assert found.after[0] == best[3]
    assert next(each for each in effects["pins[0]"].moved if each.item_id == best[3]).now == 1


def test_a_change_of_what_ranks_or_how_much_has_its_effect_too(shop: Engine) -> None:
    wanted = Scenario(logic="leaderboard", order_by="price", k=2, strict=True)
    (found,) = preview(shop, "u1", {"home": wanted})
    effects = {effect.rule: effect for effect in found.effects}
    assert found.after == ["i19", "i18"]
    assert [(each.rule, each.says) for each in found.effects] == [
        ("k", "5 -> 2"),
        ("strict", "False -> True"),
        ("logic, order_by", "personal -> leaderboard, nothing -> price"),
    ]
    assert effects["k"].moved == [Moved("i17", 3, None), Moved("i16", 4, None), Moved("i15", 5, None)]
    assert effects["strict"].moved == []
    assert found.before is not None
    assert {each.item_id for each in effects["logic, order_by"].moved or ()} >= {"i19", "i18"}
    decide(shop, {})
    (new,) = preview(shop, "u1", {"home": Scenario(k=5)})
    assert [(each.rule, each.says) for each in new.effects] == [("k", "20 -> 5")]


def test_a_change_that_the_rest_needs_cannot_be_told_apart(shop: Engine) -> None:
    wanted = Scenario(k=8, pins=(Pin("i3", 8),))
    (found,) = preview(shop, "u1", {"home": wanted})
    assert [(each.rule, each.moved is None) for each in found.effects] == [("k", True), ("pins[0]", False)]


def test_more_rules_than_are_compiled_at_once_have_their_effects_too(shop: Engine) -> None:
    wanted = Scenario(k=5, hides=tuple(Hide((f"i{n}",)) for n in range(40)))
    (found,) = preview(shop, "nobody knows", {"home": wanted})
    assert len(found.effects) == 40
    assert found.after == []
