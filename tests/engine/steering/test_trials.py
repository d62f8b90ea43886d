"""Arms on slates: who gets which, under whose rules, and what becomes of it when the experiment moves on."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pytest

from stream_rec.engine.answering import tried
from stream_rec.engine.engine import Engine
from stream_rec.engine.results import Ranked
from stream_rec.engine.steering import trials
from stream_rec.kernels.ids import hash_ids
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.decisions import Decision
from stream_rec.schemas.experiment_check import experiment_of
from stream_rec.schemas.records import SlateItem
from stream_rec.trials.assignment import arms
from tests.engine.deciding import decide, decision, scenario
from tests.engine.worlds import click, engine

USERS = [f"u{n}" for n in range(60)]
ARMS: list[dict[str, Any]] = [{"name": "control"}, {"name": "few", "scenario": {"k": 2}}]


def experiment(name: str, **body: Any) -> Decision:
    said = {"arms": ARMS, "state": "running", "started": 1.0, **body}
    return decision("experiment", name, said)


@pytest.fixture
def shop() -> Engine:
    e = engine(catalogue="off")
    click(e, *[(user, f"i{n % 9}", 1000.0 + n) for n, user in enumerate(USERS * 2)])
    decide(e, scenario("home", k=5), scenario("basket", k=4))
    e.compile_rules()
    return e


def home(e: Engine, users: list[str] = USERS) -> Ranked:
    e.compile_rules()
    return e.recommend(users, scenario="home")


def variants(ranked: Ranked) -> list[str | None]:
    return [dealt and dealt.arm for dealt in ranked.dealt]


def test_without_an_experiment_no_slate_is_of_an_arm(shop: Engine) -> None:
    assert home(shop).dealt == ()
    assert shop.decisions.trials.scenarios is shop.decisions.scenarios


def test_users_get_the_arm_that_their_hash_says_and_slates_by_its_rules(shop: Engine) -> None:
    decide(shop, experiment("less", scenarios=["home"]))
    found = home(shop)
    body = {"arms": ARMS, "scenarios": ["home"]}
    wanted = arms("less", experiment_of(body), hash_ids(IdColumn.of(USERS)))
    assert variants(found) == [ARMS[at]["name"] for at in wanted.tolist()]
    assert 10 < Counter(variants(found))["few"] < 50
    for items, dealt in zip(found.items, found.dealt, strict=True):
        assert dealt is not None
        assert (len(items), dealt.experiment, dealt.share) == (2 if dealt.arm == "few" else 5, "less", 0.5)
    assert shop.recommend(USERS, scenario="basket").dealt == ()


def test_a_users_slate_is_the_same_alone_and_among_others(shop: Engine) -> None:
    decide(shop, experiment("less"))
    together = home(shop)
    for at in range(0, 60, 7):
        alone = home(shop, [USERS[at]])
        assert (alone.items[0], alone.scores[0]) == (together.items[at], together.scores[at])
        assert alone.dealt[0] == together.dealt[at]


def test_only_the_present_share_is_in_it_and_stays_when_the_share_grows(shop: Engine) -> None:
    decide(shop, experiment("less", state="ramping", step=4))
    some = variants(home(shop))
    decide(shop, experiment("less"))
    everybody = variants(home(shop))
    assert 10 < some.count(None) < 50
    assert None not in everybody
    assert all(now == before for now, before in zip(everybody, some, strict=True) if before is not None)


@pytest.mark.parametrize("state", ["draft", "paused", "rolled_back"])
def test_an_experiment_without_users_changes_nothing(shop: Engine, state: str) -> None:
    before = home(shop).items
    decide(shop, experiment("less", state=state))
    found = home(shop)
    assert found.items == before
    assert set(variants(found)) <= {None}


def test_what_is_shipped_is_what_the_scenario_says_until_somebody_changes_it(shop: Engine) -> None:
    decide(shop, experiment("less", state="shipped", winner="few", scenarios=["home"]))
    assert {len(items) for items in home(shop).items} == {2}
    assert shop.changed_at("home") == 2
    assert (shop.decisions.scenarios["basket"].k, shop.changed_at("basket")) == (4, 1)
    decide(shop, scenario("home", k=3))
    assert {len(items) for items in home(shop).items} == {3}


def test_a_restored_engine_deals_the_same(shop: Engine) -> None:
    decide(shop, experiment("less", scenarios=["home"]))
    again = engine(catalogue="off")
    again.restore(shop.snapshot(), shop.position)
    assert home(again).items == home(shop).items
    assert variants(home(again)) == variants(home(shop))
    assert again.decisions.tried == shop.decisions.tried
    assert again.digest() == shop.digest()


def test_new_and_returning_users_are_told_apart_and_other_context_is_not_known(shop: Engine) -> None:
    click(shop, ("u1", "i1", 90_000.0))
    decide(shop, experiment("less", audience={"user": ["returning"]}))
    found = variants(home(shop, ["u1", "u2"]))
    assert found[0] is not None
    assert found[1] is None
    decide(shop, experiment("less", audience={"country": ["de"]}))
    assert set(variants(home(shop))) == {None}


def test_lists_for_everybody_are_of_no_arm(shop: Engine) -> None:
    decide(shop, experiment("less"))
    assert variants(home(shop, [""])) == [None]


def test_a_slate_is_of_the_experiment_that_began_first(shop: Engine) -> None:
    decide(shop, experiment("second", started=2.0), experiment("first", started=1.0, traffic=0.5))
    names = Counter(dealt and dealt.experiment for dealt in home(shop).dealt)
    assert 10 < names["first"] < 50
    assert names["second"] == 60 - names["first"]


def test_while_the_filter_of_one_arm_is_not_compiled_no_arm_has_slates(shop: Engine) -> None:
    """Slates of the others alone would break the sample ratio, and the experiment would be rolled back for it."""
    strict = [ARMS[0], {"name": "strict", "scenario": {"filter": "item_id == 'i1'"}}]
    decide(shop, experiment("narrow", arms=strict, scenarios=["home"]))
    found = shop.recommend(USERS, scenario="home")
    assert set(variants(found)) == {None}
    found = home(shop)
    of_arm = [items for items, dealt in zip(found.items, found.dealt, strict=True) if dealt.arm == "strict"]  # type: ignore[union-attr]
    assert of_arm
    assert all(set(items) <= {"i1"} for items in of_arm)
    assert shop.let_through(0, 20) == {}


def test_a_request_may_name_the_arm(shop: Engine) -> None:
    decide(shop, experiment("less", traffic=0.01, scenarios=["home"]))
    shop.compile_rules()
    found = shop.in_arm(USERS, "home", 5, arm="few")
    assert {dealt and (dealt.experiment, dealt.arm) for dealt in found.dealt} == {("less", "few")}
    with pytest.raises(KeyError):
        shop.in_arm(USERS, "home", 5, experiment="other", arm="few")
    with pytest.raises(KeyError):
        shop.in_arm(USERS, "basket", 5, arm="few")


def test_arms_that_there_is_no_room_for_or_that_are_impossible_serve_nobody(
    shop: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "MAX_VARIANTS", 1)
    decide(shop, experiment("less", scenarios=["home"]), experiment("more", started=2.0, scenarios=["home"]))
    assert variants(home(shop)).count("few") > 0
    assert "more" in shop.decisions.trials.left_out
    decide(shop, scenario("home", k=5, logic="leaderboard", order_by="price"))
    decide(shop, experiment("less", state="rolled_back"), experiment("more", state="rolled_back"))
    decide(shop, experiment("plain", arms=[ARMS[0], {"name": "plain", "scenario": {"logic": "popular"}}]))
    assert "plain" in shop.decisions.trials.left_out


def test_places_of_arms_keep_their_reasons(shop: Engine) -> None:
    pinned = [ARMS[0], {"name": "pin", "scenario": {"pins": [{"slot": 1, "item": "i8"}]}}]
    decide(shop, experiment("pin", arms=pinned, scenarios=["home"]))
    found = home(shop)
    for at, dealt in enumerate(found.dealt):
        assert dealt is not None
        by = [place.by for place in found.places(at)]
        assert by[:1] == (["pin"] if dealt.arm == "pin" else [])
    assert found.rows.shape == (60, 5)
    assert np.all((found.hashes != 0).sum(axis=1) == [len(items) for items in found.items])


def test_interleaved_slates_hold_both_arms_items_and_name_their_teams(shop: Engine) -> None:
    trending = [ARMS[0], {"name": "new", "scenario": {"logic": "new", "fallbacks": ["popular"]}}]
    decide(shop, experiment("mix", arms=trending, kind="interleaving", scenarios=["home"]))
    found = home(shop)
    assert set(variants(found)) == {"control+new"}
    for user, (items, teams) in enumerate(zip(found.items, found.teams, strict=True)):
        assert len(items) == len(set(items)) == len(teams) == len(found.places(user) or items)
        assert abs(teams.count("control") - teams.count("new")) <= 1
    firsts = Counter(teams[0] for teams in found.teams)
    assert 10 < firsts["new"] < 50
    assert home(shop, USERS[:3]).items == found.items[:3]


def test_a_bandit_deals_by_its_shares_and_says_them(shop: Engine) -> None:
    decide(shop, experiment("bandit", kind="bandit", shares=[0.1, 0.9], scenarios=["home"]))
    found = home(shop)
    assert Counter(variants(found))["few"] > 40
    assert {dealt.share for dealt in found.dealt if dealt} == {0.1, 0.9}


def test_what_a_shadow_tries_is_never_shown(shop: Engine) -> None:
    before = home(shop).items
    decide(shop, experiment("shadow", kind="shadow"))
    assert home(shop).items == before
    assert home(shop).dealt == ()


@pytest.mark.parametrize("kind", ["ab", "interleaving"])
def test_slates_are_stored_as_they_are_answered(shop: Engine, kind: str) -> None:
    other = [ARMS[0], {"name": "new", "scenario": {"logic": "new", "fallbacks": ["popular"]}}]
    decide(shop, experiment("x", arms=other, kind=kind, scenarios=["home"]))
    found = home(shop)
    stored = shop.encoded(USERS, scenario="home")
    assert list(stored.dealt) == list(found.dealt)
    assert stored.n_items == sum(map(len, found.items))
    assert np.array_equal(stored.hashes, found.hashes)
    for user, json in enumerate(stored.items):
        places = msgspec.json.decode(json, type=list[SlateItem])
        assert places == tried.slate_items(found, user)
