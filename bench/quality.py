"""Has ranking become worse? All logs at hand, frozen, streaming and prequential, beside the table that was committed.

    python -m bench.quality [--only NAME ...] [--write] [--json FILE]

Each is `stream-rec evaluate` in a process of its own. Exit code 1 if hit-rate or MRR at 20 of any of them has lost more
than LOSS points since bench/quality.json was written; `--write` makes what was measured the new table. Every protocol
is there, since what helps one may cost another: a frozen test hears nothing of its own sessions, a live worker does.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

TABLE = Path(__file__).with_suffix(".json")
LOSS = 0.3
"""Points of a hundred."""
SHOWN = ("hr@20", "mrr@20")
_PREQUENTIAL = ("--protocol", "prequential")
_FIVES = ("--warmup", "0.2", "--exclude-seen", *_PREQUENTIAL)
RUNS: Mapping[str, tuple[str, ...]] = {
    "diginetica, frozen": ("--data", "diginetica", "--protocol", "frozen"),
    "diginetica, streaming": ("--data", "diginetica", "--protocol", "streaming"),
    "yoochoose-1-64, frozen": ("--data", "yoochoose-1-64", "--protocol", "frozen"),
    "yoochoose-1-64, streaming": ("--data", "yoochoose-1-64", "--protocol", "streaming"),
    "globo-news, the first 500,000": ("--data", "globo-news", "--events", "500000", *_PREQUENTIAL),
    "eshop-clothing": ("--data", "eshop-clothing", *_PREQUENTIAL),
    "online-retail": ("--data", "online-retail", *_PREQUENTIAL),
    "yoochoose-100k": ("--data", "yoochoose-100k", *_PREQUENTIAL),
    "movielens-100k, fives": ("--data", "movielens-100k", "--relevant", "rating=5", *_FIVES),
}
Figures = dict[str, float]


def measured(arguments: tuple[str, ...]) -> Figures:
    """SHOWN of one run of `stream-rec evaluate`, in %.

    Raises:
        SystemExit: it failed; it has said why.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.json"
        command = [sys.executable, "-m", "stream_rec.cli", "evaluate", *arguments, "--json", str(file)]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise SystemExit(done.returncode)
        figures = json.loads(file.read_text())
    return {name: round(100.0 * figures[name], 2) for name in SHOWN}


def lost(now: Figures, before: Figures) -> list[str]:
    """The figures that are more than LOSS points below those of before."""
    return [name for name in SHOWN if name in before and now[name] < before[name] - LOSS]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(RUNS), metavar="NAME", help=", ".join(RUNS))
    parser.add_argument("--write", action="store_true", help="what is measured becomes the new table")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    arguments = parser.parse_args()
    table: dict[str, Figures] = json.loads(TABLE.read_text()) if TABLE.exists() else {}
    found: dict[str, Figures] = {}
    worse = False
    print(f"{'':<32}{'HR@20':>8}{'before':>8}{'MRR@20':>8}{'before':>8}   %", flush=True)
    for name in arguments.only or RUNS:
        now, before = measured(RUNS[name]), table.get(name, {})
        found[name] = now
        cells = "".join(f"{now[each]:8.2f}{before.get(each, float('nan')):8.2f}" for each in SHOWN)
        less = lost(now, before)
        worse |= bool(less)
        print(f"{name:<32}{cells}   {'WORSE: ' + ', '.join(less) if less else ''}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")
    if arguments.write:
        TABLE.write_text(json.dumps(table | found, indent=2) + "\n")
    elif worse:
        raise SystemExit(f"more than {LOSS} points lost: mend it, or say why in docs/models.md and --write")


if __name__ == "__main__":
    main()
