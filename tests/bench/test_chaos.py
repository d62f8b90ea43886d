"""Chaos with few faults: nothing is lost, doubled or turned back; and a witness that would find it if it were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest

from stream_rec.bench.chaos.deck import plan
from stream_rec.bench.chaos.process_faults import kill
from stream_rec.bench.chaos.run import Chaos, Outcome, play
from stream_rec.bench.chaos.server_faults import broker_restart
from stream_rec.bench.chaos.shoppers import ARMS, COUNTED, TRIAL, WHERE, Join, Record
from stream_rec.bench.chaos.shown_watch import ShownWatch
from stream_rec.bench.chaos.slate_watch import SlateWatch
from stream_rec.bench.chaos.steering import FORBIDDEN, Decided
from stream_rec.bench.chaos.tally import Tally
from stream_rec.bench.chaos.verdict import compare
from stream_rec.bench.chaos.witnessed import Unguarded, WitnessedEngine
from stream_rec.bench.harness import say_on_stderr
from stream_rec.clock import SystemClock
from stream_rec.schemas.columns import EventBatch, Span
from stream_rec.schemas.decisions import (
    ERASURE,
    EXPERIMENT,
    Decision,
    DecisionBatch,
    Erasure,
    name_about,
)
from stream_rec.schemas.records import AsOf, Impression, Interaction, Reason, Slate, SlateItem, TopicName
from stream_rec.settings import EngineSettings, Settings, StoreSettings
from stream_rec.store.sync_connection import connect_sync
from tests.engine import worlds
from tests.engine.deciding import decide, decision
from tests.engine.worlds import event_batch, impression_batch
from tests.kafka import need_a_jvm
from tests.shopping import shopped
from tests.waiting import wait_until

TINY = EngineSettings(max_users=64, max_items=64, train_first=0)
KILL_STOP_EMPTY_ZOMBIE_RESTART = 750
"""A seed whose first five faults are those."""

Event = tuple[int, str, str, str]


def tally(*events: Event) -> Tally:
    counted = Tally()
    counted.add(0, events)
    return counted


def batch(*events: Event, start: int, next: int) -> EventBatch:
    """Of (offset, event_id, user, item)."""
    made = EventBatch.of(
        [(user, item, 1.7e9) for _, _, user, item in events],
        span=Span("events", 0, 0, start, next),
        event_ids=[event_id for _, event_id, _, _ in events],
    )
    made.offsets[:] = [offset for offset, _, _, _ in events]
    return made


A, B, C = (0, "a", "u", "i"), (1, "", "u", "j"), (2, "c", "v", "i")


def test_equal_tallies_have_nothing_wrong() -> None:
    verdict = compare(tally(A, B, C).shown(), tally(A, B, C).shown())
    assert (verdict.lost, verdict.doubled, verdict.wrong) == (0, 0, ())


@pytest.mark.parametrize(
    ("learned", "lost", "doubled"),
    [((A, C), 1, 0), ((A, B, B, C), 0, 1), ((A, B, C, A, C), 0, 2), ((), 3, 0)],
)
def test_what_is_lost_or_doubled_is_counted(learned: tuple[Event, ...], lost: int, doubled: int) -> None:
    verdict = compare(tally(*learned).shown(), tally(A, B, C).shown())
    assert (verdict.lost, verdict.doubled) == (lost, doubled)
    assert any("user" in line for line in verdict.wrong)


def test_another_order_is_wrong_though_all_counts_are_right() -> None:
    (line,) = compare(tally(A, C, B).shown(), tally(A, B, C).shown()).wrong
    assert line.startswith("1 x hash of partition differs from the log")


def test_the_engine_of_a_witness_counts_what_was_learned_and_not_what_was_brought_again() -> None:
    engine = WitnessedEngine(TINY)
    engine.learn(batch(A, B, start=0, next=2))
    engine.learn(batch(B, C, start=1, next=3))  # B for the second time
    engine.learn(batch((3, "a", "u", "i"), start=3, next=4))  # the producer's repeat of A
    verdict = compare(engine.testimony(), tally(A, B, C).shown())
    assert verdict.wrong == ()


def test_without_the_position_guard_what_is_brought_again_is_learned_again_and_found() -> None:
    engine = Unguarded(TINY)
    engine.learn(batch(A, B, start=0, next=2))
    engine.learn(batch(B, C, start=1, next=3))
    verdict = compare(engine.testimony(), tally(A, B, C).shown())
    assert (verdict.lost, verdict.doubled) == (0, 1)


def test_the_tally_comes_back_with_a_snapshot() -> None:
    engine = WitnessedEngine(TINY)
    engine.learn(batch(A, B, start=0, next=2))
    arrays = {name: np.array(array) for name, array in engine.snapshot().items()}
    other = WitnessedEngine(TINY)
    other.restore(arrays, engine.position)
    other.learn(batch(C, start=2, next=3))
    assert compare(other.testimony(), tally(A, B, C).shown()).wrong == ()


def test_rules_hidden_items_vectors_and_erasures_that_a_replica_lacks_are_named() -> None:
    as_published = Decided({"shelf": "1"}, ["item-1"], {"item-2": "a"}, ["ff"])
    kept = Decided({"shelf": "2"}, [], {"item-2": "a", "item-3": "b"}, ["ff"])
    log = msgspec.structs.replace(tally(A).shown(), decided=as_published)
    found = msgspec.structs.replace(log, decided=kept)
    assert compare(log, log).wrong == ()
    assert (
        log.digest() == msgspec.structs.replace(log, guests=["guest-1-of-chaos"]).digest() != found.digest()
    )
    assert [line.partition(" differs")[0] for line in compare(found, log).wrong] == [
        "1 x rules of scenario",
        "1 x vector of item",
        "1 x hidden item",
    ]


def test_guests_are_in_no_count_and_nothing_of_them_is_left_when_they_are_forgotten() -> None:
    guest = "guest-7-of-chaos"
    engine = WitnessedEngine(TINY)
    engine.learn(batch(A, (1, "", guest, "i"), start=0, next=2))
    assert engine.testimony().guests == [guest]
    assert compare(engine.testimony(), tally(A).shown()).wrong == ()
    erasure = Decision(0, int(1.7e12), ERASURE, name_about(guest), Erasure(), b"{}")
    engine.learn_control(DecisionBatch(Span("control", 0, 0, 0, 1), [erasure]))
    found = engine.testimony()
    assert found.guests == []
    assert found.decided is not None
    assert found.decided.erased == [name_about(guest)]


def counted(*logs: list[Record]) -> dict[str, float]:
    """By an engine that learns one list of records after the other."""
    engine = WitnessedEngine(TINY.model_copy(update={"max_items": 512, "repeat_window": 4096}))
    arms = [{"name": arm} for arm in ARMS]
    body = {"arms": arms, "scenarios": [WHERE], "state": "running", "started": 1.0}
    decide(engine, decision(EXPERIMENT, TRIAL, body))
    ends: Counter[TopicName] = Counter()
    for record in (record for log in logs for record in log):
        topic: TopicName = "impressions" if isinstance(record, Impression) else "events"
        at = worlds.Record(topic, 0, ends[topic], record.user_id, record)
        ends[topic] += 1
        if topic == "events":
            engine.learn(event_batch([at]))
        else:
            engine.learn_impressions(impression_batch([at]))
    found = engine.testimony().outcomes
    assert found is not None
    return found


def test_outcomes_of_shoppers_are_those_of_an_offline_join_whichever_topic_is_learned_first() -> None:
    log = shopped(160)
    join = Join()
    for record in log:
        join.add(record)
    wanted = join.counts()
    assert {key.rpartition("/")[2] for key in wanted} == set(COUNTED)
    shown = [record for record in log if isinstance(record, Impression)]
    done = [record for record in log if isinstance(record, Interaction)]
    assert len(done) > len({record.event_id or id(record) for record in done})
    assert done != sorted(done, key=lambda record: record.ts)
    assert counted(log) == counted(shown, done) == counted(done, shown) == wanted


def test_an_outcome_that_is_lost_or_counted_twice_is_named() -> None:
    log = msgspec.structs.replace(tally(A).shown(), outcomes={"control/7/click": 2.0, "short/9/shown": 1.0})
    found = msgspec.structs.replace(log, outcomes={"control/7/click": 3.0})
    verdict = compare(found, log)
    assert verdict.miscounted == 2
    assert verdict.wrong[0].startswith("2 x outcome of arm/bucket differs from the log")
    assert compare(log, log).wrong == ()


def test_a_plan_is_fixed_by_its_seed_begins_with_a_kill_and_restarts_only_a_broker_that_keeps_its_log() -> (
    None
):
    faults = list(plan(60, 7, is_kafka=True))
    assert faults == list(plan(60, 7, is_kafka=True))
    assert faults[0] is kill
    assert broker_restart in faults
    assert broker_restart not in list(plan(60, 7, is_kafka=False))


@pytest.fixture
def watch(redis_url: str) -> Iterator[SlateWatch]:
    watch = SlateWatch(StoreSettings(url=redis_url), ["u"], SystemClock())
    watch.start()
    yield watch
    watch.end()


def write(redis_url: str, watch: SlateWatch, offset: int, log: str = "L") -> None:
    """A slate of events/3, and wait until the reader has seen it."""
    any_other = watch.mark([3], 0.0)
    watch.sent(3, 0, 1.0)
    json = f'{{"as_of":{{"log":"{log}","partition":3,"offset":{offset},"broker_ts":1}}}}'
    with connect_sync(StoreSettings(url=redis_url)) as connection:
        connection.execute("SET", "rec:default:u", json)
    wait_until(lambda: not any_other.late, what="the reader to see it")


def test_a_reader_notices_a_slate_that_is_older_than_one_it_has_seen(
    redis_url: str, watch: SlateWatch
) -> None:
    write(redis_url, watch, 9)
    write(redis_url, watch, 2, log="another")
    write(redis_url, watch, 2_000)
    assert watch.violations == []
    write(redis_url, watch, 1_999)
    assert watch.violations == ["slate of u: offset 1999 of events/3 after 2000 was seen"]


def test_a_mark_is_reached_by_a_slate_that_knows_the_first_event_sent_after_it(
    redis_url: str, watch: SlateWatch
) -> None:
    mark = watch.mark([3], began=10.0, sent_after=20.0)
    for offset, at in ((6, 19.0), (7, 21.0), (8, 22.0)):
        watch.sent(3, offset, at)
    write(redis_url, watch, 6)
    assert mark.late == [3]
    write(redis_url, watch, 7)
    assert mark.late == []


def test_a_reader_notices_an_item_that_was_hidden_from_the_first(redis_url: str) -> None:
    store = StoreSettings(url=redis_url)
    slate = Slate(
        AsOf("L", 0, 5, 1, 1.0),
        "u",
        "default",
        "s",
        "m",
        1.0,
        tuple(SlateItem(item, 1.0, Reason("session")) for item in ("item-2", min(FORBIDDEN))),
    )
    with connect_sync(store) as connection:
        connection.execute("SET", "rec:default:u", msgspec.json.encode(slate).decode())
    watch = ShownWatch(store, ["u"], 1)
    watch.start()
    wait_until(lambda: bool(watch.violations), what="the reader to see it")
    watch.end()
    assert watch.violations[0] == f"recommendations of u: {min(FORBIDDEN)}"


def played(chaos: Chaos, mutation: str = "none") -> Outcome:
    return play(Settings(), say_on_stderr, chaos, mutation)


@pytest.mark.kafka
@pytest.mark.timeout(600)
def test_nothing_is_lost_doubled_or_turned_back_by_five_faults_on_apache_kafka() -> None:
    need_a_jvm()
    outcome = played(Chaos(faults=5, seed=KILL_STOP_EMPTY_ZOMBIE_RESTART, broker="kafka", rate=60.0))
    assert outcome.found.violations == []
    assert outcome.faults == 5
    assert outcome.found.lost == outcome.found.doubled == outcome.found.miscounted == 0
    assert outcome.found.forbidden == outcome.found.not_forgotten == outcome.found.differing == 0
    assert outcome.decisions.keys() == {"rules", "hides", "vectors", "erasures"}
    assert outcome.answers > 0
    assert len(outcome.times.killed) == len(outcome.times.stopped) == 2


@pytest.mark.timeout(600)
def test_without_the_position_guard_a_kill_shows_events_that_were_learned_twice() -> None:
    outcome = played(Chaos(faults=2, broker="tansu", rate=60.0), "position-guard")
    assert outcome.found.doubled > 0
    assert outcome.found.violations
