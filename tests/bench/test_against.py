"""This tree against an earlier one: both are run from their own files, in turns, and compared turn by turn.

The trees here are small ones, whose benches print figures from a file and run workers that do nothing: real ones take
minutes to compile their kernels.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.against import ROOT, compared, main, unpacked

CLI = """\
import json, os, subprocess, sys, time
from pathlib import Path

import stream_rec

words = sys.argv[1:]
if words[0] == "worker":
    while time.process_time() < float(words[1]):
        pass
    time.sleep(0.5)  # so that it is looked at before it ends
    sys.exit()
speed = stream_rec.SPEED
assert Path(stream_rec.__file__).is_relative_to(os.environ["PYTHONPATH"])
if words[1] == "pipeline":
    assert words[2:6] == ["--repeats", "1", "--seconds", "1"]
    for seconds in ("0.1", "0.5"):
        subprocess.run([sys.executable, "-m", "stream_rec.cli", "worker", seconds], check=True)
    figures = {"events_per_s": 50 * speed, "slates_per_s": 7, "events": 200_000}
else:
    figures = {"learn_events_per_s": 100 * speed, "slates_per_s": 10 * speed * speed, "asked": int(words[3])}
with open(os.environ["LOG"], "a") as log:
    print(speed, words[1], figures.get("asked", ""), os.environ.get("XDG_CACHE_HOME", ""), os.getcwd(), file=log)
Path(words[words.index("--json") + 1]).write_text(json.dumps(figures))
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A checkout whose first commit has speed 1, and whose working tree has speed 2 and the newer layout."""
    root = tmp_path / "checkout"
    (root / "stream_rec").mkdir(parents=True)
    git = ["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    (root / "stream_rec/__init__.py").write_text("SPEED = 1\n")
    (root / "stream_rec/cli.py").write_text(CLI)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "first"], check=True)
    (root / "stream_rec/cli.py").unlink()
    (root / "stream_rec/cli").mkdir()
    (root / "stream_rec/cli/__init__.py").touch()
    (root / "stream_rec/cli/__main__.py").write_text(CLI)
    (root / "stream_rec/__init__.py").write_text("SPEED = 2\n")
    return root


def test_both_trees_run_their_own_files_in_turns(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    monkeypatch.setenv("XDG_CACHE_HOME", "ours")
    out = tmp_path / "figures.json"
    main(["HEAD", "--turns", "2", "--events", "7", "--seconds", "1", "--json", str(out)], repository)
    figures = json.loads(out.read_text())
    assert (figures["learn_ratio"], figures["slates_ratio"], figures["pipeline_ratio"]) == (2, 4, 2)
    assert figures["cpu_us_ratio"] > 0
    assert figures["present_cpu_us"] > 0, "of the second worker, beyond what starting costs"
    assert (figures["present_learn_events_per_s"], figures["earlier_learn_events_per_s"]) == (200, 100)
    assert "cores" in figures["machine"]
    runs = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    turn = [["1", "engine"], ["1", "pipeline"], ["2", "engine"], ["2", "pipeline"]]
    assert [run[:2] for run in runs] == 3 * turn, "once to compile, and two turns"
    assert [run[2] for run in runs if run[1] == "engine"] == ["2000", "2000", "7", "7", "7", "7"]
    caches = {run[0]: run[-2] for run in runs}
    assert caches["2"] == "ours"
    assert caches["1"] != "ours", "an earlier tree's kernels stay out of the cache of this one's"
    assert not Path(runs[0][-1]).exists(), "what was unpacked is gone"


def test_a_ratio_is_the_median_of_the_turns() -> None:
    earlier = [{"learn": n, "slates": 1.0, "pipeline": 1.0, "cpu_us": 4.0} for n in (1.0, 2.0, 4.0)]
    present = [{"learn": n, "slates": 1.0, "pipeline": 1.0, "cpu_us": 2.0} for n in (3.0, 2.0, 4.0)]
    figures = compared(earlier, present)
    assert (figures["learn_ratio"], figures["cpu_us_ratio"]) == (1.0, 0.5)
    assert (figures["present_learn_events_per_s"], figures["earlier_cpu_us"]) == (3.0, 4.0)


def test_a_revision_that_is_not_there_is_said(repository: Path) -> None:
    with pytest.raises(SystemExit, match="no revision 'nonsense'"):
        main(["nonsense"], repository)


def test_this_repositorys_own_revision_is_unpacked_whole_and_found_first(tmp_path: Path) -> None:
    with unpacked("HEAD", ROOT, tmp_path) as tree:
        code = "import stream_rec.cli.main, stream_rec.schemas; print(stream_rec.schemas.__file__)"
        ran = subprocess.run(
            tree.command("-c", code), cwd=tree.scratch, capture_output=True, text=True, check=False
        )
    assert ran.returncode == 0, ran.stderr
    assert Path(ran.stdout.strip()).is_relative_to(tree.folder)
    assert sys.executable in tree.command()
