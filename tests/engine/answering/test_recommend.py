"""Slates: what users, strangers and visitors of an item get, and why."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from stream_rec.engine.engine import Engine
from stream_rec.schemas.records import Item
from stream_rec.settings import EngineSettings, ScenarioSettings
from stream_rec.sources import features
from tests.engine.worlds import answers, change, click, engine, known_items

SCENARIOS = {"default": ScenarioSettings(), "discover": ScenarioSettings(k=5, repeats=False)}
USERS = [f"u{n}" for n in range(12)]


def learned(n: int = 600, **bounds: object) -> Engine:
    e = engine(scenarios=SCENARIOS, history_length=16, **bounds)
    rng = np.random.default_rng(2)
    items = (rng.random(n) ** 2 * 50).astype(int)
    click(e, *[(USERS[rng.integers(12)], f"i{item}", 200.0 * at) for at, item in enumerate(items)])
    return e


def history(e: Engine, rows: list[tuple[str, str, float]], user: str) -> list[str]:
    return [item for who, item, _ in rows if who == user][-e.settings.history_length :]


def test_an_engine_that_knows_nothing_answers_with_nothing() -> None:
    e = engine()
    ranked = e.recommend(["u", ""])
    assert ranked.items == ranked.because == [[], []]
    assert e.recommend([]).items == []
    for listed in (e.popular(5), e.trending(5), e.new(5), e.similar("i", 5)):
        assert listed.items == []


def test_a_stranger_gets_what_is_popular() -> None:
    e = engine(max_items=256)
    rng = np.random.default_rng(1)
    items = (rng.random(4000) ** 3 * 200).astype(int)
    click(e, *[(f"u{n % 50}", f"i{item}", 600.0 * n) for n, item in enumerate(items)])
    ranked = e.recommend(["a stranger", "another"], k=10)
    assert ranked.items[0] == ranked.items[1]
    assert len(set(ranked.items[0]) & set(e.popular(20).items)) >= 9
    assert {e.sources[s] for s in ranked.sources[0]} == {"popularity"}
    assert ranked.because[0] == [""] * 10


def test_a_users_slate_is_about_what_the_user_did() -> None:
    """Two worlds that never meet: whoever is in one is offered that one."""
    e = engine(max_users=256)
    rng = np.random.default_rng(6)
    rows = [(f"u{n % 60}", f"{'ab'[n % 60 % 2]}{rng.integers(15)}", 90.0 * n) for n in range(3000)]
    click(e, *rows)
    click(e, ("newcomer", "a3", 280_000.0))
    for user, world in (("u10", "a"), ("u11", "b"), ("newcomer", "a")):
        (slate,) = e.recommend([user], k=10).items
        assert np.mean([item[0] == world for item in slate]) >= 0.9, user


def test_no_slate_names_an_item_twice() -> None:
    for slate in learned().recommend([*USERS, "stranger"], k=60).items:
        assert len(slate) == len(set(slate))


def test_where_repeats_are_barred_nothing_of_the_history_is_shown() -> None:
    e = engine(scenarios=SCENARIOS, max_users=256)
    rng = np.random.default_rng(2)
    rows = [(USERS[rng.integers(12)], f"i{rng.integers(30)}", 200.0 * n) for n in range(600)]
    click(e, *rows)
    for user, slate in zip(USERS, e.recommend(USERS, scenario="discover", k=60).items, strict=True):
        assert set(slate) == set(known_items(e)) - {item for who, item, _ in rows if who == user}
    assert any(
        set(s) & set(history(e, rows, u)) for u, s in zip(USERS, e.recommend(USERS).items, strict=True)
    )


def test_a_scenario_sets_the_length_and_a_caller_may_set_another() -> None:
    e = learned()
    assert [len(s) for s in e.recommend(USERS[:2], scenario="discover").items] == [5, 5]
    assert [len(s) for s in e.recommend(USERS[:2], scenario="discover", k=7).items] == [7, 7]
    assert len(e.recommend(["u1"], k=1).items[0]) == 1


def test_a_slate_without_places_is_an_error() -> None:
    e = learned()
    for ask in (
        lambda: e.recommend(["u1"], k=0),
        lambda: e.recommend(["u1"], k=-1),
        lambda: e.similar("i1", 0),
    ):
        with pytest.raises(ValueError, match="k is"):
            ask()


def test_more_places_than_items_are_left_empty() -> None:
    e = learned()
    ranked = e.recommend(["u1"], k=500)
    n = len(known_items(e))
    assert sorted(ranked.items[0]) == sorted(known_items(e))
    assert (ranked.rows[0, :n] >= 0).all()
    assert (ranked.rows[0, n:] == -1).all()
    assert not ranked.only_index[0, n:].any()


def test_asking_changes_nothing() -> None:
    e = learned()
    before, position = e.digest(), dict(e.position)
    for _ in range(3):
        first = answers(e, [*USERS, "stranger"])
        assert answers(e, [*USERS, "stranger"]) == first
    assert e.digest() == before
    assert e.position == position


def test_a_user_gets_the_same_alone_and_among_others() -> None:
    e = learned()
    together = e.recommend([*USERS, "stranger", "u3"], k=9)
    for n, user in enumerate([*USERS, "stranger", "u3"]):
        alone = e.recommend([user], k=9)
        assert (alone.items[0], alone.because[0]) == (together.items[n], together.because[n])


def test_a_reason_names_an_item_of_the_users_own() -> None:
    e = engine(scenarios=SCENARIOS)
    rng = np.random.default_rng(2)
    rows = [(USERS[rng.integers(12)], f"i{rng.integers(40)}", 200.0 * n) for n in range(600)]
    click(e, *rows)
    named = 0
    ranked = e.recommend(USERS, scenario="discover", k=10)
    for user, slate, because in zip(USERS, ranked.items, ranked.because, strict=True):
        own = history(e, rows, user)
        for item, reason in zip(slate, because, strict=True):
            assert reason != item
            if reason:
                assert reason in own
                named += 1
    assert named > 60


def test_the_reason_is_the_item_that_leads_there() -> None:
    e = engine(scenarios=SCENARIOS, train_sample=0.0)
    click(e, *[(f"u{n}", item, 60.0 * n) for n in range(30) for item in ("bread", "butter", f"other{n}")])
    click(e, ("me", "bread", 2e5))
    ranked = e.recommend(["me"], scenario="discover", k=3)
    assert ranked.items[0][0] == "butter"
    assert ranked.because[0][0] == "bread"
    assert e.sources[ranked.sources[0][0]] in {"transitions", "neighbours", "item_neighbours"}


def test_similar_items_are_those_that_are_met_together_without_the_item_itself() -> None:
    e = engine()
    for n in range(30):
        click(e, *[(f"u{n}", item, 4000.0 * n) for item in ("bread", "butter", f"other{n % 9}")])
    assert e.similar("bread", 5).items[0] == "butter"
    assert "bread" not in e.similar("bread", 60).items
    assert e.similar("bread", 5).scores == sorted(e.similar("bread", 5).scores, reverse=True)
    assert e.similar("unknown", 5).items == []


def test_similar_works_for_an_item_without_events_whose_tags_are_known() -> None:
    e = engine(scenarios=SCENARIOS)
    change(e, *[Item(f"i{n}", tags=("t",)) for n in range(9)])
    click(e, *[(USERS[n % 12], f"i{n % 9}", 200.0 * n) for n in range(300)])
    change(e, Item("fresh", tags=("t",)))
    assert len(e.similar("fresh", 5).items) == 5


def test_an_item_that_nothing_connects_is_like_none() -> None:
    e = learned()
    click(e, ("hermit", "pebble", 1e6), ("hermit", "pebble", 1e6 + 1))
    change(e, Item("fresh", tags=("of its own",)))
    for item in ("pebble", "fresh"):
        assert e.similar(item, 20).items == []
    click(e, ("hermit", "i1", 1e6 + 2))
    assert "i1" in e.similar("pebble", 20).items


def test_similar_is_never_filled_up_with_what_is_popular() -> None:
    e = engine(sources=("transitions", "neighbours", "item_neighbours", "popularity"))
    click(e, *[(f"u{n}", f"hit{n % 20}", 100.0 * n) for n in range(60)])
    click(e, ("me", "bread", 1e5), ("me", "butter", 1e5 + 1))
    assert e.similar("bread", 20).items == ["butter"]


@pytest.mark.parametrize(
    "sources", [features.NAMES, ("popularity", "session"), ("session",), ("popularity",)]
)
def test_the_item_just_clicked_does_not_lead(sources: tuple[str, ...]) -> None:
    e = learned(sources=sources)
    for n, user in enumerate(USERS):
        for item in ("i0", "i1", "i7"):
            click(e, (user, item, 1e6 + n), (user, item, 1e6 + n))
            for k in (1, 2, 9, 60):
                (slate,), (scores,) = (ranked := e.recommend([user], k=k)).items, ranked.scores
                assert slate[0] != item
                assert len(slate) == min(k, len(known_items(e)) - (k > 40 and item not in slate))
                assert scores == sorted(scores, reverse=True)


def test_it_is_in_the_slate_where_repeats_are_allowed_and_is_all_there_is_in_a_shop_of_one_item() -> None:
    e = engine()
    click(e, ("me", "only", 1.0), ("me", "only", 2.0))
    assert e.recommend(["me"]).items == [["only"]]
    click(e, ("you", "other", 3.0), ("me", "only", 4.0))
    assert e.recommend(["me"]).items == [["other", "only"]]


def test_events_of_a_heavier_type_count_more() -> None:
    e = engine(event_types={"purchase": {"weight": 10.0}, "glance": {"weight": 0.0}})
    for n in range(8):
        click(e, (f"u{n}", "seen", 60.0 * n))
        click(e, (f"u{n}", "skimmed", 60.0 * n), event_type="glance")
    for n in range(2):
        click(e, (f"v{n}", "bought", 60.0 * n), event_type="purchase")
    popular = e.popular(5)
    assert popular.items == ["bought", "seen"]
    assert popular.scores[0] == pytest.approx(2 / 8 * 10 * popular.scores[1], rel=0.01)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf"), 1e6])
def test_a_weight_that_would_spoil_what_is_learned_is_refused(weight: float) -> None:
    with pytest.raises(ValidationError):
        EngineSettings.model_validate({"event_types": {"dislike": {"weight": weight}}})


def test_a_later_click_changes_the_very_next_answer() -> None:
    e = engine(scenarios=SCENARIOS)
    for n in range(30):
        click(e, *[(f"u{n}", item, 4000.0 * n) for item in (("bread", "butter"), ("nail", "hammer"))[n % 2]])
    for item, partner in (("bread", "butter"), ("nail", "hammer")):
        click(e, ("me", item, e.event_time + 4000))
        assert e.recommend(["me"], scenario="discover", k=3).items[0][0] == partner
