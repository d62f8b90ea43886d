"""What is installed: one name, all of its data, and nothing in the way of a project's own folders."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream_rec.bus.topics import ensure_topics
from stream_rec.settings import Settings
from tests.cli.running import addresses, clean_environment

ROOT = Path(__file__).parents[2]
PARTS = ("schemas", "producers", "consumers")
"""Folders at the top that reach the package by links in stream_rec/."""
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "stream_rec", *PARTS)

APP = """\
import time

import consumers.audit
import producers
import schemas
from stream_rec import Client, Interaction, Publisher, load
import stream_rec.consumers, stream_rec.producers, stream_rec.schemas

assert schemas.MARK == producers.MARK == consumers.audit.MARK == "the project's own"
settings, _ = load()
with Publisher(settings.bus) as publisher, Client(settings.store) as client:
    ack = publisher.publish(Interaction("ann", "item-7", "view", time.time()))
    answer = client.recommendations("ann", after=ack, timeout_seconds=60)
    print(answer.origin, answer.stale, len(answer.items), stream_rec.__file__)
"""

WORKER = """\
import stream_rec.consumers.warm_up as warming

warming.warm_up = lambda: None  # nothing below needs compiled kernels: they would take minutes at a new path
from stream_rec.bench.floor_worker import main

raise SystemExit(main())
"""


def build(kind: str, sources: Path, into: Path) -> Path:
    """The file that `pip` would build of these sources, `kind` being `wheel` or `sdist`."""
    code = f"import setuptools.build_meta as b, sys; b.build_{kind}(sys.argv[1])"
    made = subprocess.run(
        [sys.executable, "-c", code, str(into)], cwd=sources, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    (found,) = into.iterdir()
    return found


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout, links and all, without what earlier builds left there."""
    folder = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", sources, tmp_path_factory.mktemp("wheel"))


def names(wheel: Path) -> set[str]:
    """Files that it installs, without its own description."""
    with zipfile.ZipFile(wheel) as opened:
        return {name for name in opened.namelist() if ".dist-info/" not in name}


def test_it_installs_no_name_but_stream_rec(wheel: Path) -> None:
    assert {name.partition("/")[0] for name in names(wheel)} == {"stream_rec"}


def test_it_holds_every_file_of_the_package(wheel: Path, sources: Path) -> None:
    walked = [
        path.relative_to(sources).as_posix()
        for folder in ("stream_rec", *PARTS)
        for path in (sources / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    ours = {name if name.startswith("stream_rec/") else f"stream_rec/{name}" for name in walked}
    assert {"stream_rec/schemas/json/item.json", "stream_rec/schemas/README.md"} <= ours
    assert {"stream_rec/py.typed", "stream_rec/store/slate.lua"} <= ours
    assert names(wheel) == ours


def test_a_wheel_made_from_the_sdist_is_the_same(
    wheel: Path, sources: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shutil.unpack_archive(build("sdist", sources, tmp_path_factory.mktemp("sdist")), tmp_path)
    (unpacked,) = tmp_path.iterdir()
    again = build("wheel", unpacked, tmp_path_factory.mktemp("again"))
    assert names(again) == names(wheel)


@pytest.fixture
def python(wheel: Path, tmp_path: Path) -> Path:
    """An interpreter that has the wheel, and our dependencies from where this one has them."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    packages = venv / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(packages)
    # Paths from a .pth come last and bring no .pth files of their own: an editable install of ours stays outside.
    shared = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "dependencies.pth").write_text("\n".join(shared))
    return venv / "bin/python"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's project with folders that are called as ours are."""
    folder = tmp_path / "project"
    for name in PARTS:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text('MARK = "the project\'s own"\n')
    (folder / "consumers/audit.py").write_text("from consumers import MARK\n")
    (folder / "app.py").write_text(APP)
    (folder / "worker.py").write_text(WORKER)
    return folder


@pytest.fixture
def environment(tansu_settings: Settings) -> dict[str, str]:
    return clean_environment(**addresses(tansu_settings), STREAM_REC__MEASURE__PROMETHEUS_PORT="0")


@pytest.fixture
def worker(
    python: Path, project: Path, environment: dict[str, str], tansu_settings: Settings
) -> Iterator[None]:
    """Started in the project's folder, which is first on its path. Its engine learns nothing."""
    ensure_topics(tansu_settings.bus)
    log = project / "worker.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [python, "worker.py"],
            cwd=project,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    yield
    process.terminate()
    assert process.wait(20) == 0, log.read_text()


@pytest.mark.usefixtures("worker")
def test_a_project_with_folders_of_the_same_names_publishes_and_reads(
    python: Path, project: Path, environment: dict[str, str]
) -> None:
    ran = subprocess.run(
        [python, "app.py"], cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr + (project / "worker.log").read_text()
    origin, stale, n, file = ran.stdout.split()
    assert (origin, stale, int(n)) == ("personal", "False", 20)
    assert Path(file).is_relative_to(python.parents[1]), "from the wheel, not from the checkout"


def test_an_installed_command_runs_beside_them(python: Path, project: Path) -> None:
    """With `python -m` the project's folder comes first on the path, before ours."""
    ran = subprocess.run(
        [python, "-m", "stream_rec.cli", "--help"],
        cwd=project,
        env=clean_environment(PATH=os.defpath),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "worker" in ran.stdout
