"""Every offset is learned once: a gap is refused, what comes again teaches nothing, a part teaches its rest."""

from __future__ import annotations

import numpy as np
import pytest

from stream_rec.engine.fold.learn import Events
from stream_rec.engine.learning.learn_loop import training_sample
from stream_rec.errors import GapError
from stream_rec.schemas.columns import EventBatch, Span
from stream_rec.schemas.records import Item
from stream_rec.settings import EngineSettings
from tests.engine.worlds import (
    answers,
    change,
    engine,
    event_batch,
    impression_batch,
    item_batch,
    learn,
    random_log,
)

LOG = random_log(8, 600, users=20, items=30, partitions=1)
EVENTS = [r for r in LOG if r.topic == "events"]
CHANGES = [r for r in LOG if r.topic == "items"]
SHOWN = [r for r in LOG if r.topic == "impressions"]


def test_a_batch_that_begins_after_the_position_is_refused_and_teaches_nothing() -> None:
    e = engine()
    learn(e, LOG[:400])
    before, position = e.digest(), dict(e.position)
    for batch, take in (
        (event_batch(EVENTS[-3:]), e.learn),
        (item_batch(CHANGES[-3:]), e.upsert_items),
        (impression_batch(SHOWN[-3:]), e.learn_impressions),
    ):
        with pytest.raises(GapError) as error:
            take(batch)  # type: ignore[operator]
        assert (error.value.topic, error.value.partition) == (batch.span.topic, 0)
        assert (error.value.position, error.value.start) == (position[batch.span.topic, 0], batch.span.start)
    assert e.digest() == before
    assert e.position == position


def test_a_partition_may_begin_anywhere() -> None:
    e = engine()
    e.learn(event_batch(EVENTS[200:]))
    assert e.position == {("events", 0): EVENTS[-1].offset + 1}


def test_what_comes_again_teaches_nothing() -> None:
    once, twice = engine(), engine()
    learn(once, LOG)
    learn(twice, LOG)
    for batch in (event_batch(EVENTS), event_batch(EVENTS[40:90])):
        learned = twice.learn(batch, judge_all=True)
        assert (learned.n_learned, len(learned.fresh.at)) == (0, 0)
    twice.upsert_items(item_batch(CHANGES))
    twice.learn_impressions(impression_batch(SHOWN))
    assert once.digest() == twice.digest()
    assert once.position == twice.position


@pytest.mark.parametrize("known", [1, 57, len(EVENTS) - 1])
def test_a_batch_that_is_known_in_part_teaches_the_rest(known: int) -> None:
    whole, parts = engine(), engine()
    whole.learn(event_batch(EVENTS))
    parts.learn(event_batch(EVENTS[:known]))
    learned = parts.learn(event_batch(EVENTS), judge_all=True)
    assert learned.n_learned == len(EVENTS) - known
    assert learned.fresh.at.tolist() == list(range(known, len(EVENTS)))
    assert parts.digest() == whole.digest()
    assert answers(parts, ["u1", "u2"]) == answers(whole, ["u1", "u2"])


def test_a_part_of_the_catalogue_and_of_the_impressions_teaches_the_rest_too() -> None:
    whole, parts = engine(), engine()
    learn(whole, LOG)
    for record in LOG:
        # Every record comes twice: once alone, and once with all that was before it in its partition.
        for again in ([record], [r for r in LOG if r.topic == record.topic and r.offset <= record.offset]):
            learn(parts, again[-20:])
    assert parts.digest() == whole.digest()


def test_offsets_that_the_log_skipped_are_passed_over() -> None:
    e = engine()
    e.learn(event_batch(EVENTS[:10]))
    end = e.position["events", 0]
    nothing = EventBatch.of([], span=Span("events", 0, 0, end, end + 25))
    assert e.learn(nothing).n_learned == 0
    assert e.position["events", 0] == end + 25
    e.learn(EventBatch.of([("u", "i", 1.0)], span=Span("events", 0, 0, end + 25, end + 26)))


def test_partitions_and_topics_have_positions_of_their_own() -> None:
    e = engine()
    for partition in (0, 3):
        e.learn(EventBatch.of([("u", f"i{partition}", 1.0)], span=Span("events", partition, 0, 7, 8)))
    change(e, Item("x"))
    assert e.position == {("events", 0): 8, ("events", 3): 8, ("items", 0): 1}


def test_the_same_event_teaches_the_same_wherever_the_batch_begins() -> None:
    """Random choices hang on topic, partition and offset, not on the batch."""
    rows = [(f"u{n % 5}", f"i{n % 9}", float(n)) for n in range(40)]
    a, b, c = engine(), engine(), engine()
    a.learn(EventBatch.of(rows, span=Span("events", 0, 0, 100, 140)))
    b.learn(EventBatch.of(rows, span=Span("events", 0, 9, 100, 140)))
    c.learn(EventBatch.of(rows, span=Span("events", 0, 0, 101, 141)))
    assert a.digest() == b.digest()
    assert a.digest() != c.digest()


def test_a_set_seed_decides_every_random_choice() -> None:
    a, b, c = engine(seed=1), engine(seed=1), engine(seed=2)
    for e in (a, b, c):
        learn(e, LOG)
    assert a.digest() == b.digest()
    assert a.digest() != c.digest()


def test_the_training_sample_is_the_set_share_of_events_once_the_ranker_is_grown() -> None:
    events = columns_of(20_000)
    for share in (0.0, 0.1, 1.0):
        old = training_sample(events, EngineSettings(train_sample=share), 1_000_000)
        assert np.isclose(old.mean(), share, atol=0.01)
    young = training_sample(events, EngineSettings(train_sample=0.1, train_first=2000), 0)
    assert young[:2000].all()
    assert np.isclose(young[3500:4500].mean(), 0.5, atol=0.1)
    assert not training_sample(events, EngineSettings(train_sample=0.0), 0).any()


def test_where_a_batch_begins_changes_no_event_of_the_sample() -> None:
    events = columns_of(20_000)
    whole = training_sample(events, EngineSettings(), 0)
    assert (training_sample(events, EngineSettings(), 9_000, first=9_000)[9_000:] == whole[9_000:]).all()


def columns_of(n: int) -> Events:
    """Events of which only the places in the log count."""
    seeds = np.random.default_rng(1).integers(0, 1 << 64, n, np.uint64)
    return Events(*([None] * (len(Events._fields) - 1)), seeds)  # type: ignore[arg-type]


def test_the_sample_trains_the_ranker_and_nothing_else() -> None:
    trained, untrained = engine(train_sample=1.0), engine(train_sample=0.0)
    for e in (trained, untrained):
        e.learn(event_batch(EVENTS))
    assert (trained.state.ranker.linear != untrained.state.ranker.linear).any()
    assert (trained.state.factors.items == untrained.state.factors.items).all()
    assert (trained.state.popularity.scores == untrained.state.popularity.scores).all()
