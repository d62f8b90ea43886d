#!/usr/bin/env bash
# river 0.26.1, drift.ADWIN: its bound holds for independent values. Hits that come in runs, as one user's do, set it off
# on a stream whose mean never changes.
# Seen: alarms per 100,000 values at a hit rate of 0.1, three seeds: runs of 1: 0 0 0; of 5: 42 44 46; of 20: 362 346 353.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check river==0.26.1 numpy==2.4.6
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 "$tmp/venv/bin/python" - "$tmp" <<'PY'
import random

from river import drift


def alarms(run: int, seed: int, n: int = 100_000, rate: float = 0.1) -> int:
    """Each outcome is drawn independently, and then repeated `run` times."""
    draw, detector, found = random.Random(seed), drift.ADWIN(), 0
    for _ in range(n // run):
        hit = int(draw.random() < rate)
        for _ in range(run):
            detector.update(hit)
            found += detector.drift_detected
    return found


seen = {run: [alarms(run, seed) for seed in (1, 2, 3)] for run in (1, 5, 20)}
for run, found in seen.items():
    print(f"runs of {run}: alarms", *found)
assert seen[1] == [0, 0, 0]
assert min(seen[5]) > 20 and min(seen[20]) > 200
PY
