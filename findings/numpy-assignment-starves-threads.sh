#!/usr/bin/env bash
# numpy 2.4.6 on CPython 3.11: an assignment by an index of arrays and integers (`a[0, rows] = 0`, three axes) lets go of the
# interpreter's lock for a microsecond, `a[rows] = b` on one axis does not. A thread that makes one every other millisecond
# keeps others waiting for far longer than the switch interval of 5 ms: who waits is woken by it, comes too late, and begins
# its 5 ms anew, after which alone the lock would have to be handed over.
# Seen (2 cores, busy machine, 4 s for each of three amounts of Python in between): a thread that sleeps 5 ms comes up to
# 3,497 ms late beside such assignments, 11 ms beside the same loops without them.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check numpy==2.4.6
PYTHONDONTWRITEBYTECODE=1 "$tmp/venv/bin/python" - <<'PY'
import sys
import threading
import time

import numpy as np

values, rows = np.zeros((1, 100_000, 8), np.int32), np.arange(50)


def lateness(assigns: bool, steps: int) -> float:
    """How much later than asked a sleeper was woken at most, in ms, beside a thread that computes."""
    stop = threading.Event()

    def compute() -> None:
        total = 0
        while not stop.is_set():
            if assigns:
                values[0, rows] = 0
            for _ in range(steps):
                total = (total * 31 + 7) & 0xFFFF

    thread = threading.Thread(target=compute)
    thread.start()
    most, end = 0.0, time.perf_counter() + 4
    while time.perf_counter() < end:
        began = time.perf_counter()
        time.sleep(0.005)
        most = max(most, time.perf_counter() - began - 0.005)
    stop.set()
    thread.join()
    return most * 1000


amounts = (3_000, 10_000, 20_000)
seen = {assigns: max(lateness(assigns, steps) for steps in amounts) for assigns in (False, True)}
print(f"Python {sys.version.split()[0]}, switch interval {sys.getswitchinterval() * 1000:g} ms")
print(f"late by at most {seen[False]:.0f} ms without the assignment, {seen[True]:.0f} ms with it")
assert seen[True] > 100
assert seen[True] > 3 * seen[False]
PY
