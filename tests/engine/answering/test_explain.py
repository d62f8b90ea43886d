"""An explanation is what the ranking was made of: parts that sum to the score, and the slate's own reason."""

from __future__ import annotations

import pytest

from stream_rec.engine.answering.explain import NO_SOURCE, explain
from stream_rec.engine.engine import Engine
from tests.engine.worlds import click, engine, learn, random_log


@pytest.fixture(scope="module")
def learned() -> Engine:
    e = engine(train_sample=1.0, max_items=200)
    learn(e, random_log(5, 1500, users=20, items=120))
    return e


@pytest.mark.parametrize("user", ["u1", "u7", "stranger"])
def test_it_says_of_a_slate_what_the_slate_says(learned: Engine, user: str) -> None:
    ranked = learned.recommend([user])
    told = explain(learned, user, ranked.items[0], "default")
    assert [each.item_id for each in told] == ranked.items[0]
    assert [each.place for each in told] == list(range(1, len(told) + 1))
    for each, score, source, because in zip(
        told, ranked.scores[0], ranked.sources[0], ranked.because[0], strict=True
    ):
        assert each.score == pytest.approx(score, abs=1e-4)
        assert sum(each.by_source.values()) == pytest.approx(each.score, abs=1e-4)
        no_feature = sum(adds for name, adds in each.by_source.items() if name in NO_SOURCE)
        by_feature = sum(part.adds for part in each.features.values())
        assert by_feature + no_feature == pytest.approx(each.score, abs=1e-4)
        assert each.reason is not None
        assert each.reason.source == learned.sources[source]
        assert (each.reason.item_id or "") == because


def test_without_what_the_context_adds_the_sources_alone_make_the_score() -> None:
    e = engine(train_sample=1.0, max_items=200)
    learn(e, random_log(6, 1500, users=20, items=120))
    assert any(
        "context" in each.by_source for each in explain(e, "u1", e.recommend(["u1"]).items[0], "default")
    )
    e.state.ranker.bias[:] = 0.0
    for each in explain(e, "u1", e.recommend(["u1"]).items[0], "default"):
        assert abs(each.by_source.get("context", 0.0)) < 1e-4
        assert each.by_source.keys() & set(e.sources)


def test_an_item_that_no_source_brings_up_has_no_score_and_no_reason(learned: Engine) -> None:
    (told,) = explain(learned, "u1", ["never heard of"], "default")
    assert (told.place, told.score, told.reason, told.by_source) == (None, None, None, {})


def test_an_item_outside_of_the_slate_is_explained_without_a_place(learned: Engine) -> None:
    ranked = learned.recommend(["u1"], k=60).items[0]
    told = explain(learned, "u1", ranked[20:30], "default")
    assert {each.place for each in told} == {None}
    assert any(each.score is not None for each in told)


def test_explaining_changes_nothing(learned: Engine) -> None:
    before = learned.digest()
    explain(learned, "u1", ["i1", "i2"], "default")
    assert learned.digest() == before


def test_the_item_clicked_last_says_what_it_lost_in_order_not_to_lead() -> None:
    e = engine()
    click(
        e,
        *[("me", "mine", 1e3 + n) for n in range(30)],
        *[(f"u{n}", f"i{n % 9}", 2e3 + n) for n in range(30)],
    )
    click(e, *[("me", "mine", 3e3 + n) for n in range(30)])
    ranked = e.recommend(["me"])
    assert ranked.items[0][1] == "mine"
    told = explain(e, "me", ranked.items[0][:2], "default")[1]
    assert told.by_source["clicked_last"] < 0
    assert (
        told.score
        == pytest.approx(sum(told.by_source.values()))
        == pytest.approx(ranked.scores[0][1], abs=1e-4)
    )
