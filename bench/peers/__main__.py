"""Peers, side by side: `python -m bench.peers --data NAME --events N [--json FILE]`, see docs/peers.md."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import dropwhile
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.peers.environment import PEERS_PYTHON, ROOT
from bench.peers.grids import PEERS, Entry
from bench.peers.layout import SEED, layout
from bench.peers.report import flat, report
from stream_rec.bench.harness import calibration_ms, say_on_stderr
from stream_rec.engine.warm import warm_up
from stream_rec.errors import ConfigError
from stream_rec.offline.datasets.first_events import FirstEvents
from stream_rec.offline.datasets.named import load_columns, open_source
from stream_rec.settings import load

ONE_THREAD = tuple(
    f"{library}_NUM_THREADS=1" for library in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMBA", "RAYON", "POLARS")
)
GRACE_SECONDS = 60.0
"""A child may take this long beyond its caps, for one batch that cannot be stopped, and for what is compiled."""
STATUS_CHARACTERS = 500
"""Of what a peer said when it failed: a server's message has the end of its log."""


def run_peer(folder: Path, name: str, cap_seconds: float, program: Path | None = None) -> dict[str, Any]:
    """One peer in a process of its own, on one thread; whatever goes wrong is its status."""
    entry = PEERS[name]
    python = _python(entry)
    if entry.server and program is None:
        return {"status": f"not installed: no --{name} PATH was given; docs/peers.md says how to build it"}
    if not python.exists():
        return {"status": "not installed: there is no .venv-peers (make peers makes it)"}
    command = [
        "env",
        *ONE_THREAD,
        str(python),
        "-m",
        "bench.peers.child",
        str(folder),
        name,
        f"{cap_seconds:g}",
        *([] if program is None else [str(program)]),
    ]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=1.5 * cap_seconds + GRACE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as expired:
        return {
            "status": f"stopped after {expired.timeout:.0f} s, in the middle of a step that took too long"
        }
    if done.returncode:
        return {"status": f"failed: {_last_words(done.stderr) or f'exit code {done.returncode}'}"}
    result: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return result


def _last_words(stderr: str) -> str:
    """What a process ended with, on one line: its error with all its lines, else the last line it wrote."""
    _, found, told = stderr.strip().rpartition("Traceback (most recent call last):\n")
    lines = list(dropwhile(lambda line: line.startswith(" "), told.splitlines()))
    return " ".join(lines if found else lines[-1:])[:STATUS_CHARACTERS]


def _python(entry: Entry) -> Path:
    return Path(sys.executable) if entry.in_project else PEERS_PYTHON


def _program(options: argparse.Namespace, name: str) -> Path | None:
    """A server's program, as an absolute path."""
    given: Path | None = getattr(options, name, None)
    if given is None:
        return None
    if not (given.is_file() and os.access(given, os.X_OK)):
        raise ConfigError(
            f"--{name}: {given} is no program",
            fix="name the file that was built (docs/peers.md says how), and make it executable",
        )
    return given.resolve()


def compare(options: argparse.Namespace) -> tuple[str, list[str], dict[str, Any]]:
    """Run the peers one after another.

    Returns:
        A title, the peers' names, and the figures as one flat object.

    Raises:
        ConfigError: no such data or peer, or no such program.
    """
    names = list(PEERS) if options.peers is None else options.peers.split(",")
    if unknown := [name for name in names if name not in PEERS]:
        raise ConfigError(f"no peer is called {', '.join(unknown)}", fix=f"choose among {', '.join(PEERS)}")
    programs = {name: _program(options, name) for name in names}
    data = load()[0].data
    if options.events is None:
        log = load_columns(options.data, data)
    else:
        log = FirstEvents.of(open_source(options.data, data), options.events).frame
    stream = layout(log, asks=options.asks, exclude_seen=options.exclude_seen)
    if "ours" in names:
        say_on_stderr("warming up (a minute or two where kernels are not compiled yet)")
        warm_up()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="stream-rec-peers-") as name_of_folder:
        folder = Path(name_of_folder)
        stream.save(folder / "stream.npz")
        log.write_parquet(folder / "log.parquet")
        for name in names:
            say_on_stderr(f"{name} ...")
            results[name] = run_peer(folder, name, options.cap_seconds, programs[name])
    figures = {
        "data": options.data,
        "events": len(stream),
        "queries": int(stream.asked.sum()),
        "users": int(stream.users.max()) + 1,
        "sessions": int(stream.sessions.max()) + 1,
        "items": int(stream.items.max()) + 1,
        "exclude_seen": options.exclude_seen,
        "seed": SEED,
        "calibration_ms": calibration_ms(),
    }
    title = (
        f"{options.data}: {len(stream):,} events, {figures['items']:,} items; {figures['queries']:,} queries "
        "in the last 80 %; quality in %"
    )
    return title, names, figures | flat(results)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print tables; with --json also write the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--data", required=True, help="a data set's name, or a file")
    parser.add_argument("--events", type=int, default=None, help="only the first so many of the log")
    parser.add_argument("--asks", type=int, default=2_000, help="queries, a seeded sample")
    parser.add_argument("--exclude-seen", action="store_true", help="a user's earlier items are no answers")
    parser.add_argument(
        "--cap-seconds", type=float, default=60.0, help="of each peer; its search has half as much"
    )
    parser.add_argument("--peers", default=None, help="only these, with commas between")
    for name in (name for name, entry in PEERS.items() if entry.server):
        parser.add_argument(
            f"--{name}", type=Path, default=None, metavar="PATH", help="its program, to run it"
        )
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args(arguments)
    try:
        title, names, figures = compare(options)
    except ConfigError as error:
        parser.error(str(error))
    Console(highlight=False, width=None if sys.stdout.isatty() else 200).print(report(title, names, figures))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
