"""Snapshot + journal + log give the uninterrupted run's state again, bit for bit; without a journal, an equal one."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from stream_rec.bus.batch import Fetched
from stream_rec.bus.lag import OffsetReader, lag
from stream_rec.bus.stretches import opened
from stream_rec.bus.topics import ensure_topics, log_id
from stream_rec.clock import ManualClock
from stream_rec.consumers.replication.learn_order import LearnOrder
from stream_rec.consumers.worker import Worker
from stream_rec.engine.engine import Engine
from stream_rec.engine.names import name_of
from stream_rec.history.snapshots.facts import ask_facts
from stream_rec.history.snapshots.store import SnapshotStore
from stream_rec.history.snapshots.writer import SnapshotWriter
from stream_rec.history.time_travel.merge import UntilEvent, UntilTime, learn
from stream_rec.history.time_travel.rebuild import Rebuilt, rebuild
from stream_rec.schemas.codec import encode
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import Impression, Item, Record, TopicName
from stream_rec.schemas.topics import FOLLOWED
from stream_rec.settings import BusSettings, JournalSettings, Settings, SnapshotSettings, StoreSettings
from tests.consumers.conftest import SESSION_SECONDS
from tests.consumers.publishing import clicks, publish
from tests.consumers.serving import SMALL, serve

ALWAYS = UntilTime(1 << 53)
NOW = 1 << 53
START, N = 1_600_000_000.0, 1500
SHOWN = ("i1", "i2", "i3")


def make_log(bootstrap: str) -> BusSettings:
    """A log of all three topics in 4 partitions."""
    prefix = f"t{uuid.uuid4().hex[:10]}-"
    bus = BusSettings(bootstrap=bootstrap, prefix=prefix, group=f"{prefix}group", batch_max_records=100)
    ensure_topics(bus)
    logged: dict[TopicName, list[tuple[str, Record]]] = {
        "events": [(each.user_id, each) for each in clicks(N)],
        "items": [(f"i{n}", Item(f"i{n}", tags=(f"t{n % 5}",))) for n in range(100)],
        "impressions": [(f"u{n}", Impression(f"s{n}", f"u{n}", START + n, SHOWN)) for n in range(200)],
    }
    for topic, records in logged.items():
        raw = [(key.encode(), encode(record)) for key, record in records]
        publish(bus, topic, raw, [int(START + n) * 1000 for n in range(len(raw))])
    return bus


@pytest.fixture(scope="module")
def dated_log(tansu: str) -> BusSettings:
    """The embedded broker keeps our timestamps: a record a second, in each topic from the same second on."""
    return make_log(tansu).model_copy(update={"session_timeout_seconds": SESSION_SECONDS})


@pytest.fixture(scope="module", params=["tansu", pytest.param("kafka", marks=pytest.mark.kafka)])
def log(request: pytest.FixtureRequest) -> BusSettings:
    """Apache Kafka gives its own."""
    if request.param == "tansu":
        return cast(BusSettings, request.getfixturevalue("dated_log"))
    return make_log(request.getfixturevalue("kafka"))


@pytest.fixture
def folders(redis_url: str, prefix: str, tmp_path: Path) -> Settings:
    """Small, with folders for a journal and snapshots."""
    return Settings(
        store=StoreSettings(url=redis_url, prefix=prefix),
        engine=SMALL,
        journal=JournalSettings(folder=str(tmp_path / "journal")),
        snapshot=SnapshotSettings(url=str(tmp_path / "snapshots"), min_seconds=0),
    )


@pytest.fixture
def world(dated_log: BusSettings, folders: Settings) -> Settings:
    """On the embedded broker: for tests tp the broker does not matter, or its timestamps do."""
    return folders.model_copy(update={"bus": dated_log})


@pytest.fixture
def any_world(log: BusSettings, folders: Settings) -> Settings:
    return folders.model_copy(update={"bus": log})


class Run:
    """A worker's engine, journal and snapshots, without the worker: batches come in an order drawn by lot."""

    def __init__(self, settings: Settings, *, begins: float = 1000.0, snapshot: str = "") -> None:
        self.settings = settings
        self.engine = Engine(settings.engine, settings.measure)
        self.clock = ManualClock(begins)
        store = SnapshotStore(settings.snapshot)
        notes = store.load(snapshot, self.engine).notes if snapshot else {}
        self.order = LearnOrder(settings.journal, self.engine, notes, _ids(settings), self.clock)
        writer = SnapshotWriter(store, ask_facts(settings.bus), self.clock)
        self._writer = writer
        self.batches = 0

    def learn(
        self,
        seed: int,
        *,
        snapshots: tuple[int, ...] = (),
        drifts: tuple[int, ...] = (),
        live: bool = False,
    ) -> None:
        """Learn all there is, in any order or (live) record by record about as it was published.

        Snapshots are taken, and drift is heard of, after so many batches.
        """
        rng = np.random.default_rng(seed)
        bounds = OffsetReader(self.settings.bus).bounds()
        stretches = {tp: (self.engine.position.get(tp, begin), end) for tp, (begin, end) in bounds.items()}
        with opened(self.settings.bus, stretches) as log:
            left = sorted(bounds)
            while left:
                heads = {tp: log.head(tp) or (NOW, 0) for tp in left}
                tp = min(left, key=heads.__getitem__) if live else left[rng.integers(len(left))]
                size = 1 if live else int(rng.integers(1, 120))
                at = self.engine.position.get(tp, bounds[tp][0])
                batch = log.take(tp, min(at + size, bounds[tp][1]))
                if batch is None:
                    left.remove(tp)
                    continue
                self.take(tp, batch)
                if self.batches in snapshots:
                    self.clock.advance(1.0)
                    self._writer.write(self.engine, self.order.notes())
                if self.batches in drifts:
                    self._drift()
        self.order.flush()

    def _drift(self) -> None:
        """As releases did that had no alarms on `control`."""
        assert self.order._journal is not None
        self.engine.on_drift()
        self.order._journal.drifted()

    def take(self, tp: TopicPartition, batch: Fetched) -> None:
        first = self.engine.position.get(tp, batch.start)
        learn(self.engine, self.settings.ingest, batch)
        self.order.learned(batch.span(), first, len(batch))
        self.batches += 1


def _ids(settings: Settings) -> dict[str, str]:
    return {str(topic): log_id(settings.bus, topic) for topic in FOLLOWED}


def again(settings: Settings, goal: UntilTime | UntilEvent = ALWAYS, at_ms: int = NOW) -> Rebuilt:
    return rebuild(settings, goal, at_ms)


@pytest.mark.parametrize(("seed", "snapshots"), [(1, ()), (3, (5, 20))])
def test_snapshot_journal_and_log_give_the_digest_of_the_uninterrupted_run(
    any_world: Settings, seed: int, snapshots: tuple[int, ...]
) -> None:
    run = Run(any_world)
    run.learn(seed, snapshots=snapshots, drifts=(12, 21))
    found = again(any_world)
    assert found.engine.digest() == run.engine.digest()
    assert found.engine.position == run.engine.position
    assert (found.doubts, found.merged) == ([], 0)
    assert bool(found.snapshot) == bool(snapshots)
    assert found.drifted == (1 if snapshots else 2)


def test_a_drift_that_the_journal_does_not_know_gives_another_state(world: Settings) -> None:
    """So the marks are needed: the alarm is on what was served, and no function of the log."""
    run = Run(world)
    run.learn(4)
    run.engine.on_drift()
    assert again(world).engine.digest() != run.engine.digest()


def test_the_state_in_mid_stream_is_the_one_that_was(world: Settings) -> None:
    """Right after an event was learned, which is when its user's slate was made."""
    run = Run(world)
    states: dict[tuple[int, int], str] = {}
    take = run.take

    def noted(tp: TopicPartition, batch: Fetched) -> None:
        take(tp, batch)
        if tp.topic == "events" and len(batch):
            states[tp.partition, batch.offsets[-1]] = run.engine.digest()

    run.take = noted  # type: ignore[method-assign]
    run.learn(5, snapshots=(8,), drifts=(12,))
    for partition, offset in list(states)[:: len(states) // 4]:
        found = again(world, UntilEvent(partition, offset, NOW))
        assert found.engine.digest() == states[partition, offset]
        assert found.doubts == []


def test_of_two_lives_that_began_with_one_snapshot_the_one_of_that_time_is_rebuilt(world: Settings) -> None:
    """A worker ends after its snapshot; the next one learns the same records again, in another order."""
    first = Run(world)
    first.learn(10, snapshots=(8,))
    (info,) = SnapshotStore(world.snapshot).list()
    second = Run(world, begins=5000.0, snapshot=info.name)
    second.learn(11)
    assert first.engine.digest() != second.engine.digest()
    for run, at_ms in ((first, 4_000_000), (second, 6_000_000)):
        found = again(world, ALWAYS, at_ms)
        assert (found.snapshot, found.doubts) == (info.name, [])
        assert found.engine.digest() == run.engine.digest()


def test_without_a_journal_the_log_is_merged_and_the_state_is_equivalent_not_identical(
    world: Settings,
) -> None:
    run = Run(world)
    run.learn(6)
    found = again(world.model_copy(update={"journal": JournalSettings()}))
    assert "merged by the broker's timestamps" in found.doubts[0]
    assert found.merged == N + 300
    assert found.engine.position == run.engine.position
    counts = ("events_learned", "users", "items")
    assert [found.engine.stats()[name] for name in counts] == [run.engine.stats()[name] for name in counts]


def test_behind_a_torn_end_the_rest_is_merged_and_said(world: Settings, tmp_path: Path) -> None:
    run = Run(world)
    run.learn(7)
    (segment,) = (tmp_path / "journal").iterdir()
    segment.write_bytes(segment.read_bytes()[:-5])
    found = again(world)
    assert found.engine.position == run.engine.position
    assert "the journal ends before" in found.doubts[0]


def test_records_that_were_compacted_away_since_are_missed(
    world: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compaction leaves no trace in the log but a gap, which may always have been there: the journal has counted."""
    run = Run(world)
    learned = run.order.learned
    monkeypatch.setattr(
        run.order, "learned", lambda span, first, n: learned(span, first, n + (span.topic == "items"))
    )
    run.learn(12)
    found = again(world)
    assert found.merged == 0
    assert [doubt.partition(" ")[2] for doubt in found.doubts] == [
        f"records of items/{partition} are no longer in the log" for partition in range(4)
    ]


def test_until_a_time_it_is_what_the_worker_knew_before_it_knew_anything_later(any_world: Settings) -> None:
    world = any_world
    middle = _timestamps(world)[N // 2]
    run = Run(world)
    before: list[str] = []
    take = run.take

    def noted(tp: TopicPartition, batch: Fetched) -> None:
        if not before and max(batch.timestamps, default=0) > middle:
            before.append(run.engine.digest())
        take(tp, batch)

    run.take = noted  # type: ignore[method-assign]
    run.learn(8, snapshots=(30, 300), live=True)
    found = again(world, UntilTime(middle))
    assert found.doubts == []
    assert found.snapshot
    assert 0 < found.last_ms <= middle
    assert found.engine.digest() == before[0]


@pytest.mark.parametrize("has_journal", [True, False])
def test_if_the_worker_was_catching_up_then_the_rest_is_merged(world: Settings, has_journal: bool) -> None:
    middle = START + N // 2
    run = Run(world)
    run.learn(9, snapshots=(15,))
    settings = world if has_journal else world.model_copy(update={"journal": JournalSettings()})
    found = again(settings, UntilTime(int(middle) * 1000))
    assert len(found.doubts) == 1
    assert found.merged > 0
    assert found.engine.n_learned == N // 2 + 1
    assert found.last_ms == int(middle) * 1000


def _timestamps(settings: Settings) -> list[int]:
    """The broker's, of all events, in order."""
    bounds = {tp: b for tp, b in OffsetReader(settings.bus).bounds().items() if tp.topic == "events"}
    stamps: list[int] = []
    with opened(settings.bus, bounds) as log:
        for tp, (_, end) in bounds.items():
            while (batch := log.take(tp, end)) is not None:
                stamps += batch.timestamps
    return sorted(stamps)


def test_a_user_that_was_forgotten_is_forgotten_again(world: Settings) -> None:
    run = Run(world)
    run.learn(9)
    user = run.engine.state.users.hashes[3]
    run.engine.forget_user(name_of(run.engine.state.users, 3))
    assert run.order._journal is not None
    run.order._journal.forgot(int(user))
    run.order.flush()
    assert again(world).engine.digest() == run.engine.digest()


def test_what_a_real_worker_knew_when_it_stopped_is_rebuilt_from_what_it_left(any_world: Settings) -> None:
    world = any_world
    engine = Engine(world.engine, world.measure)

    async def until_done(_: Worker) -> None:
        while any(at.lag for at in await asyncio.to_thread(lag, world.bus)):
            await asyncio.sleep(0.1)

    settings = world.model_copy(
        update={"snapshot": world.snapshot.model_copy(update={"every_events": 500, "stop_seconds": 0})}
    )
    assert serve(settings, engine, until_done) == 0
    found = again(settings)
    assert found.doubts == []
    assert found.engine.digest() == engine.digest()
