"""A worker that starts with other settings: keeps what was learned, or says what it would cost, and has a way back."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_rec.engine.engine import Engine
from stream_rec.errors import ConfigError
from stream_rec.history.snapshots.facts import Facts
from stream_rec.history.snapshots.store import SnapshotInfo, SnapshotStore
from stream_rec.history.snapshots.writer import SnapshotWriter
from stream_rec.settings import SnapshotSettings
from tests.engine.worlds import SMALL_MEASURE, answers, engine, learn
from tests.history.snapshots.test_store import World, facts

USERS = [f"u{n}" for n in range(30)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(str(tmp_path / "snapshots"), keep=2)


def started(world: World, e: Engine, log: Facts, **settings: object) -> SnapshotInfo | None:
    """What this engine starts from."""
    given = SnapshotSettings.model_validate({"url": world.place.url} | settings)
    found = SnapshotStore(given).newest_usable(e, log)
    return found.info if found else None


@pytest.mark.parametrize(
    "bounds",
    [
        {"max_users": 500},
        {"max_items": 500},
        {"repeat_window": 1 << 17},
        {"scenarios": {"default": {"k": 50}}},
    ],
    ids=lambda bounds: next(iter(bounds)),
)
def test_a_raised_bound_starts_from_what_was_learned_and_so_does_the_way_back(
    world: World, bounds: dict[str, object]
) -> None:
    before = world.write(300)
    raised = engine(**bounds)
    assert started(world, raised, facts()) == before
    assert answers(raised, USERS) == answers(world.engine, USERS)
    learn(raised, world.log[:100])
    world.clock.advance(1)
    after = SnapshotWriter(world.store, facts(), world.clock).write(raised)
    back = engine()
    assert started(world, back, facts()) == after
    assert answers(back, USERS) == answers(raised, USERS)


def test_another_bound_of_measure_starts_from_what_was_learned(world: World) -> None:
    info = world.write(300)
    for change in ({"max_open_impressions": 100}, {"window_seconds": 7}, {"max_outcome_cells": 99}):
        e = Engine(engine().settings, SMALL_MEASURE.model_copy(update=change))
        assert started(world, e, facts()) == info
        assert answers(e, USERS) == answers(world.engine, USERS)
        assert e.attribution.stats()["open_impressions"] == 0


def test_what_only_an_incompatible_snapshot_knows_is_not_lost_unless_told(world: World) -> None:
    info = world.write(300)
    expired = facts(begin=3)
    with pytest.raises(ConfigError, match="a start would lose") as refused:
        started(world, engine(history_length=32), expired)
    assert "engine.history_length was 16, and is now 32" in refused.value.message
    assert "snapshot.allow_loss" in refused.value.fix
    assert started(world, engine(history_length=32), expired, allow_loss=True) is None
    assert started(world, engine(history_length=32), facts()) is None, "the log has everything"
    assert started(world, engine(), expired) == info


def test_an_older_one_that_fits_is_no_excuse(world: World) -> None:
    """Settings were changed and changed back: what was learned in between is known to the newer one alone."""
    older = world.write(100)
    between = engine(history_length=32)
    started(world, between, facts())
    learn(between, world.log)
    world.clock.advance(1)
    newer = SnapshotWriter(world.store, facts(), world.clock).write(between)
    begin = min(newer.positions.values())
    assert any(older.positions.get(where, 0) < begin for where in newer.positions)
    with pytest.raises(ConfigError, match=newer.name):
        started(world, engine(), facts(begin=begin))
    assert started(world, engine(), facts(begin=begin), allow_loss=True) == older
    assert started(world, engine(), facts()) == older


def test_a_snapshot_of_a_newer_release_is_not_thrown_away_either(world: World) -> None:
    info = world.write(300)
    world.change(f"{info.name}.json", lambda raw: raw.replace(b'"format": 1', b'"format": 2'))
    with pytest.raises(ConfigError, match="a start would lose"):
        started(world, engine(), facts(begin=3))
    assert started(world, engine(), facts()) is None


def test_what_cannot_be_read_at_all_stops_no_start(world: World) -> None:
    """Nobody could get it back."""
    info = world.write(300)
    world.change(f"{info.name}.json", lambda _: b"\xff")
    assert started(world, engine(), facts(begin=3)) is None
