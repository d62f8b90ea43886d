"""The journal gives the order of learning back from any snapshot on, as far as it is whole, and stays in its bound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.clock import ManualClock
from stream_rec.errors import ConfigError
from stream_rec.history.journal.file import Drifted, Entry, Forgot, Run
from stream_rec.history.journal.journal import Journal
from stream_rec.history.journal.reader import Lineage, lineages
from stream_rec.settings import JournalSettings

IDS = {"events": "log-a", "items": "log-b"}
Positions = dict[tuple[str, int], int]


def journal(
    folder: Path, *, positions: Positions | None = None, base: str = "", at: float = 100.0, **bounds: int
) -> Journal:
    return Journal(
        JournalSettings.model_validate(bounds),
        folder,
        worker="w",
        topic_ids=IDS,
        clock=ManualClock(at),
        positions=positions,
        base=base,
    )


def ran(j: Journal, topic: str, partition: int, first: int, next_: int) -> None:
    """Of every two offsets one holds a record."""
    j.ran(topic, partition, first, next_, (next_ - first) // 2)


def run(topic: str, partition: int, first: int, next_: int) -> Run:
    return Run(topic, partition, first, next_, (next_ - first) // 2)


def only(folder: Path, state: str = "", positions: Positions | None = None) -> Lineage:
    found = lineages(folder, state, positions or {}, IDS)
    assert len(found) == 1
    return found[0]


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.journal"))


def test_batches_that_follow_one_another_in_a_partition_are_one_run(tmp_path: Path) -> None:
    j = journal(tmp_path)
    for start in range(0, 400, 100):
        ran(j, "events", 0, start, start + 100)
    ran(j, "events", 1, 7, 9)
    ran(j, "events", 0, 400, 401)
    j.flush()
    expected = [run("events", 0, 0, 400), run("events", 1, 7, 9), run("events", 0, 400, 401)]
    assert list(only(tmp_path).entries()) == expected


def test_marks_stand_where_they_happened(tmp_path: Path) -> None:
    j = journal(tmp_path)
    ran(j, "events", 0, 0, 5)
    j.drifted()
    ran(j, "events", 0, 5, 6)
    j.forgot((1 << 64) - 1)
    j.flush()
    expected: list[Entry] = [run("events", 0, 0, 5), Drifted(), run("events", 0, 5, 6), Forgot((1 << 64) - 1)]
    assert list(only(tmp_path).entries()) == expected


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 32), flush=st.sampled_from([1, 30, 100_000]))
def test_from_every_snapshot_on_it_tells_what_came_after(
    tmp_path_factory: pytest.TempPathFactory, seed: int, flush: int
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    rng = np.random.default_rng(seed)
    j = journal(folder, flush_events=flush)
    at: Positions = {}
    learned: list[tuple[str, int, int]] = []
    saved: dict[str, tuple[Positions, int]] = {"": ({}, 0)}
    for _ in range(60):
        where = (str(rng.choice(["events", "items"])), int(rng.integers(3)))
        first = at.get(where, int(rng.integers(3)))
        at[where] = first + int(rng.integers(1, 20))
        ran(j, *where, first, at[where])
        learned += [(*where, offset) for offset in range(first, at[where])]
        if rng.random() < 0.1:
            saved[j.saved()] = (dict(at), len(learned))
    j.flush()
    for state, (positions, n) in saved.items():
        runs = [entry for entry in only(folder, state, positions).entries() if isinstance(entry, Run)]
        assert [(r.topic, r.partition, o) for r in runs for o in range(r.first, r.next)] == learned[n:]


def test_a_state_that_the_journal_never_had_has_no_lineage(tmp_path: Path) -> None:
    j = journal(tmp_path)
    ran(j, "events", 0, 0, 5)
    state = j.saved()
    assert lineages(tmp_path, state, {("events", 0): 4}, IDS) == []
    assert lineages(tmp_path, "other", {("events", 0): 5}, IDS) == []
    assert lineages(tmp_path, state, {("events", 0): 5}, {**IDS, "events": "made anew"}) == []
    assert lineages(tmp_path / "nowhere", "", {}, IDS) == []


def test_workers_that_start_from_one_snapshot_have_a_lineage_each(tmp_path: Path) -> None:
    at = {("events", 0): 5}
    first = journal(tmp_path)
    ran(first, "events", 0, 0, 5)
    state = first.saved()
    ran(first, "events", 1, 0, 2)
    first.flush()
    second = journal(tmp_path, positions=at, base=state, at=200.0)
    ran(second, "events", 0, 5, 8)
    second.flush()
    a, b = lineages(tmp_path, state, at, IDS)
    assert (list(a.entries()), a.started_ms) == ([run("events", 1, 0, 2)], 100_000)
    assert (list(b.entries()), b.started_ms) == ([run("events", 0, 5, 8)], 200_000)
    assert b.reaches("events", 0, 7)
    assert not b.reaches("events", 0, 8)
    assert not b.reaches("events", 0, 4), "it was learned before the snapshot"


@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_what_stands_before_a_torn_block_counts(tmp_path: Path, damage: str) -> None:
    j = journal(tmp_path)
    for partition in range(3):
        ran(j, "events", partition, 0, 10)
        j.flush()
    path = segments(tmp_path)[0]
    raw = bytearray(path.read_bytes())
    if damage == "cut":
        raw = raw[:-3]
    else:
        raw[-3] ^= 1
    path.write_bytes(raw)
    assert list(only(tmp_path).entries()) == [run("events", 0, 0, 10), run("events", 1, 0, 10)]


@pytest.mark.parametrize("damage", ["torn", "gone", "beheaded"])
def test_nothing_is_told_from_behind_a_hole(tmp_path: Path, damage: str) -> None:
    """Not even where positions would fit: a mark may have been lost."""
    j = journal(tmp_path)
    ran(j, "events", 0, 0, 10)
    j.saved()
    j.drifted()
    state = j.saved()
    ran(j, "events", 0, 10, 20)
    j.flush()
    hurt = segments(tmp_path)[1]
    if damage == "torn":
        hurt.write_bytes(hurt.read_bytes()[:-1])
    elif damage == "gone":
        hurt.unlink()
    else:
        hurt.write_bytes(b"SRJ1")
    assert list(only(tmp_path).entries()) == [run("events", 0, 0, 10)]
    assert list(only(tmp_path, state, {("events", 0): 10}).entries()) == [run("events", 0, 10, 20)]


def test_it_never_takes_more_than_its_bound_and_the_oldest_part_goes(tmp_path: Path) -> None:
    j = journal(tmp_path, max_bytes=65_536, flush_events=100)
    at = {("events", partition): 0 for partition in range(2)}
    for step in range(20_000):
        where = ("events", step % 2)
        ran(j, *where, at[where], at[where] + 10)
        at[where] += 10
        if step == 15_000:
            state, late = j.saved(), dict(at)
        if step % 500 == 0:
            assert sum(path.stat().st_size for path in segments(tmp_path)) <= 65_536 * 9 // 8
    j.flush()
    assert lineages(tmp_path, "", {}, IDS) == [], "the beginning has gone"
    if found := lineages(tmp_path, state, late, IDS):
        assert found[0].reaches("events", 0, at["events", 0] - 1)
    assert len(segments(tmp_path)) > 2


def test_what_is_older_than_the_oldest_kept_snapshot_goes_with_it(tmp_path: Path) -> None:
    j = journal(tmp_path)
    states = []
    for n in range(5):
        ran(j, "events", 0, n, n + 1)
        states.append(j.saved())
    j.keep(states[3:])
    assert len(segments(tmp_path)) == 2
    assert lineages(tmp_path, states[2], {("events", 0): 3}, IDS) == []
    assert list(only(tmp_path, states[3], {("events", 0): 4}).entries()) == [run("events", 0, 4, 5)]
    j.keep({"of another worker"})
    assert len(segments(tmp_path)) == 2


def test_a_disk_that_fills_up_ends_the_journal_and_not_the_worker(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "journal"
    j = journal(folder)
    ran(j, "events", 0, 0, 5)
    j.flush()
    for path in segments(folder):
        path.unlink()
    folder.rmdir()
    folder.write_bytes(b"")
    ran(j, "events", 0, 5, 9)
    j.flush()
    assert j.saved() == ""
    assert "".join(capfd.readouterr()).count("the journal ends here") == 1


def test_a_folder_that_cannot_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot write a journal"):
        journal(tmp_path / "file")
