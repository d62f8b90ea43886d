"""This tree against an earlier revision, on one machine, in turns: `python -m bench.against REV`.

REV's files are unpacked into a temporary folder and run from there with this interpreter, packages and data, and with
a kernel cache of their own; nothing is installed. This tree runs in place: leave it alone meanwhile. In each turn both
trees run `bench engine` and `bench pipeline`. A ratio is the median over the turns of this tree's figure / REV's of the
same turn.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from stream_rec.bench.harness import Figures, calibration_ms, in_turns, medians, say_on_stderr, shown
from stream_rec.bench.pipeline import WARM_UP_EVENTS

ROOT = Path(__file__).parents[1]
WARM_UP = 2_000
"""Events of the unmeasured run of the engine that compiles a tree's kernels."""
LOOK_SECONDS = 0.2
FIGURES = {
    "learn": "learn_events_per_s",
    "slates": "slates_per_s",
    "pipeline": "pipeline_events_per_s",
    "cpu_us": "cpu_us",
}
"""What is compared -> what its medians are called. `cpu_us` alone is better when smaller."""


@dataclass(frozen=True)
class Tree:
    """A revision's files, ready to run.

    Attributes:
        name: for people.
        folder: the top of the tree; nothing else of stream_rec is on the path.
        scratch: an empty folder to run in: a `stream-rec.toml` of the checkout would count.
        variables: of the environment, besides ours.
    """

    name: str
    folder: Path
    scratch: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def command(self, *arguments: str) -> list[str]:
        """`python ARGUMENTS` with this tree's modules."""
        given = {"PYTHONPATH": str(self.folder), **self.variables}
        return ["env", *[f"{name}={value}" for name, value in given.items()], sys.executable, *arguments]

    def bench(self, *arguments: str) -> tuple[dict[str, float], list[float]]:
        """`stream-rec bench ARGUMENTS`: its figures, and the processor seconds of each worker it ran, in order."""
        with tempfile.NamedTemporaryFile(suffix=".json", dir=self.scratch) as out:
            command = self.command("-m", "stream_rec.cli", "bench", *arguments, "--json", out.name)
            with tempfile.TemporaryFile("w+") as log:
                process = subprocess.Popen(command, cwd=self.scratch, stdout=log, stderr=log)
                with workers_of(process.pid) as seconds:
                    code = process.wait()
                log.seek(0)
                if code:
                    raise SystemExit(f"{self.name}: bench {arguments[0]} failed\n{log.read()[-3000:]}")
            return json.loads(Path(out.name).read_text()), list(seconds.values())


@dataclass(frozen=True)
class Sizes:
    """How much is run. Attributes are options of the benches; None = their defaults."""

    engine_events: int | None
    pipeline_seconds: float


@contextmanager
def unpacked(revision: str, root: Path, folder: Path) -> Iterator[Tree]:
    """The tree of a revision of the repository at `root`.

    Raises:
        SystemExit: there is no such revision.
    """
    found = subprocess.run(
        ["git", "-C", root, "rev-parse", "--short", f"{revision}^{{commit}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        raise SystemExit(f"no revision {revision!r} in {root}: {found.stderr.strip()}")
    files, cache = folder / "tree", folder / "cache"
    for new in (files, cache):
        new.mkdir()
    archive = subprocess.Popen(["git", "-C", root, "archive", revision], stdout=subprocess.PIPE)
    subprocess.run(["tar", "-x", "-C", files], stdin=archive.stdout, check=True)
    if archive.wait():
        raise SystemExit(f"git archive {revision} failed")
    yield Tree(found.stdout.strip(), files, folder, {"XDG_CACHE_HOME": str(cache)})


@contextmanager
def workers_of(pid: int) -> Iterator[dict[float, float]]:
    """Processor seconds, user and system, of the workers among a process's descendants, by when they started.

    Looked up every `LOOK_SECONDS`: what a worker spends after the last look is missing.
    """
    seconds: dict[float, float] = {}
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(LOOK_SECONDS):
            try:
                descendants = psutil.Process(pid).children(recursive=True)
            except psutil.NoSuchProcess:
                return
            for process in descendants:
                try:
                    words = process.cmdline()
                    if words[1:2] == ["-m"] and "worker" in words[3:4]:
                        used = process.cpu_times()
                        seconds[process.create_time()] = used.user + used.system
                except psutil.Error:  # it has ended
                    continue

    thread = threading.Thread(target=look, name="workers", daemon=True)
    thread.start()
    try:
        yield seconds
    finally:
        ended.set()
        thread.join()


def measured(tree: Tree, sizes: Sizes) -> dict[str, float]:
    """One turn of one tree."""
    few = [] if sizes.engine_events is None else ["--events", str(sizes.engine_events)]
    engine, _ = tree.bench("engine", *few)
    pipeline, workers = tree.bench("pipeline", "--repeats", "1", "--seconds", f"{sizes.pipeline_seconds:g}")
    # Two workers: one that warms up and one that is timed. The difference leaves out what starting costs.
    warm, timed = workers
    cpu_us = (timed - warm) / (pipeline["events"] - WARM_UP_EVENTS) * 1e6
    return {
        "learn": engine["learn_events_per_s"],
        "slates": engine["slates_per_s"],
        "pipeline": pipeline["events_per_s"],
        "cpu_us": cpu_us,
    }


def compile_kernels(tree: Tree) -> None:
    """Run everything once, so that no turn pays for what is compiled at the first use."""
    tree.bench("engine", "--events", str(WARM_UP))
    tree.bench("pipeline", "--repeats", "1", "--seconds", "1")


def compared(earlier: Sequence[Mapping[str, float]], present: Sequence[Mapping[str, float]]) -> Figures:
    """Ratios first, then the medians they stand on."""
    figures: Figures = {
        f"{name}_ratio": statistics.median(
            new[name] / old[name] for new, old in zip(present, earlier, strict=True)
        )
        for name in FIGURES
    }
    for whose, runs in (("present", present), ("earlier", earlier)):
        figures |= {f"{whose}_{FIGURES[name]}": value for name, value in medians(runs).items()}
    return figures


def machine() -> str:
    """The processor, its cores, and how busy they are."""
    info = Path("/proc/cpuinfo")
    models = (
        [line for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.exists()
        else []
    )
    model = models[0].partition(":")[2].strip() if models else platform.machine()
    return (
        f"{model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"
    )


def compare(revision: str, *, turns: int, sizes: Sizes, root: Path = ROOT) -> Figures:
    """Run both trees in turns.

    Args:
        revision: what git calls the earlier tree.
        turns: of each tree.
        sizes: of the benches.
        root: the checkout that is the present tree.
    """
    where = machine()
    with tempfile.TemporaryDirectory(prefix="stream-rec-against-") as scratch:
        for name in ("earlier", "present"):
            (Path(scratch) / name).mkdir()
        present = Tree("this tree", root, Path(scratch) / "present")
        with unpacked(revision, root, Path(scratch) / "earlier") as earlier:
            for tree in (earlier, present):
                say_on_stderr(f"{tree.name}: compiling its kernels ...")
                compile_kernels(tree)
            arms = {tree.name: lambda tree=tree: measured(tree, sizes) for tree in (earlier, present)}
            results = in_turns(arms, turns, say_on_stderr)
            figures = compared(results[earlier.name], results[present.name])
            more: Figures = {"against": earlier.name, "turns": turns, "machine": where}
    return figures | more | {"calibration_ms": calibration_ms()}


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> None:
    """As the module says."""
    parser = argparse.ArgumentParser(prog="python -m bench.against", description=__doc__)
    parser.add_argument("revision", help="anything that git understands")
    parser.add_argument("--turns", type=int, default=3, help="runs of each tree; ratios are medians")
    parser.add_argument("--events", type=int, help="of each data set in `bench engine`; by default all")
    parser.add_argument("--seconds", type=float, default=30.0, help="that `bench pipeline` takes at least")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    given = parser.parse_args(arguments)
    if given.turns < 1:
        parser.error("--turns is at least 1")
    figures = compare(given.revision, turns=given.turns, sizes=Sizes(given.events, given.seconds), root=root)
    for name, value in figures.items():
        print(f"{name:28} {shown(value)}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
