"""Nothing forbidden is shown on any path, whatever the rules, the catalogue and the faults; the bench counts right."""

from __future__ import annotations

from stream_rec.bench import forbidden
from stream_rec.bench.harness import say_on_stderr
from stream_rec.bench.steer_paths import shown
from stream_rec.bench.steer_world import ShopWithRules
from stream_rec.settings import Settings, StoreSettings
from tests.store.building import Stores, as_of, slates, with_stores
from tests.store.test_lists import Row


def test_a_few_random_rule_sets_show_nothing_forbidden() -> None:
    found = forbidden.run(Settings(), say_on_stderr, sets=4, seed=3)
    assert found["forbidden"] == 0
    assert found["rule_sets"] == 4
    assert int(found["items_looked_at"]) > 1000


def test_every_way_to_a_reader_is_looked_at(redis_url: str) -> None:
    store = StoreSettings(url=redis_url)

    async def story(my: Stores) -> None:
        await my.slates.write(slates(["ann"], as_of(5), ["a", "b"]))
        await my.lists.write_tops({"popular": Row(["p"]), "new": Row(["n"])}, as_of=as_of(5), model="m")
        await my.lists.write_similar({"a": Row(["s"])}, as_of=as_of(5), model="m")

    with_stores(store, story)
    found = {each.path: each.items for each in shown(store, ["ann", "bob"], ["a", "x"], ["default"])}
    assert found["client ann personal"] == found["recipe ann"] == ["a", "b"]
    assert found["page ann personal"] == ["a", "b", "p"]
    assert found["page bob popular"] == found["beyond bob"] == found["client bob popular"] == ["p"]
    assert found["session"] == found["similar:a"] == ["s"]
    assert found["new:"] == ["n"]


def test_the_oracle_knows_what_everybody_and_what_a_scenario_must_not_see() -> None:
    shop = ShopWithRules(1)
    changes = {change.item_id: change.item for change in shop.everything(1000.0)}
    good = [item_id for item_id in changes if shop.may_be_shown(item_id, 1000.0)]
    assert good
    for item_id, item in changes.items():
        if item is None or item.hidden or not item.available:
            assert item_id not in good
    assert not shop.may_be_shown("unknown", 1000.0)
    shop.decisions(4, 1000.0)
    for name, scenario in shop.scenarios.items():
        if not scenario.hides[0].slots:
            assert not any(shop.may_be_shown(item_id, 1000.0, name) for item_id in scenario.hides[0].items)
