"""What is learned and what is asked under each protocol, on logs written out by hand."""

from __future__ import annotations

import polars as pl
import pytest

from stream_rec.errors import ConfigError
from stream_rec.offline.evaluate.plan import Plan
from stream_rec.offline.evaluate.rules import Relevant, Rules
from stream_rec.offline.evaluate.seen import SeenBefore
from tests.offline.evaluate.worlds import log

TWO_SESSIONS = log(
    [("a", "x", 1), ("b", "y", 2), ("a", "z", 3), ("a", "x", 4), ("b", "y", 5)],
    session_id=["a", "b", "a", "a", "b"],
)
SPLIT = log(
    [("a", "x", 1), ("t", "y", 2), ("a", "y", 3), ("t", "x", 4), ("t", "new", 5), ("t", "x", 6)],
    session_id=["a", "t", "a", "t", "t", "t"],
    split=["train", "test", "train", "test", "test", "test"],
)
STARS = log(
    [("a", "x", 1), ("a", "y", 2), ("b", "x", 3), ("a", "z", 4), ("b", "y", 5), ("a", "x", 6), ("b", "z", 7)],
    value=[5.0, 3.0, 5.0, 5.0, 5.0, 5.0, None],
)
FIVES = Relevant.parse("rating=5")


def asked(plan: Plan) -> list[tuple[str, str]]:
    rows = plan.log.filter(pl.Series(plan.asked))
    return list(zip(rows["user_id"].to_list(), rows["item_id"].to_list(), strict=True))


def test_prequential_asks_for_all_but_the_first_of_a_session() -> None:
    plan = Plan.of(TWO_SESSIONS, Rules("prequential"))
    assert plan.n_first == 0
    assert not plan.frozen
    assert asked(plan) == [("a", "z"), ("a", "x"), ("b", "y")]


def test_without_sessions_the_users_first_event_is_not_asked() -> None:
    plan = Plan.of(TWO_SESSIONS.with_columns(session_id=pl.lit(None, pl.String)), Rules("prequential"))
    assert asked(plan) == [("a", "z"), ("a", "x"), ("b", "y")]
    assert plan.groups is None


def test_sessions_are_numbered_apart() -> None:
    groups = Plan.of(TWO_SESSIONS, Rules("prequential")).groups
    assert groups is not None
    assert groups.tolist() == [0, 1, 0, 0, 1]


def test_a_users_second_session_starts_from_nothing() -> None:
    two = log([("u", "x", 1), ("u", "y", 2), ("u", "z", 3)], session_id=["1", "1", "2"])
    assert asked(Plan.of(two, Rules("prequential"))) == [("u", "y")]


def test_more_context_can_be_asked_for_and_none() -> None:
    assert asked(Plan.of(TWO_SESSIONS, Rules("prequential", min_context=2))) == [("a", "x")]
    assert Plan.of(TWO_SESSIONS, Rules("prequential", min_context=0)).asked.all()


@pytest.mark.parametrize(("protocol", "frozen"), [("frozen", True), ("streaming", False)])
def test_with_a_split_all_of_train_is_learned_first(protocol: str, frozen: bool) -> None:
    plan = Plan.of(SPLIT, Rules(protocol))  # type: ignore[arg-type]
    assert plan.log["split"].to_list() == ["train"] * 2 + ["test"] * 4
    assert plan.log["ts"].to_list() == [1, 3, 2, 4, 5, 6]
    assert plan.n_first == 2
    assert plan.frozen == frozen
    assert asked(plan) == [("t", "x"), ("t", "new"), ("t", "x")]


def test_frozen_a_target_never_seen_in_training_is_marked() -> None:
    plan = Plan.of(SPLIT, Rules("frozen"))
    assert plan.unknown.tolist() == [False, False, False, False, True, False]
    assert not Plan.of(SPLIT, Rules("streaming")).unknown.any()


def test_only_relevant_events_are_learned_and_asked() -> None:
    plan = Plan.of(STARS, Rules("prequential", relevant=FIVES))
    assert len(plan) == 5
    assert asked(plan) == [("a", "z"), ("b", "y"), ("a", "x")]


def test_learning_from_all_asks_the_same() -> None:
    rules = Rules("prequential", relevant=FIVES, learn_from="all")
    plan = Plan.of(STARS, rules)
    assert len(plan) == len(STARS)
    assert asked(plan) == asked(Plan.of(STARS, Rules("prequential", relevant=FIVES)))


@pytest.mark.parametrize(("warmup", "n_asked"), [(0.0, 3), (0.4, 3), (0.5, 2), (0.6, 2), (0.8, 1)])
def test_a_share_of_the_relevant_events_warms_up(warmup: float, n_asked: int) -> None:
    for learn_from in ("relevant", "all"):
        rules = Rules("prequential", relevant=FIVES, warmup=warmup, learn_from=learn_from)  # type: ignore[arg-type]
        assert Plan.of(STARS, rules).asked.sum() == n_asked


def test_what_was_an_answer_is_no_answer_again_and_is_left_out() -> None:
    plan = Plan.of(STARS, Rules("prequential", relevant=FIVES, exclude_seen=True, learn_from="all"))
    assert asked(plan) == [("a", "z"), ("b", "y")]
    left_out = [ids.to_list() for ids in SeenBefore(plan).next(len(plan))]
    assert [ids for ids, is_asked in zip(left_out, plan.asked, strict=True) if is_asked] == [["x"], ["x"]]
    assert not any(ids for ids, is_asked in zip(left_out, plan.asked, strict=True) if not is_asked)


def test_relevant_may_name_an_event_type() -> None:
    bought = TWO_SESSIONS.with_columns(event_type=pl.Series(["view", "buy", "buy", "buy", "buy"]))
    plan = Plan.of(bought, Rules("prequential", relevant=Relevant.parse("event_type=buy")))
    assert asked(plan) == [("a", "x"), ("b", "y")]


def test_an_event_goes_on_with_its_users_session_by_id_or_by_pause() -> None:
    by_id = log([("u", "x", 1), ("u", "y", 2), ("u", "z", 9999)], session_id=["1", "2", "2"])
    assert Plan.of(by_id, Rules("prequential", min_context=0)).continues.tolist() == [False, False, True]
    by_pause = log([("u", "x", 1), ("u", "y", 1801), ("u", "z", 3602), ("u", "late", 7), ("u", "w", 5000)])
    plan = Plan.of(by_pause, Rules("prequential", min_context=0))
    assert plan.continues.tolist() == [False, True, False, True, True]


@pytest.mark.parametrize(
    "rules",
    [
        Rules("frozen"),
        Rules("streaming"),
        Rules("prequential", min_context=9),
        Rules("prequential", relevant=Relevant("event_type", "nothing")),
    ],
)
def test_nothing_to_ask_is_refused_with_what_to_do(rules: Rules) -> None:
    with pytest.raises(ConfigError, match="fix"):
        Plan.of(TWO_SESSIONS, rules)


@pytest.mark.parametrize("text", ["rating", "rating=", "=5", "rating=five"])
def test_relevant_must_be_a_column_and_a_value(text: str) -> None:
    with pytest.raises(ConfigError, match="column=value"):
        Relevant.parse(text)
