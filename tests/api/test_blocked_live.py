"""What a user dislikes or never wants to see is in nothing that a live server makes for that user."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from stream_rec.api.live import made
from stream_rec.engine.answering.at_request import AtRequest
from stream_rec.schemas.columns import EventBatch, Span
from stream_rec.schemas.records import SlateItem
from stream_rec.serve.wishes import Limits, RankWish, SimilarWish, Wish
from tests.engine.worlds import engine, learn, random_log

TYPES = {"hide": {"meaning": "never"}, "dislike": {"meaning": "negative"}}
K = 60


@pytest.fixture(scope="module")
def at() -> AtRequest:
    """U1 never wants to see a film, and dislikes another: the two that are the most popular."""
    e = engine(event_types=TYPES)
    learn(e, random_log(1, 600, users=20, items=30))
    start = e.position[("events", 0)]
    for n, (event_type, item) in enumerate(zip(TYPES, e.popular(2).items, strict=True)):
        span = Span("events", 0, 0, start + n, start + n + 1)
        e.learn(EventBatch.of([("u1", item, e.event_time)], event_type=event_type, span=span))
    return AtRequest(e)


def ids(items: Sequence[SlateItem]) -> set[str]:
    return {each.item_id for each in items}


def test_it_is_in_no_slate_in_no_ranking_and_like_nothing(at: AtRequest) -> None:
    blocked = set(at.engine.popular(2).items)
    everything = [f"i{n}" for n in range(30)]
    for user, is_blocked in (("u1", True), ("u2", False)):
        wish = Wish(user, "default", K, None, 0.0, (), Limits(exclude=("i0",)))
        near = [SimilarWish((item,), K, user, 0.5) for item in everything]
        alone = [SimilarWish((item,), K, user, 0.0) for item in everything]
        for name, found in (
            ("slate", ids(made.of_user(wish, at).items)),
            ("beyond", ids(made.beyond(wish, at))),
            ("rank", ids(made.rank(RankWish(everything, user, ()), at))),
            ("similar", set().union(*[ids(made.similar(each, at)) for each in near])),
            ("similar, whoever it is", set().union(*[ids(made.similar(each, at)) for each in alone])),
        ):
            assert found, name
            assert bool(blocked & found) is not is_blocked, (user, name)


def test_it_is_known_by_its_id_alone(at: AtRequest) -> None:
    hidden, disliked = at.engine.popular(2).items
    assert at.blocked("u1", [hidden, "nobody knows", disliked]) == {hidden, disliked}
    assert at.blocked("u2", [hidden]) == set()
    assert at.blocked("u1", []) == set()
