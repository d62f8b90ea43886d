"""Newer is what has learned more, whatever the clocks say; and everybody's snapshots are kept apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_rec.engine.engine import Engine
from stream_rec.history.snapshots.writer import SnapshotWriter
from tests.engine.worlds import engine, learn
from tests.history.snapshots.test_store import World, facts

HOUR = 3600.0


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(str(tmp_path / "snapshots"), keep=2)


def test_after_the_clock_went_back_the_later_one_is_kept_and_started_from(world: World) -> None:
    """Two were made while the clock was an hour ahead: each later one would be pruned in the second it was written."""
    world.clock.advance(HOUR)
    world.write()
    ahead = world.write()
    world.clock.advance(-HOUR)
    later = world.write()
    assert [info.name for info in world.store.list()] == [later.name, ahead.name]
    assert world.start()[0] == later.name


def test_what_was_just_written_is_never_deleted_though_others_have_learned_more(world: World) -> None:
    behind = World(world.place, keep=2)
    for _ in range(3):
        world.write(100)
    mine = behind.write(10)
    assert mine.name in [info.name for info in world.store.list()]
    assert len(world.store.list()) == 3
    world.write(50)
    assert mine.name not in [info.name for info in world.store.list()]


def test_a_roll_back_holds_against_workers_that_did_not_hear_of_it(world: World) -> None:
    old = world.write()
    writer = SnapshotWriter(world.store, facts(), world.clock)
    world.write(100)
    promoted = world.store.promote(old.name, world.clock)
    world.digests[promoted.name] = world.digests[old.name]
    learn(world.engine, world.log[:100])
    writer.write(world.engine)
    assert world.start()[0] == promoted.name
    after = World(world.place, keep=2)
    learn(after.engine, after.log[:60])
    info = SnapshotWriter(world.store, facts(), world.clock).write(after.engine)
    world.digests[info.name] = after.engine.digest()
    assert world.start()[0] == info.name, "what was learned after the roll-back is newer"


def test_another_tenants_snapshots_are_never_deleted(world: World) -> None:
    """A wrong prefix on a shared URL: 3 of 3 were gone."""
    mine = [world.write().name for _ in range(2)]
    other = World(world.place, keep=1)
    for _ in range(4):
        other.write(facts=facts(log="another tenant's"))
        other.write(facts=facts(cluster="another cluster"))
    listed = [info.name for info in world.store.list()]
    assert set(mine) < set(listed)
    assert len(listed) == 2 + 1 + 1
    assert world.start()[0] == mine[-1]


def test_after_a_change_of_settings_the_old_ones_stay_as_the_way_back(world: World) -> None:
    before = [world.write().name for _ in range(2)]
    changed: Engine = engine(n_factors=16)
    learn(changed, world.log[:200])
    writer = SnapshotWriter(world.store, facts(), world.clock)
    after = []
    for _ in range(3):
        world.clock.advance(1)
        after.append(writer.write(changed).name)
    assert {info.name for info in world.store.list()} == {*before, *after[1:]}
    assert world.start()[0] == before[-1]


def test_one_that_cannot_be_read_is_deleted_by_hand_only(world: World) -> None:
    broken = world.write()
    world.change(f"{broken.name}.json", lambda _: b"{")
    for _ in range(4):
        world.write()
    assert broken.name in [info.name for info in world.store.list()]
    world.store.prune(world.clock.now() + 100 * HOUR, 1)
    assert [info.problem != "" for info in world.store.list()] == [True, False]
    world.store.delete(broken.name)
    assert len(world.store.folder.files()) == 2


def test_deleting_one_leaves_the_data_that_another_one_names(world: World) -> None:
    old = world.write()
    promoted = world.store.promote(old.name, world.clock)
    world.digests[promoted.name] = world.digests[old.name]
    world.store.delete(old.name)
    assert world.start()[0] == promoted.name
    world.store.delete(promoted.name)
    assert world.store.folder.files() == {}
