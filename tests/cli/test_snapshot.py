"""`stream-rec snapshot`: what operators see of snapshots, and how they roll back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stream_rec.clock import SystemClock
from stream_rec.engine.engine import Engine
from stream_rec.history.snapshots.facts import Facts, LogFacts
from stream_rec.history.snapshots.store import SnapshotInfo, SnapshotStore
from stream_rec.history.snapshots.writer import SnapshotWriter
from stream_rec.settings import Settings, SnapshotSettings
from tests.cli.running import run
from tests.engine.worlds import click

FACTS = Facts("cluster", {"events": LogFacts("log", {0: 0}, {0: 100})})
SMALL = {"STREAM_REC__ENGINE__MAX_USERS": "64", "STREAM_REC__ENGINE__MAX_ITEMS": "64"}


class Folder:
    """Two snapshots, the second one with more events."""

    def __init__(self, path: Path) -> None:
        settings = Settings.model_validate({"engine": {"max_users": 64, "max_items": 64}})
        self.environment = {"STREAM_REC__SNAPSHOT__URL": str(path), **SMALL}
        self.path = path
        self.store = SnapshotStore(SnapshotSettings(url=str(path)))
        engine = Engine(settings.engine, settings.measure)
        self.infos: list[SnapshotInfo] = []
        self.digests: list[str] = []
        for n in (3, 8):
            click(engine, *((f"u{i}", f"i{i}", 1e9 + i) for i in range(n)))
            self.infos.append(SnapshotWriter(self.store, FACTS, SystemClock()).write(engine))
            self.digests.append(engine.digest())

    def run(self, *arguments: str) -> tuple[int, str]:
        done = run("snapshot", *arguments, environment=self.environment)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "snapshots")


def test_they_are_listed_newest_first(folder: Folder) -> None:
    code, said = folder.run("list", "--json")
    assert code == 0
    shown = json.loads(said)
    assert [each["name"] for each in shown] == [folder.infos[1].name, folder.infos[0].name]
    assert shown[0]["events"] == 11
    assert shown[0]["positions"] == {"events/0": 11}
    assert folder.infos[1].name in folder.run("list")[1]


def test_a_damaged_one_is_found_by_verify(folder: Folder) -> None:
    newest = folder.infos[1].name
    assert folder.run("verify")[0] == 0
    with (folder.path / folder.store.header(newest).data).open("r+b") as file:
        file.write(b"\xff")
    code, said = folder.run("verify", newest)
    assert code == 2
    assert f"snapshot {newest} is corrupt" in said
    assert "fix: " in said


def test_restored_it_shows_what_it_knows_and_promoted_it_is_the_newest(folder: Folder) -> None:
    old = folder.infos[0].name
    code, said = folder.run("restore", old, "--promote", "--json")
    assert code == 0, said
    shown = json.loads(said)
    assert (shown["digest"], shown["users"], shown["events"]) == (folder.digests[0], 3, 3)
    newest = folder.store.list()[0]
    assert (newest.name, newest.n_events) == (shown["promoted_to"], 3)
    code, said = folder.run("prune", "--keep", "1")
    assert code == 0
    assert [info.name for info in folder.store.list()] == [newest.name]
    assert folder.digests[0] in folder.run("restore")[1]


def test_without_a_folder_or_snapshots_it_says_what_to_do(tmp_path: Path) -> None:
    for url, wanted in (("", "set snapshot.url"), (str(tmp_path), "there are no snapshots")):
        done = run("snapshot", "restore", environment={"STREAM_REC__SNAPSHOT__URL": url})
        assert done.returncode == 2
        assert wanted in done.stderr


def test_a_file_where_the_folder_should_be_is_said(tmp_path: Path) -> None:
    file = tmp_path / "snapshots"
    file.write_text("a file")
    done = run("snapshot", "list", environment={"STREAM_REC__SNAPSHOT__URL": str(file)})
    assert done.returncode == 2
    assert f"{file} is a file" in done.stderr
    assert "fix: set snapshot.url to a folder" in done.stderr
