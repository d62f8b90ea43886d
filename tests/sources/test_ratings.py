"""Ratings are predicted by what came before them, whatever else their events mean; without any nothing is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from msgspec import structs
from numpy.testing import assert_allclose
from structlog.testing import capture_logs

from stream_rec.engine.answering.at_request import AtRequest
from stream_rec.engine.answering.explain import explain
from stream_rec.engine.engine import Engine
from stream_rec.engine.learning.event_columns import columns
from stream_rec.engine.names import rows_of
from stream_rec.engine.state.layout import leaves
from stream_rec.errors import ConfigError
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.records import Interaction
from stream_rec.schemas.scenario import Boost, Scenario
from stream_rec.sources import ratings
from stream_rec.sources.ratings import BIAS, FACTORS, N_RATINGS
from tests.contract.sources import PartContract
from tests.engine.deciding import decide, erasure, merge, scenario
from tests.engine.worlds import Record, engine, event_batch, random_log
from tests.engine.worlds import learn as learn_log
from tests.oracles.ratings import SlowRatings

TYPES: dict[str, Any] = {
    "rating": {
        "value": "rating",
        "meaning": "ignore",
        "when": [{"value": ">= 4"}, {"value": "<= 2", "meaning": "negative"}],
    }
}


def rated_log(seed: int, n: int, *, users: int, items: int) -> list[Record]:
    """As `random_log`, but that most events rate their item by the tastes of three kinds of users."""
    rng = np.random.default_rng(seed)
    log = []
    for record in random_log(seed, n, users=users, items=items):
        value = record.value
        if isinstance(value, Interaction) and rng.random() < 0.8:
            alike = (int(value.user_id[1:]) + int(value.item_id[1:])) % 3 == 0
            stars = float(np.clip(round(rng.normal(4.2 if alike else 2.4, 0.8)), 1, 5))
            value = structs.replace(value, event_type="rating", value=stars)
        log.append(record._replace(value=value))
    return log


def rate(e: Engine, *said: tuple[str, str, float], kind: str = "rating") -> None:
    start = e.position.get(("events", 0), 0)
    events = [
        Interaction(user, item, kind, e.event_time + n, value=v) for n, (user, item, v) in enumerate(said, 1)
    ]
    e.learn(event_batch([Record("events", 0, start + n, "", event) for n, event in enumerate(events)]))


def row(e: Engine, user: str) -> int:
    return int(rows_of(e.state.users, IdColumn.of([user]))[0])


def expected(e: Engine, user: str, item: str) -> float:
    (at,) = rows_of(e.state.items, IdColumn.of([item]))
    return float(ratings.predicted(e.state.ratings, row(e, user), np.array([at], np.int32))[0])


class TestRatings(PartContract):
    name = "ratings"

    def alone(self, **bounds: object) -> Engine:
        return engine(event_types=TYPES, **bounds)

    def log(self, seed: int, n: int, *, users: int, items: int) -> list[Record]:
        return rated_log(seed, n, users=users, items=items)

    def assert_equals_twin(self, seed: int) -> None:
        """Every prediction before its event, and all of them at the end."""
        e, slow = self.alone(), SlowRatings(ratings.RATES)
        log = [r for r in self.log(seed, 400, users=12, items=20) if isinstance(r.value, Interaction)]
        for record in log:
            value = record.value
            assert isinstance(value, Interaction)
            batch = event_batch([record])
            (seeded,) = columns(batch, e.settings.seed, e._meanings).seeds.tolist()
            before = slow.expect(value.user_id, value.item_id)
            rated = e.learn(batch).rated
            if value.event_type != "rating" or before is None:
                assert not len(rated.at)
            else:
                assert_allclose(rated.expected, [before], atol=2e-4)
                assert rated.values.tolist() == [value.value]
            if value.event_type == "rating":
                slow.rate(value.user_id, value.item_id, float(value.value or 0.0), seeded)
        for user in slow.users:
            for item in slow.items:
                assert expected(e, user, item) == pytest.approx(slow.predict(user, item), abs=2e-4)

    def test_of_an_item_that_went_nothing_stays_in_its_row(self) -> None:
        e = self.alone(max_items=16)
        rate(e, *[("u", f"i{n}", 4.0) for n in range(16)])
        assert (e.state.ratings.items[:, N_RATINGS] == 1).all()
        rate(e, ("u", "new", 1.0))
        (at,) = rows_of(e.state.items, IdColumn.of(["new"]))
        assert e.state.ratings.items[at, N_RATINGS] == 1


# ---- what counts as a rating ----


def test_where_no_type_is_a_rating_nothing_is_kept_of_any() -> None:
    e = engine()
    learn_log(e, rated_log(1, 200, users=10, items=10))
    assert sum(a.nbytes for path, a in leaves(e.state) if path.startswith("ratings.")) == 8 * ratings.N_SCALE
    assert not e.state.ratings.scale.any()


def test_whatever_a_rating_means_it_is_learned_and_only_its_meaning_decides_the_rest() -> None:
    e = engine(event_types=TYPES)
    learned = []
    for n, value in enumerate((5.0, 3.0, 1.0)):
        event = Interaction("u", f"i{n}", "rating", 10.0 + n, value=value)
        learned.append(e.learn(event_batch([Record("events", 0, n, "u", event)])))
    assert e.state.ratings.users[row(e, "u"), N_RATINGS] == 3
    assert [each.n_learned for each in learned] == [1, 1, 1]
    assert [len(each.ignored) for each in learned] == [0, 0, 0]
    assert [len(each.no_interest) for each in learned] == [0, 1, 1]
    assert e.state.histories.n_events[row(e, "u")] == 1


@pytest.mark.parametrize("value", [None, 10_001.0, -1e30])
def test_an_event_without_a_value_that_could_be_one_is_no_rating(value: float | None) -> None:
    e = engine(event_types=TYPES)
    event = Interaction("u", "i", "rating", 10.0, value=value)
    rated = e.learn(event_batch([Record("events", 0, 0, "u", event)])).rated
    assert not len(rated.at)
    assert e.state.ratings.scale[ratings.N] == 0


def test_a_repeated_rating_is_learned_once() -> None:
    e = engine(event_types=TYPES)
    for n in range(2):
        event = Interaction("u", "i", "rating", 10.0, value=3.0, event_id="same")
        batch = event_batch([Record("events", 0, n, "u", event)])
        e.learn(replace(batch, event_ids=IdColumn.of(["same"])))
    assert e.state.ratings.scale[ratings.N] == 1


def test_a_frozen_engine_says_what_it_expects_and_learns_nothing() -> None:
    e = engine(event_types=TYPES)
    rate(e, ("u", "i", 4.0), ("u", "j", 2.0))
    before = e.state.ratings.users.copy(), e.state.ratings.scale.copy()
    event = Interaction("u", "i", "rating", e.event_time + 1, value=3.0)
    rated = e.learn(event_batch([Record("events", 0, 2, "u", event)]), frozen=True).rated
    assert len(rated.expected) == 1
    assert (e.state.ratings.users == before[0]).all()
    assert (e.state.ratings.scale == before[1]).all()


# ---- what is predicted ----


def test_predictions_do_not_depend_on_the_scale() -> None:
    five, hundred = engine(event_types=TYPES), engine(event_types=TYPES)
    rng = np.random.default_rng(3)
    for _ in range(300):
        user, item, stars = f"u{rng.integers(8)}", f"i{rng.integers(12)}", float(rng.integers(1, 6))
        rate(five, (user, item, stars))
        rate(hundred, (user, item, 20 * stars))
    for user in ("u0", "u5"):
        assert expected(hundred, user, "i3") == pytest.approx(20 * expected(five, user, "i3"), rel=1e-3)


def test_tastes_are_learned_beyond_what_is_liked_by_all() -> None:
    e = engine(event_types=TYPES)
    log = rated_log(5, 6000, users=30, items=20)
    errors, plain = [], []
    for record in log:
        if not isinstance(record.value, Interaction):
            continue
        mean = float(e.state.ratings.scale[ratings.MEAN])
        rated = e.learn(event_batch([record])).rated
        if len(rated.at):
            errors.append(float(rated.expected[0] - rated.values[0]) ** 2)
            plain.append((mean - float(rated.values[0])) ** 2)
    assert np.mean(errors[-1000:]) < 0.8 * np.mean(plain[-1000:])


def test_equal_ratings_are_expected_again() -> None:
    e = engine(event_types=TYPES)
    rate(e, *[("u", f"i{n % 3}", 5.0) for n in range(20)])
    assert expected(e, "u", "i1") == pytest.approx(5.0)


# ---- people ----


def test_a_visitor_who_becomes_a_user_brings_the_ratings_along() -> None:
    e = engine(event_types=TYPES)
    rate(e, *[(user, f"i{n}", 1.0 + n % 5) for user in ("a", "b") for n in range(12)])
    rate(e, *[("visitor", f"i{n}", 5.0) for n in range(6)], *[("user", f"i{n}", 1.0) for n in range(2)])
    visitor, user = (e.state.ratings.users[row(e, name)].copy() for name in ("visitor", "user"))
    decide(e, merge("visitor", "user", at=e.event_time))
    joined = e.state.ratings.users[row(e, "user")]
    assert joined[N_RATINGS] == 8
    for column in (BIAS, *range(FACTORS, len(joined))):
        assert joined[column] == pytest.approx((6 * visitor[column] + 2 * user[column]) / 8, abs=1e-6)


def test_who_is_erased_is_an_average_user() -> None:
    e = engine(event_types=TYPES)
    rate(e, ("u", "i", 5.0), ("v", "i", 1.0), ("u", "j", 5.0))
    decide(e, erasure("u", at=e.event_time))
    assert row(e, "u") < 0
    assert not e.state.ratings.users[0].any()


# ---- scenarios ----


def tastes() -> Engine:
    """`me` likes what has an odd number, others like nothing so much; all know all items."""
    e = engine(event_types={"rating": {"value": "rating"}}, train_sample=0.0)
    for _ in range(8):
        for n in range(10):
            rate(e, ("me", f"i{n}", 5.0 if n % 2 else 1.0), ("other", f"i{n}", 1.0 if n % 2 else 5.0))
    return e


def test_a_scenario_may_order_by_what_the_user_would_rate_items() -> None:
    e = tastes()
    decide(e, scenario("rated", logic="predicted_rating", k=5))
    ranked = e.recommend(["me", "other"], scenario="rated")
    assert {int(item[1:]) % 2 for item in ranked.items[0]} == {1}
    assert {int(item[1:]) % 2 for item in ranked.items[1]} == {0}
    for item, score in zip(ranked.items[0], ranked.scores[0], strict=True):
        assert score == pytest.approx(expected(e, "me", item), abs=1e-3)


def test_boosts_add_to_predicted_ratings() -> None:
    e = tastes()
    e.decisions.scenarios = {
        "rated": Scenario(
            logic="predicted_rating", k=3, boosts=(Boost("id == 'i0'", 1000.0),), leave_out_seen="none"
        )
    }
    e.compile_rules()
    assert "i0" in e.recommend(["me"], scenario="rated").items[0]


def test_given_items_are_ordered_by_rating_where_the_scenario_says_so() -> None:
    e = tastes()
    decide(e, scenario("rated", logic="predicted_rating"))
    found = AtRequest(e).rank(["i0", "i1", "i2", "i3"], "me", [], "rated")
    assert {each.item_id for each in found[:2]} == {"i1", "i3"}
    assert [each.score for each in found] == pytest.approx(
        [expected(e, "me", each.item_id) for each in found], abs=1e-3
    )
    assert len(AtRequest(e).rank(["i0", "i1"], None, ["i3"], "rated")) == 2


def test_a_rating_explains_a_score_by_itself() -> None:
    e = tastes()
    decide(e, scenario("rated", logic="predicted_rating", k=5))
    (item,) = e.recommend(["me"], scenario="rated").items[0][:1]
    (why,) = explain(e, "me", [item], "rated")
    assert why.by_source == {"predicted_rating": pytest.approx(expected(e, "me", item), abs=1e-3)}
    assert not why.features


def test_without_ratings_such_a_scenario_is_ordered_as_ever_and_says_so() -> None:
    e = engine()
    learn_log(e, random_log(3, 300, users=10, items=20))
    users = [f"u{n}" for n in range(10)]
    with capture_logs() as logged:
        decide(e, scenario("rated", logic="predicted_rating", leave_out_seen="all"))
        decide(e, scenario("plain", leave_out_seen="all"))
        rated, plain = (e.recommend(users, scenario=name).items for name in ("rated", "plain"))
    assert rated == plain
    (line,) = logged
    assert "no type of event is a rating" in line["event"]


# ---- snapshots ----


@pytest.mark.parametrize(("before", "after"), [(TYPES, {}), ({}, TYPES)])
def test_a_snapshot_is_taken_over_where_ratings_began_or_ended(before: Any, after: Any) -> None:
    e, other = engine(event_types=before), engine(event_types=after)
    learn_log(e, rated_log(7, 300, users=10, items=20))
    other.restore({name: array.copy() for name, array in e.snapshot().items()}, e.position)
    assert not other.state.ratings.users.any()
    assert not other.state.ratings.scale.any()
    rate(other, ("u1", "i1", 4.0))
    assert other.state.ratings.scale[ratings.N] == (1 if after else 0)


def test_a_snapshot_without_ratings_at_all_is_taken_over() -> None:
    e, other = engine(event_types=TYPES), engine(event_types=TYPES)
    learn_log(e, random_log(7, 300, users=10, items=20))
    arrays = {name: a.copy() for name, a in e.snapshot().items() if not name.startswith("state.ratings.")}
    other.restore(arrays, e.position)
    assert other.digest() == e.digest()


def test_one_of_another_width_is_refused() -> None:
    e, other = engine(event_types=TYPES), engine(event_types=TYPES)
    learn_log(e, rated_log(7, 100, users=10, items=20))
    arrays = {name: array.copy() for name, array in e.snapshot().items()}
    del arrays["state.ratings.items"]
    with pytest.raises(ConfigError, match=r"ratings\.items"):
        other.restore(arrays, e.position)
