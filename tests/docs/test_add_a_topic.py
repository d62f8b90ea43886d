"""docs/add-a-topic.md: what it says is done, word for word, and a worker serves the topic."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stream_rec.schemas.records import DeadLetter
from stream_rec.settings import Settings
from tests.cli.running import addresses, clean_environment
from tests.consumers.publishing import publish
from tests.consumers.running import READY_SECONDS
from tests.reading import records
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "add-a-topic.md").read_text()
_BLOCK = re.compile(r"```(diff|python)\n(.*?)```", re.DOTALL)
_FILE = re.compile(r"in (?:a new file )?`((?:schemas|consumers)/[\w/]+\.py)`")
_OVERLAY = "import sys, stream_rec; stream_rec.__path__.insert(0, sys.argv.pop(1));"
"""Our package, with the folders that the page has changed in front of those of the same names."""


def steps() -> Iterator[tuple[str, str, str]]:
    """(kind, file, code) of every change, in order; a block that names no file goes on with the last one's."""
    changes = PAGE[PAGE.index("## 1. ") : PAGE.index("## 3. ")]
    path, at = "", 0
    for block in _BLOCK.finditer(changes):
        path = next(iter(_FILE.findall(changes[at : block.start()])), path)
        at = block.end()
        yield block[1], path, block[2]


def apply(diff: str, text: str) -> str:
    """The text with the change, whose lines without a sign must be there once."""
    lines = diff.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] != "+")
    after = "".join(line[1:] for line in lines if line[0] != "-")
    assert text.count(before) == 1, before
    return text.replace(before, after)


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A folder with schemas/ and consumers/ as the page makes them."""
    folder = tmp_path / "changed"
    for name in ("schemas", "consumers"):
        shutil.copytree(ROOT / name, folder / name)
    for kind, path, code in steps():
        file = folder / path
        file.write_text(code if kind == "python" else apply(code, file.read_text()))
    return folder


@contextmanager
def worker(changed: Path, settings: Settings, log: Path) -> Iterator[None]:
    code = f"{_OVERLAY} from stream_rec.cli.main import main; main()"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(changed), "worker"],
            env=clean_environment(**addresses(settings)),
            stdout=out,
            stderr=out,
        )
    try:
        wait_until(lambda: "serving" in log.read_text() or process.poll() is not None, READY_SECONDS)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        assert process.wait(30) == 0, log.read_text()


def python(changed: Path, settings: Settings, code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"{_OVERLAY}\n{code}", str(changed), *arguments],
        env=clean_environment(**addresses(settings)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_topic_is_two_places() -> None:
    folders = [Path(path).parts[0] for _, path, _ in steps()]
    assert sorted(set(folders)) == ["consumers", "schemas"]


def test_what_is_generated_knows_the_topic(changed: Path, tansu_settings: Settings) -> None:
    python(
        changed, tansu_settings, "import runpy; runpy.run_module('stream_rec.schemas', run_name='__main__')"
    )
    row = "| `stock` | Stock | item_id | `bus.partitions` | compacted | yes |"
    assert row in (changed / "schemas" / "README.md").read_text()
    assert '"how many; 0 or less' in (changed / "schemas" / "json" / "stock.json").read_text()


def test_a_worker_serves_the_topic(changed: Path, tansu_settings: Settings, tmp_path: Path) -> None:
    settings = tansu_settings
    _, _, tried = PAGE.partition("## 3. ")
    ((_, code),) = _BLOCK.findall(tried)
    with worker(changed, settings, tmp_path / "worker.log"):
        assert python(changed, settings, code) == "{'lamp'}\n"
        publish(settings.bus, "stock", [(b"x", b'{"left":3}')])
        wait_until(lambda: records(settings.bus, "dead-letters", DeadLetter) != [], what="the dead letter")
        main = "from stream_rec.cli.main import main; main()"
        assert "stock" in python(changed, settings, main, "lag")
    (letter,) = records(settings.bus, "dead-letters", DeadLetter)
    assert (letter.topic, letter.reason) == ("stock", "missing_field")
