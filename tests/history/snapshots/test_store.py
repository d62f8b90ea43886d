"""Snapshots on a file system: whole or refused, the newest usable one taken, as many kept as are wanted."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from stream_rec.clock import ManualClock
from stream_rec.engine.engine import Engine
from stream_rec.errors import ConfigError, Unavailable, UnusableSnapshot
from stream_rec.history.snapshots.facts import Facts, LogFacts
from stream_rec.history.snapshots.store import SnapshotInfo, SnapshotStore
from stream_rec.history.snapshots.writer import SnapshotWriter
from stream_rec.settings import SnapshotSettings
from tests.engine.worlds import engine, learn, random_log
from tests.history.snapshots.places import Place, in_memory

TOPICS = ("events", "items", "impressions")
PARTITIONS = range(3)


def facts(cluster: str = "cluster", log: str = "log", begin: int = 0, end: int = 10_000) -> Facts:
    one = LogFacts(log, dict.fromkeys(PARTITIONS, begin), dict.fromkeys(PARTITIONS, end))
    return Facts(cluster, dict.fromkeys(TOPICS, one))


class World:
    """A folder, an engine that learns, and a clock."""

    def __init__(self, place: Place | str, **settings: object) -> None:
        self.place = place = Place(place) if isinstance(place, str) else place
        given = {"url": place.url, "options": place.options} | settings
        self.store = SnapshotStore(SnapshotSettings.model_validate(given))
        self.engine = engine()
        self.log = random_log(7, 600, users=30, items=40)
        self.clock = ManualClock()
        self.digests: dict[str, str] = {}

    def write(self, n: int = 50, facts: Facts = facts()) -> SnapshotInfo:  # noqa: B008 - it is frozen
        """Learn a little, and keep it."""
        learn(self.engine, self.log[:n])
        del self.log[:n]
        self.clock.advance(1)
        info = SnapshotWriter(self.store, facts, self.clock).write(self.engine)
        self.digests[info.name] = self.engine.digest()
        return info

    def start(self, facts: Facts = facts()) -> tuple[str | None, list[str], Engine]:  # noqa: B008
        """What a new engine starts from, why newer ones were refused, and the engine."""
        e = engine()
        found = self.store.newest_usable(e, facts)
        if found is None:
            return None, [], e
        assert e.digest() == self.digests[found.info.name]
        return found.info.name, [error.reason for error in found.refused], e

    def change(self, file: str, change: Callable[[bytes], bytes]) -> None:
        """Damage a file."""
        with self.opened(file, "rb") as source:
            raw = source.read()
        with self.opened(file, "wb") as target:
            target.write(change(raw))

    def opened(self, file: str, mode: str) -> Any:
        """A file of the folder."""
        return fsspec.open(f"{self.place.url}/{file}", mode, **self.place.options)

    def data(self, info: SnapshotInfo) -> str:
        """The file with its arrays."""
        return self.store.header(info.name).data


@pytest.fixture(params=["folder", "memory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "s3":
        yield request.getfixturevalue("bucket")
    elif request.param == "folder":
        yield Place(str(tmp_path / "snapshots"))
    else:
        with in_memory() as made:
            yield made


@pytest.fixture
def world(place: Place) -> World:
    return World(place)


def test_what_was_written_is_listed_and_comes_back_bit_for_bit(world: World) -> None:
    assert world.store.list() == []
    first, second = world.write(), world.write()
    assert [info.name for info in world.store.list()] == [second.name, first.name]
    assert world.store.list()[0] == second
    assert second.positions == world.engine.position
    assert second.n_events == world.engine.n_learned
    assert second.created == pytest.approx(world.clock.now())
    for info in (first, second):
        e = engine()
        assert world.store.load(info.name, e) == info
        assert e.digest() == world.digests[info.name]
    learn(e, world.log)
    learn(world.engine, world.log)
    assert e.digest() == world.engine.digest()


def test_without_any_snapshot_the_engine_stays_empty(world: World) -> None:
    name, _, e = world.start()
    assert name is None
    assert e.digest() == engine().digest()


def test_notes_are_kept(world: World) -> None:
    notes = {"latest": {"0": [1, 2.5, "x"]}}
    info = SnapshotWriter(world.store, facts(), world.clock).write(world.engine, notes)
    assert world.store.list()[0].notes == info.notes == notes


@pytest.mark.parametrize("missing", [1, 1000, None])
def test_a_torn_snapshot_is_refused_and_the_next_older_one_taken(world: World, missing: int | None) -> None:
    older, newest = world.write(), world.write()
    if missing is None:
        world.store.folder.delete(world.data(newest))
    else:
        world.change(world.data(newest), lambda raw: raw[:-missing])
    assert world.start()[:2] == (older.name, ["torn"])
    with pytest.raises(UnusableSnapshot, match="torn"):
        world.store.verify(newest.name)


def test_any_changed_byte_of_an_array_is_found(world: World) -> None:
    older, newest = world.write(), world.write()
    rng = random.Random(3)
    held = rng.sample([each for each in world.store.header(newest.name).arrays if each.nbytes], 8)
    for each in held:
        at = each.offset + rng.randrange(each.nbytes)

        def flip(raw: bytes, at: int = at) -> bytes:
            return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]

        world.change(world.data(newest), flip)
        with pytest.raises(UnusableSnapshot, match=f"corrupt: array {each.name} "):
            world.store.verify(newest.name)
        assert world.start()[:2] == (older.name, ["corrupt"])
        world.change(world.data(newest), flip)
    assert world.start()[:2] == (newest.name, [])


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'"n_events": ', b'"n_events": 1', "corrupt"),
        (b'"cluster_id"', b'"Cluster_id"', "unreadable"),
        (b"}", b"", "unreadable"),
        (b'"format": 1', b'"format": 2', "incompatible"),
    ],
)
def test_a_changed_header_is_refused_and_listed_with_its_problem(
    world: World, old: bytes, new: bytes, reason: str
) -> None:
    older, newest = world.write(), world.write()
    world.change(f"{newest.name}.json", lambda raw: new.join(raw.rsplit(old, 1)))
    assert world.start()[:2] == (older.name, [reason])
    listed = world.store.list()
    assert [info.name for info in listed] == [newest.name, older.name]
    assert listed[0].problem.startswith(reason)
    assert listed[1].problem == ""


def test_another_cluster_or_topic_is_foreign(world: World) -> None:
    mine = world.write()
    world.write(facts=facts(cluster="other"))
    world.write(facts=facts(log="made anew"))
    assert world.start()[:2] == (mine.name, ["foreign", "foreign"])
    assert world.start(facts(cluster="third"))[0] is None


def test_positions_beyond_the_end_of_the_log_are_refused(world: World) -> None:
    older = world.write()
    end = max(older.positions.values())
    world.write(200)
    assert world.start(facts(end=end))[:2] == (older.name, ["beyond"])


def test_fewer_partitions_than_were_learned_are_refused(world: World) -> None:
    world.write(300)
    one = LogFacts("log", {0: 0}, {0: 10_000})
    assert world.start(Facts("cluster", dict.fromkeys(TOPICS, one)))[0] is None


def test_records_that_were_deleted_before_they_were_learned_are_counted(world: World) -> None:
    info = world.write(300)
    begin = max(info.positions.values()) - 5
    found = world.store.newest_usable(engine(), facts(begin=begin))
    assert found is not None
    assert found.gone == {at: begin - n for at, n in info.positions.items() if n < begin}
    assert len(found.gone) > 1


def test_other_bounds_are_refused_by_name_and_other_rates_are_not(world: World) -> None:
    info = world.write()
    with pytest.raises(
        UnusableSnapshot, match=r"incompatible: engine.n_factors was 8, and is now 16"
    ) as refused:
        world.store.load(info.name, engine(n_factors=16))
    assert "learned again" in refused.value.fix
    e = engine(train_sample=0.9, seed=7)
    world.store.load(info.name, e)
    assert e.digest() == world.digests[info.name]


def test_the_newest_are_kept_and_the_rest_deleted(place: Place) -> None:
    world = World(place, keep=2)
    names = [world.write().name for _ in range(4)]
    assert [info.name for info in world.store.list()] == names[:1:-1]
    assert len(world.store.folder.files()) == 4
    assert world.store.prune(world.clock.now(), 1)
    assert sorted(world.store.folder.files()) == sorted(
        [world.store.header(names[-1]).data, f"{names[-1]}.json"]
    )
    assert world.start()[0] == names[-1]


def test_a_promoted_snapshot_is_the_newest_and_outlives_the_one_it_came_from(place: Place) -> None:
    world = World(place, keep=2)
    old = world.write()
    world.write()
    world.clock.advance(1)
    promoted = world.store.promote(old.name, world.clock)
    world.digests[promoted.name] = world.digests[old.name]
    assert promoted.positions == old.positions
    assert world.start()[0] == promoted.name
    world.store.prune(world.clock.now(), 1)
    assert [info.name for info in world.store.list()] == [promoted.name]
    assert world.start()[0] == promoted.name


def test_files_of_dead_writers_are_deleted_but_not_those_of_living_ones_or_of_others(world: World) -> None:
    info = world.write()
    owner = world.data(info).split(".")[1]
    dead, of_another = f"20200101T000000000Z-abcd.{owner}.arrays", "20200101T000000000Z-abcd.0a0a0a0a.arrays"
    living = f"{info.name[:-4]}0000.{owner}.arrays"
    for name in (dead, of_another, living, "notes.txt"):
        with world.opened(name, "wb") as file:
            file.write(b"x")
    world.write()
    left = set(world.store.folder.files())
    assert {of_another, living, "notes.txt"} < left
    assert dead not in left
    assert list(world.store.prune(world.clock.now())) == [of_another], "by hand, all"


def test_a_snapshot_that_is_given_up_leaves_nothing(world: World) -> None:
    older = world.write()
    writing = SnapshotWriter(world.store, facts(), world.clock).begin(world.engine)
    writing.give_up()
    with pytest.raises(Unavailable):
        writing.finish()
    assert len(world.store.folder.files()) == 2
    assert not writing._part.exists()
    assert world.start()[:2] == (older.name, [])


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    world = World(str(tmp_path / "file" / "snapshots"))
    with pytest.raises(Unavailable, match="Not a directory"):
        world.write()


@pytest.mark.parametrize("url", ["", "nosuchscheme://x"])
def test_a_url_that_cannot_be_opened_is_a_setting_to_correct(url: str) -> None:
    with pytest.raises(ConfigError, match=r"snapshot.url"):
        SnapshotStore(SnapshotSettings(url=url))


@pytest.mark.parametrize("name", ["nothing", "20200101T000000000Z-abcd", "../20200101T000000000Z-abcd"])
def test_a_snapshot_that_is_not_there_is_said(world: World, name: str) -> None:
    with pytest.raises(ConfigError, match="no snapshot"):
        world.store.load(name, engine())


def test_what_is_learned_while_it_is_written_is_not_in_it(world: World) -> None:
    learn(world.engine, world.log[:200])
    before, position = world.engine.digest(), dict(world.engine.position)
    writing = SnapshotWriter(world.store, facts(), world.clock).begin(world.engine)
    os.kill(writing._child.pid, 19)  # SIGSTOP: it writes after the engine has gone on
    learn(world.engine, world.log[200:])
    os.kill(writing._child.pid, 18)
    info = writing.finish()
    e = engine()
    world.store.load(info.name, e)
    assert e.digest() == before != world.engine.digest()
    assert e.position == position
