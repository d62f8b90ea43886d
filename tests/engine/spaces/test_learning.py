"""Vector spaces: learned record by record, bounded, kept in snapshots, and a source of candidates each."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.engine.spaces import indexes as space_indexes
from stream_rec.engine.spaces.learning import reduced
from stream_rec.kernels.normalise import LOG_SPAN
from stream_rec.kernels.slots import PER_SPACE
from stream_rec.schemas.records import Item
from stream_rec.sources.exposure import LEAST_EXPOSURE
from stream_rec.sources.features import ECHOES, number_of
from stream_rec.sources.popularity import HALF_LIVES
from stream_rec.sources.vectors import COLD_EVENTS
from tests.engine.worlds import (
    VectorGiven,
    change,
    click,
    engine,
    known_items,
    learn,
    learn_vectors,
    random_log,
)

DAY = 86_400.0


def random_changes(seed: int, n: int, *, items: int, dimension: int = 5) -> list[VectorGiven]:
    rng = np.random.default_rng(seed)
    return [
        (
            str(rng.choice(["text", "image"])),
            f"i{rng.integers(items)}",
            rng.normal(size=dimension).tolist() if rng.random() < 0.8 else None,
        )
        for _ in range(n)
    ]


def circle(degrees: float) -> list[float]:
    return [float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees)))]


def test_nearest_to_the_mean_and_not_what_was_asked_for() -> None:
    e = engine()
    assert learn_vectors(e, *[("text", f"i{n}", circle(10 * n)) for n in range(18)]) == []
    found = e.near("text", ["i3", "i5"], 3)
    assert found.items[0] == "i4"
    assert set(found.items) == {"i4", "i2", "i6"}
    assert found.scores == sorted(found.scores, reverse=True)
    assert e.near("text", ["nobody"], 3).items == e.near("none", ["i3"], 3).items == []


def test_a_user_of_one_click_gets_what_is_alike_though_nobody_has_touched_it() -> None:
    e = engine(sources=("vectors",), content=False)
    learn_vectors(e, *[("text", f"i{n}", circle(10 * n)) for n in range(18)])
    click(e, ("ann", "i3", 1000.0))
    ranked = e.recommend(["ann"], k=4)
    assert set(ranked.items[0][:3]) <= {"i1", "i2", "i4", "i5", "i3"}
    assert {e.sources[source] for source in ranked.sources[0][:3]} == {"vectors:text"}
    assert set(ranked.because[0]) <= {"i3", ""}


def test_the_features_are_cosines_over_the_candidates_that_have_a_vector() -> None:
    e = engine(sources=("vectors",), content=False)
    learn_vectors(e, *[("text", f"i{n}", circle(10 * n)) for n in range(18)])
    click(e, ("ann", "i3", 1000.0))
    e.recommend(["ann"])
    query = e.held.query
    n = int(query.n_candidates[0])
    mean, single, cold = query.features[-4 * PER_SPACE :, :n][:PER_SPACE]
    rows = query.codes[:n] & 0xFFFFFF
    cosines = np.cos(np.radians(10.0 * (rows - 3)))
    assert mean == pytest.approx((cosines - cosines.mean()) / cosines.std(), abs=1e-4)
    assert single == pytest.approx(mean, abs=1e-4)
    untouched = rows != 3
    assert cold[untouched] == pytest.approx(np.maximum(mean, 0)[untouched], abs=1e-4)
    assert cold[~untouched] == pytest.approx(mean[~untouched] * COLD_EVENTS / (COLD_EVENTS + 1), rel=1e-3)


def test_an_item_that_came_lately_is_as_popular_as_its_exposure_says() -> None:
    e = engine(sources=("popularity", "vectors"))
    change(e, Item("old", "Lamp"), Item("other", "Lamp"))
    click(e, *[(f"u{n}", "old", DAY * n) for n in range(60)], ("ann", "other", 60 * DAY))
    change(e, Item("new", "Lamp"))
    click(e, *[(f"v{n}", "new", 60 * DAY + 100.0 * n) for n in range(3)], ("ann", "elsewhere", 61 * DAY))
    e.recommend(["ann"])
    query, state = e.held.query, e.state
    rows = query.codes[: int(query.n_candidates[0])] & 0xFFFFFF
    ages = np.where(state.in_catalogue[rows], float(state.clock[0]) - state.first_seen[rows], np.inf)
    for h, half_life in enumerate(HALF_LIVES):
        reached = 1.0 - 2.0 ** (-ages / half_life)
        logs = state.popularity.logs[rows, h] + np.log((1 + LEAST_EXPOSURE) / (reached + LEAST_EXPOSURE))
        expected = 1.0 + np.maximum(logs - logs.max(), -LOG_SPAN) / LOG_SPAN
        feature = number_of("popular_short") + h
        expected[np.isinf(ages) & ECHOES[feature]] = 0.0  # "elsewhere": of the session
        assert query.features[feature, : len(rows)] == pytest.approx(expected, abs=1e-3)
    assert set(np.round(ages / DAY, 1)) == {61.0, 1.0, np.inf}


def test_without_spaces_or_a_catalogue_popularity_is_what_was_counted() -> None:
    for settings in ({"content": False}, {"sources": ("popularity",)}):
        e = engine(**settings)
        change(e, Item("old", "Lamp"), Item("new", "Lamp"))
        click(e, ("u", "old", 0.0), ("v", "new", DAY), ("ann", "old", DAY))
        e.recommend(["ann"])
        query = e.held.query
        rows = query.codes[: int(query.n_candidates[0])] & 0xFFFFFF
        logs = e.state.popularity.logs[rows, 2]  # the only one that the session's own items have
        expected = 1.0 + np.maximum(logs - logs.max(), -LOG_SPAN) / LOG_SPAN
        assert query.features[number_of("popular_short") + 2, : len(rows)] == pytest.approx(
            expected, abs=1e-3
        )


def test_how_records_are_cut_into_batches_changes_nothing() -> None:
    log, changes = random_log(3, 200, users=20, items=24), random_changes(1, 300, items=24)
    whole, cut = engine(), engine()
    learn(whole, log)
    learn_vectors(whole, *changes)
    learn(whole, [])
    learn(cut, log)
    for one in changes:
        learn_vectors(cut, one)
    assert whole.digest() == cut.digest()


def test_an_index_that_is_rebuilt_on_the_way_is_a_fold_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space_indexes, "MAINTAIN_EVERY", 64)
    changes = random_changes(7, 1200, items=60)
    whole, cut = engine(), engine()
    learn_vectors(whole, *changes)
    for at in range(0, len(changes), 97):
        learn_vectors(cut, *changes[at : at + 97])
    assert whole.digest() == cut.digest()
    counts = [array for name, array in whole.snapshot().items() if name.endswith("space1.counts")]
    assert counts[0][2] > 0, "it was rebuilt"


def test_a_batch_that_was_learned_in_part_is_learned_to_its_end() -> None:
    changes = random_changes(2, 40, items=24)
    e, whole = engine(), engine()
    learn_vectors(whole, *changes)
    learn_vectors(e, *changes[:25])
    e.position["vectors", 0] = 10
    e.position["vectors", 0] = 25
    learn_vectors(e, *changes[25:])
    assert e.digest() == whole.digest()


def test_an_engine_that_is_restored_goes_on_alike() -> None:
    e, other = engine(), engine()
    learn(e, random_log(5, 300, users=20, items=24))
    learn_vectors(e, *random_changes(3, 200, items=40))
    other.restore({name: array.copy() for name, array in e.snapshot().items()}, e.position)
    assert other.digest() == e.digest()
    assert other.spaces.in_use() == e.spaces.in_use()
    for each in (e, other):
        learn_vectors(each, *random_changes(4, 100, items=60))
        change(each, Item("i1", "Another title", ("tag",)))
        click(each, *[(f"u{n % 9}", f"i{n % 70}", 2_000_000_000.0 + n) for n in range(100)])
    assert other.digest() == e.digest()
    assert other.recommend(["u1"]).items == e.recommend(["u1"]).items


def test_what_does_not_fit_into_its_space_is_refused_and_changes_nothing() -> None:
    e = engine(max_spaces=2)
    learn_vectors(e, ("text", "a", [1.0, 2.0]))
    before = e.digest()
    e.position["vectors", 0] -= 1
    reasons = learn_vectors(e, ("text", "b", [1.0]))
    assert reasons == ["dimension_mismatch"]
    assert e.digest() == before
    assert learn_vectors(e, ("image", "b", [1.0]), ("content", "b", [1.0])) == [
        "too_many_spaces",
        "reserved_space",
    ]
    assert known_items(e) == ["a"]


def test_a_space_without_items_is_gone_and_another_one_takes_its_slot() -> None:
    e = engine(max_spaces=2)
    learn_vectors(e, ("text", "a", [1.0, 2.0]), ("text", "b", [1.0, 2.0]), ("text", "a", None))
    e.state.ranker.linear[-PER_SPACE:] = 7.0
    assert [info.n_items for info in e.spaces.in_use()] == [1]
    learn_vectors(e, ("text", "b", None), ("text", "nobody", None))
    assert e.spaces.in_use() == []
    assert learn_vectors(e, ("image", "b", [1.0, 2.0, 3.0])) == []
    assert [(info.name, info.dimension) for info in e.spaces.in_use()] == [("image", 3)]
    assert e.state.ranker.linear[-1] < 7.0


def test_longer_vectors_are_projected_and_keep_their_angles() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(40, 300)).astype(np.float32)
    vectors[1::2] = vectors[::2] + 0.5 * vectors[1::2]
    small = np.array([reduced(v, 128, 42) for v in vectors])
    assert np.linalg.norm(small, axis=1) == pytest.approx(1.0, abs=1e-5)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert np.abs(small @ small.T - unit @ unit.T).max() < 0.45
    assert np.abs(small @ small.T - unit @ unit.T).mean() < 0.1
    assert reduced(vectors[0], 300, 42) == pytest.approx(unit[0], abs=1e-6)


def test_memory_does_not_grow_and_an_evicted_item_leaves_no_vector() -> None:
    e = engine(max_items=16, content=False)
    held = {name: array.nbytes for name, array in e.state.spaces._asdict().items()}
    learn_vectors(e, *[("text", f"v{n}", circle(n)) for n in range(100)])
    assert {name: array.nbytes for name, array in e.state.spaces._asdict().items()} == held
    click(e, *[("u", f"e{n}", 1000.0 + n) for n in range(40)])
    assert e.spaces.in_use() == []
    assert not e.state.spaces.vectors.any()
    assert e.recommend(["u"]).items[0]


def test_new_vectors_never_push_out_items_that_people_use() -> None:
    e = engine(max_items=16, content=False)
    click(e, *[("u", f"e{n}", 1000.0 + n) for n in range(10)])
    learn_vectors(e, *[("text", f"v{n}", circle(n)) for n in range(100)])
    assert {f"e{n}" for n in range(10)} <= set(known_items(e))


def test_a_removed_item_is_not_found_and_is_found_again_when_it_is_back() -> None:
    e = engine()
    learn_vectors(e, *[("text", f"i{n}", circle(10 * n)) for n in range(9)])
    change(e, *[Item(f"i{n}") for n in range(9)])
    change(e, "i4")
    assert "i4" not in e.near("text", ["i3"], 8).items
    change(e, Item("i4"))
    assert "i4" in e.near("text", ["i3"], 2).items


def test_content_makes_a_new_item_recommendable_to_whoever_likes_its_kind() -> None:
    e = engine(sources=("vectors",))
    change(e, *[Item(f"r{n}", f"red shoe {n}", ("shoes", "red")) for n in range(5)])
    change(e, *[Item(f"b{n}", f"blue lamp {n}", ("lamps", "blue")) for n in range(5)])
    click(e, ("ann", "r1", 1000.0), ("bob", "b1", 1001.0))
    change(e, Item("new", "red shoe for the beach", ("shoes", "red")))
    ann, bob = e.recommend(["ann", "bob"], k=6).items
    assert "new" in ann
    assert ann.index("new") < 6
    assert {item[0] for item in bob[:3]} == {"b"}
    change(e, Item("new"))
    assert (
        e.near("content", ["r1"], 5).items == ["r0", "r2", "r3", "r4"]
        or "new" not in e.near("content", ["r1"], 4).items
    )


def test_without_a_space_in_use_scores_are_what_they_are_without_slots() -> None:
    log = [record for record in random_log(8, 400, users=20, items=24) if record.topic == "events"]
    none, four = engine(max_spaces=0), engine(max_spaces=4)
    for e in (none, four):
        learn(e, log)
    users = [f"u{n}" for n in range(20)]
    one, other = none.recommend(users), four.recommend(users)
    assert (one.items, one.scores, one.sources) == (other.items, other.scores, other.sources)
    n = len(none.state.ranker.linear)
    assert (none.state.ranker.hidden == four.state.ranker.hidden[:, :n]).all()
