"""`batch train --slates` on a log of many events on one machine: how long it takes, and how much memory.

    .venv-batch/bin/python -m bench.batch_scale [--events 10000000] [--memory 6g] [--json FILE]

Shoppers are simulated for the first million of the events; every other million is the same one under other names of
its shoppers. The events are written as the sink writes them, in files of a million; a broker and a Redis are started,
and the command is run as people run it. Memory is what the operating system says was resident at most.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import polars as pl
import psutil

from bench.sink_files import write_file
from stream_rec.bench.bench_log import PLAN
from stream_rec.bench.harness import Figures, Say, say_on_stderr, shown
from stream_rec.bus.topics import ensure_topics
from stream_rec.cli.options import write_json
from stream_rec.embedded.stack import start_stack, without_addresses
from stream_rec.producers.simulate.simulator import simulated_log
from stream_rec.settings import Settings, SinkSettings, load

SHOP = replace(PLAN, n_users=20_000, events_per_second=200.0)
_FILE = 1_000_000
_LOOK_SECONDS = 1.0
_HIGHEST = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


def run(settings: Settings, n_events: int, memory: str, say: Say) -> Figures:
    """Write the events down, and train.

    Returns:
        What the command said of itself, `seconds`, and `spark_gb` and `python_gb`, resident at most.
    """
    with (
        tempfile.TemporaryDirectory(prefix="bench-batch-scale-") as folder,
        start_stack(without_addresses(settings)) as stack,
    ):
        ensure_topics(stack.settings.bus)
        sink = SinkSettings(url=f"{folder}/log")
        began = time.monotonic()
        write_down(sink, n_events)
        say(f"{n_events:,} events in Parquet after {time.monotonic() - began:.0f} s")
        report = Path(folder) / "report.json"
        flags = ["--slates", "default", "--memory", memory, "--json", str(report)]
        for name, value in (
            ("bus.bootstrap", stack.settings.bus.bootstrap),
            ("store.url", stack.settings.store.url),
            ("sink.url", sink.url),
        ):
            flags += ["--set", f"{name}={json.dumps(value)}"]
        began = time.monotonic()
        train = subprocess.Popen([sys.executable, "-m", "stream_rec.cli", "batch", "train", *flags])
        highest = _watched(train)
        if train.returncode:
            raise SystemExit(f"the training ended with {train.returncode}")
        seconds = time.monotonic() - began
        return json.loads(report.read_text()) | {
            "seconds": seconds,
            "spark_gb": highest.get("java", 0) / 1e6,
            "python_gb": highest.get("python", 0) / 1e6,
        }


def write_down(sink: SinkSettings, n_events: int) -> None:
    """As many events, in files as the sink has them."""
    frame = simulated_log(SHOP, min(_FILE, n_events))
    for first in range(0, n_events, _FILE):
        rows = frame.head(min(_FILE, n_events - first))
        write_file(sink, rows.with_columns(pl.col("user_id") + f"-{first // _FILE}"), first, "simulated")


def _watched(train: subprocess.Popen[bytes]) -> dict[str, int]:
    """When it has ended: the most that it, and the JVM that it started, had resident, kB."""
    highest: dict[str, int] = {}
    ours = psutil.Process(train.pid)
    while train.poll() is None:
        try:
            for process in (ours, *ours.children(recursive=True)):
                kind = "java" if process.name() == "java" else "python"
                found = _HIGHEST.search(Path(f"/proc/{process.pid}/status").read_text())
                highest[kind] = max(highest.get(kind, 0), int(found[1]) if found else 0)
        except (psutil.Error, OSError):
            continue  # it ended between two looks
        finally:
            time.sleep(_LOOK_SECONDS)
    return highest


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--memory", default="6g", help="of Spark's driver")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    asked = parser.parse_args()
    settings, _ = load(flags=[])
    found = run(settings, asked.events, asked.memory, say_on_stderr)
    found |= {"machine_cpus": os.cpu_count() or 0}
    for name, value in found.items():
        print(f"{name:<20} {shown(value)}")
    if asked.json:
        write_json(asked.json, found)


if __name__ == "__main__":
    main()
