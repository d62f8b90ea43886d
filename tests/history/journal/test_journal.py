"""The journal gives the order of learning back from any snapshot on, as far as it is whole, and stays in its bound."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_rec.bench.chaos.disk import Disk
from stream_rec.clock import ManualClock
from stream_rec.history.journal.file import Drifted, Entry, Forgot, Run
from stream_rec.history.journal.journal import RETRY_SECONDS, Journal
from stream_rec.history.journal.reader import Lineage, lineages
from stream_rec.settings import JournalSettings

IDS = {"events": "log-a", "items": "log-b"}
Positions = dict[tuple[str, int], int]


def journal(
    folder: Path,
    *,
    positions: Positions | None = None,
    base: str = "",
    clock: ManualClock | None = None,
    worker: str = "w",
    **bounds: int,
) -> Journal:
    return Journal(
        JournalSettings.model_validate(bounds),
        folder,
        worker=worker,
        topic_ids=IDS,
        clock=clock or ManualClock(100.0),
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
    second = journal(tmp_path, positions=at, base=state, clock=ManualClock(200.0))
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


def spoil(folder: Path) -> None:
    """Nothing can be written there any more."""
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.write_bytes(b"")


def mend(folder: Path) -> None:
    folder.unlink()
    folder.mkdir()


def test_when_it_cannot_be_written_it_pauses_says_so_once_and_goes_on_when_it_can(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, clock = tmp_path / "journal", ManualClock(100.0)
    j = journal(folder, clock=clock)
    ran(j, "events", 0, 0, 5)
    j.flush()
    spoil(folder)
    for at in range(5, 50):
        ran(j, "events", 0, at, at + 1)
        clock.advance(1)
        j.flush()
    assert j.saved() == ""
    mend(folder)
    clock.advance(RETRY_SECONDS)
    j.flush()
    said = "".join(capfd.readouterr())
    assert (said.count("the journal pauses"), said.count("the journal resumes")) == (1, 1)
    ran(j, "events", 0, 50, 60)
    j.flush()
    at = {("events", 0): 60}
    state = j.saved()
    ran(j, "events", 0, 60, 70)
    j.flush()
    assert list(only(folder, state, at).entries()) == [run("events", 0, 60, 70)]


def test_a_worker_starts_without_a_folder_that_can_be_written_and_resumes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It was exit code 2 at every restart."""
    folder, clock = tmp_path / "journal", ManualClock(100.0)
    folder.write_bytes(b"")
    j = journal(folder, clock=clock)
    ran(j, "events", 0, 0, 5)
    assert "set journal.folder" in "".join(capfd.readouterr())
    folder.unlink()
    state = j.saved()
    ran(j, "events", 0, 5, 6)
    j.flush()
    assert list(only(folder, state, {("events", 0): 5}).entries()) == [run("events", 0, 5, 6)]
    assert lineages(folder, "", {}, IDS) == [], "what was learned before is missing"


def test_what_was_lost_in_a_pause_is_seen_though_positions_fit(tmp_path: Path) -> None:
    """A mark has no position."""
    folder, clock = tmp_path / "journal", ManualClock(100.0)
    j = journal(folder, clock=clock)
    ran(j, "events", 0, 0, 5)
    j.flush()
    kept = {path: path.read_bytes() for path in segments(folder)}
    spoil(folder)
    j.drifted()
    j.flush()
    mend(folder)
    for path, raw in kept.items():
        path.write_bytes(raw)
    clock.advance(RETRY_SECONDS)
    j.flush()
    ran(j, "events", 0, 5, 9)
    j.flush()
    assert len(segments(folder)) == 2
    found = only(folder)
    assert list(found.entries()) == [run("events", 0, 0, 5)]
    assert found.is_torn


def test_a_full_disk_at_the_start_and_while_it_works(tmp_path: Path) -> None:
    with Disk(tmp_path / "disk") as disk:
        if not disk.is_small:
            pytest.skip("no small disk can be mounted here")
        clock = ManualClock(100.0)
        folder = disk.folder / "journal"
        with disk.full():
            j = journal(folder, clock=clock)
            ran(j, "events", 0, 0, 5)
            j.flush()
            assert j.saved() == ""
        clock.advance(RETRY_SECONDS)
        state = j.saved()
        ran(j, "events", 0, 5, 6)
        j.flush()
        with disk.full():
            for partition in range(3_000):
                ran(j, "events", partition, 0, 1)
            j.flush()
        clock.advance(RETRY_SECONDS)
        j.flush()
        assert next(only(folder, state, {("events", 0): 5}).entries()) == run("events", 0, 5, 6)
        assert j.saved()


def test_workers_in_one_folder_leave_each_other_what_they_are_writing(tmp_path: Path) -> None:
    """At the bound, each deleted the other's file, and the other's journal ended."""
    a = journal(tmp_path, max_bytes=65_536, flush_events=100)
    b = journal(tmp_path, max_bytes=65_536, flush_events=100, worker="other")
    at = {("events", partition): 0 for partition in range(2)}
    ran(b, "events", 0, 0, 7)
    b.flush()
    for step in range(20_000):
        where = ("events", step % 2)
        ran(a, *where, at[where], at[where] + 10)
        at[where] += 10
        if step % 500 == 0:
            assert sum(path.stat().st_size for path in segments(tmp_path)) <= 65_536 * 9 // 8
    ran(b, "events", 1, 0, 3)
    b.flush()
    (found,) = [each for each in lineages(tmp_path, "", {}, IDS) if each.session.endswith("other")]
    assert list(found.entries()) == [run("events", 0, 0, 7), run("events", 1, 0, 3)]


def test_ten_thousand_bytes_changed_are_holes_and_never_raise(tmp_path: Path) -> None:
    j, rng = journal(tmp_path), random.Random(27)
    for partition in range(40):
        ran(j, "events", partition, 0, 10)
        if partition % 2:
            j.flush()
    path = segments(tmp_path)[0]
    raw = path.read_bytes()
    whole = list(only(tmp_path).entries())
    for _ in range(10_000):
        at = rng.randrange(len(raw))
        path.write_bytes(raw[:at] + bytes([raw[at] ^ rng.randrange(1, 256)]) + raw[at + 1 :])
        for found in lineages(tmp_path, "", {}, IDS):
            read = list(found.entries())
            assert read == whole[: len(read)]
            assert len(read) < len(whole) and found.is_torn


def test_what_is_no_segment_is_passed_over(tmp_path: Path) -> None:
    j = journal(tmp_path)
    ran(j, "events", 0, 0, 5)
    j.flush()
    (tmp_path / "0.journal").mkdir()
    (tmp_path / "1.journal").symlink_to(tmp_path / "1.journal")
    (tmp_path / "2.journal").write_bytes(b"SRJ1\xff\xff\xff\xff" + bytes(8))
    assert list(only(tmp_path).entries()) == [run("events", 0, 0, 5)]
    j.saved()
