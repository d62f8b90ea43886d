"""A snapshot that an older release wrote is read: nothing is lost, and the engine goes on from it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.engine import Engine
from stream_rec.engine.names import name_of
from stream_rec.engine.state.older import renamed
from stream_rec.sources.features import N_FEATURES
from tests.engine.worlds import click, engine, learn, random_log

SNAPSHOT = Path(__file__).with_name("written_by_ec9fab2.npz")
"""Arrays of an engine with these bounds that had learned 400 records."""
LATEST = ("hop", "returns", "steps")
"""Features that came after the release of 2026-11-22."""


def restored() -> tuple[Engine, dict[str, NDArray[np.generic]]]:
    with np.load(SNAPSHOT) as held:
        arrays = {name: held[name] for name in held.files}
    position = {(topic, part): offset for topic, part, offset in json.loads(str(arrays.pop("position")))}
    e = engine(max_users=16, max_items=24, history_length=8, event_types={"dislike": {"meaning": "negative"}})
    e.restore(arrays, position)
    return e, arrays


def test_its_arrays_are_those_that_were_written() -> None:
    e, arrays = restored()
    now = {name: array.copy() for name, array in e.snapshot().items()}
    parts = ("hidden", "columns", "texts", "window", "past", "spaces", "blocked", "undoable", "remembered")
    later = tuple(f"state.{part}" for part in (*parts, "histories.types", "histories.pauses", "ratings"))
    was_not_there = {name for name in now if name.startswith(later)} | {"state.popularity.reach"}
    assert now.keys() - was_not_there == renamed(arrays).keys()
    for name, array in renamed(arrays).items():
        held = now[name]
        if name.startswith("state.ranker.") and held.shape[:-1] == array.shape[:-1]:
            held = held[..., : array.shape[-1]]  # later features stand behind those of old
        assert held.dtype == array.dtype, name
        assert held.tobytes() == array.tobytes(), name


def test_a_ranker_without_the_latest_features_begins_with_them_as_an_empty_one_does() -> None:
    e, other, empty = engine(), engine(), engine().state.ranker
    learn(e, random_log(3, 200, users=30, items=40))
    arrays = {name: array.copy() for name, array in e.snapshot().items()}
    former = N_FEATURES - len(LATEST)
    for name, array in arrays.items():
        if name.startswith("state.ranker.") and array.shape[-1] >= N_FEATURES:
            arrays[name] = np.delete(array, np.arange(former, N_FEATURES), axis=-1)
    other.restore(arrays, e.position)
    for name, array in e.state.ranker._asdict().items():
        expected, is_by_feature = array.copy(), array.shape[-1] >= N_FEATURES
        if is_by_feature:
            expected[..., former:N_FEATURES] = getattr(empty, name)[..., former:N_FEATURES]
        assert (getattr(other.state.ranker, name) == expected).all(), name
    learn(other, random_log(3, 400, users=30, items=40)[200:])
    assert (other.state.ranker.linear[former:N_FEATURES] != 0).all()


def test_what_was_counted_by_place_is_counted_by_name() -> None:
    e, arrays = restored()
    assert e.stats()["evicted_users"] == arrays["state.users.scalars"][4] > 0
    assert e.stats()["evicted_items"] == arrays["state.items.scalars"][4] > 0
    assert e.stats()["counted_items"] == arrays["attribution.items.marks"][2] > 0
    ids = [arrays[f"repeats.{partition}.marks"][0] for partition in range(3)]
    assert e.stats()["event_ids"] == sum(ids) > 0


def test_what_was_hidden_in_its_row_is_hidden_and_lists_begin_with_what_was_counted() -> None:
    e, arrays = restored()
    taken = np.flatnonzero(arrays["state.items.lengths"] > 0)
    hidden = [row for row in taken.tolist() if not arrays["state.popularity.eligible"][row]]
    assert e.stats()["hidden_items"] == len(hidden) > 0
    assert e.hidden([name_of(e.state.items, row) for row in taken.tolist()]) == [
        name_of(e.state.items, row) for row in hidden
    ]
    assert (e.state.popularity.reach == e.state.popularity.scores[:2]).all()


def test_nothing_was_blocked_and_what_is_blocked_from_now_on_is() -> None:
    e, _ = restored()
    assert e.stats()["blocked"] == 0
    item = e.recommend(["u1"], k=1).items[0][0]
    click(e, ("u1", item, e.event_time + 1), event_type="dislike")
    assert item not in e.recommend(["u1"], k=24).items[0]


def test_the_engine_learns_on() -> None:
    e, _ = restored()
    before = e.n_learned
    learn(e, random_log(7, 800, users=30, items=40)[400:])
    assert e.n_learned > before
    assert any(e.recommend(["u1", "somebody new"], k=5).items)
