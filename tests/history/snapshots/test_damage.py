"""Whatever has become of a file: the snapshot is passed over with the reason, and an older one is taken."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from stream_rec.errors import UnusableSnapshot
from stream_rec.history.snapshots.header import decode
from tests.cli.running import run
from tests.engine.worlds import engine
from tests.history.snapshots.test_store import World, facts

N_DAMAGES = 10_000


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(str(tmp_path / "snapshots"))


def damaged(raw: bytes, rng: random.Random) -> bytes:
    """Another byte somewhere, or the end missing."""
    at = rng.randrange(len(raw))
    if rng.random() < 0.1:
        return raw[:at]
    return raw[:at] + bytes([raw[at] ^ rng.randrange(1, 256)]) + raw[at + 1 :]


def test_ten_thousand_bytes_changed_in_a_header_never_raise_anything_else(world: World) -> None:
    info, rng, n_same = world.write(), random.Random(27), 0
    raw = world.store.folder.read(f"{info.name}.json")
    whole = world.store.header(info.name)
    for _ in range(N_DAMAGES):
        try:
            assert decode(info.name, damaged(raw, rng)) == whole, "only blanks were changed"
            n_same += 1
        except UnusableSnapshot as error:
            assert error.reason in ("unreadable", "corrupt", "incompatible")
            assert error.fix
    assert n_same < N_DAMAGES / 4


def test_with_a_broken_header_a_worker_starts_from_the_one_before(world: World) -> None:
    older, newest = world.write(), world.write()
    file, rng = f"{newest.name}.json", random.Random(3)
    raw = world.store.folder.read(file)
    for _ in range(50):
        world.change(file, lambda _: damaged(raw, rng))
        name, refused, _ = world.start()
        assert (name, len(refused)) in ((older.name, 1), (newest.name, 0))
        assert len(world.store.list()) == 2


def test_ten_thousand_bytes_changed_in_the_arrays_are_found_or_lie_between_them(world: World) -> None:
    info, rng = world.write(20), random.Random(5)
    header, path = world.store.header(info.name), Path(world.place.url, world.data(info))
    raw = path.read_bytes()
    n_found = 0
    with path.open("r+b") as file:
        for _ in range(N_DAMAGES // 20):
            spots = {rng.randrange(len(raw)): rng.randrange(1, 256) for _ in range(20)}
            for at, change in spots.items():
                os.pwrite(file.fileno(), bytes([raw[at] ^ change]), at)
            is_held = any(a.offset <= at < a.offset + a.nbytes for a in header.arrays for at in spots)
            try:
                world.store.verify(info.name)
                assert not is_held
            except UnusableSnapshot as error:
                assert (error.reason, is_held) == ("corrupt", True)
                n_found += 1
            for at in spots:
                os.pwrite(file.fileno(), raw[at : at + 1], at)
    assert n_found > N_DAMAGES / 20 / 2


@pytest.mark.parametrize(
    "what", ["a folder", "nothing", "a date that is none", "bytes", "a loop of links", "deep"]
)
def test_what_is_no_header_is_passed_over_and_said(world: World, what: str) -> None:
    good = world.write()
    name = "20991399T000000000Z-abcd" if what == "a date that is none" else "20991231T000000000Z-abcd"
    header = Path(world.place.url, f"{name}.json")
    if what == "a folder":
        header.mkdir()
    elif what == "a loop of links":
        header.symlink_to(header)
    else:
        header.write_bytes({"bytes": b"\xff\xfe", "deep": b"[" * 100_000}.get(what, b""))
    assert world.start()[0] == good.name
    problems = [info.problem for info in world.store.list() if info.name == name]
    assert what == "a date that is none" or "unreadable" in problems[0]
    world.write()


def test_data_that_cannot_be_read_are_passed_over(world: World) -> None:
    older, newest = world.write(), world.write()
    data = Path(world.place.url, world.data(newest))
    data.unlink()
    data.mkdir()
    assert world.start()[0] == older.name


def test_listing_and_verifying_a_broken_one_is_no_traceback(world: World) -> None:
    older, newest = world.write(), world.write()
    world.change(f"{newest.name}.json", lambda raw: raw.replace(b"cluster", b"\xffluster", 1))
    environment = {"STREAM_REC__SNAPSHOT__URL": world.place.url}
    listed = run("snapshot", "list", "--json", environment=environment)
    assert listed.returncode == 0, listed.stderr
    assert [bool(each["problem"]) for each in json.loads(listed.stdout)] == [True, False]
    refused = run("snapshot", "verify", newest.name, environment=environment)
    assert refused.returncode == 2
    assert "is unreadable" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert older.name in run("snapshot", "verify", environment=environment).stdout
    assert run("snapshot", "delete", newest.name, environment=environment).returncode == 0
    assert [info.name for info in world.store.list()] == [older.name]


def test_what_goes_while_it_is_looked_at_is_no_empty_folder(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker prunes: a worker that then took the folder for empty would learn days of log again."""
    world.write()
    newest = world.write()
    listing, calls = world.store.folder._fs.ls, []

    def ls(*arguments: object, **more: object) -> object:
        calls.append(1)
        if len(calls) == 1:
            raise FileNotFoundError("a file that was pruned between its name and its size")
        return listing(*arguments, **more)

    monkeypatch.setattr(world.store.folder._fs, "ls", ls)
    found = world.store.newest_usable(engine(), facts())
    assert found is not None
    assert found.info.name == newest.name
