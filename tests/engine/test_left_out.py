"""Items that are left out of a ranking stand above nobody, and nothing that is learned changes."""

from __future__ import annotations

import numpy as np

from stream_rec.schemas.columns import IdColumn
from tests.sources.making import Click, batch, clicks, engine

LOG = clicks(11, 300, users=8, items=30, pause=8000.0)


def seen_before(only: str) -> list[IdColumn]:
    """For every event, all items that its user had before it; or none of them."""
    seen: dict[int, list[str]] = {}
    out = []
    for click in LOG:
        items = seen.setdefault(click.user, [])
        out.append(IdColumn.of(items if only == "seen" else []))
        if f"i{click.item}" not in items:
            items.append(f"i{click.item}")
    return out


def test_what_is_left_can_only_rise_and_rises() -> None:
    with_all = engine().learn(batch(LOG), judge_all=True).fresh
    without = engine().learn(batch(LOG), judge_all=True, left_out=seen_before("seen")).fresh
    assert ((with_all.rank == 0) == (without.rank == 0)).all()
    assert (without.rank <= with_all.rank).all()
    assert (without.rank < with_all.rank).mean() > 0.5
    assert (without.popularity <= with_all.popularity).all()
    assert (without.rank_by_source <= with_all.rank_by_source).all()


def test_with_all_others_left_out_a_candidate_is_first() -> None:
    everything = [IdColumn.of([f"i{n}" for n in range(30)])] * len(LOG)
    judged = engine().learn(batch(LOG), judge_all=True, left_out=everything).fresh
    assert set(judged.rank.tolist()) == {0, 1}


def test_nothing_left_out_and_items_nobody_knows_change_nothing() -> None:
    plain = engine().learn(batch(LOG), judge_all=True).fresh
    for nobody in (seen_before("none"), [IdColumn.of(["unheard-of"])] * len(LOG)):
        judged = engine().learn(batch(LOG), judge_all=True, left_out=nobody).fresh
        assert np.array_equal(judged.rank, plain.rank)


def test_what_is_learned_is_the_same() -> None:
    digests = set()
    for left_out in (None, seen_before("seen")):
        e = engine(train_sample=1.0)
        e.learn(batch(LOG), left_out=left_out)
        digests.add(e.digest())
    assert len(digests) == 1


def test_frozen_a_new_item_is_known_to_histories_but_not_shown() -> None:
    e = engine()
    e.learn(batch(LOG))
    newest = e.new(40)
    e.learn(batch([Click(1, 900, LOG[-1].ts), Click(1, 901, LOG[-1].ts)], start=len(LOG)), frozen=True)
    assert e.new(40) == newest
