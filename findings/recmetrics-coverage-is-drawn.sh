#!/usr/bin/env bash
# recmetrics 0.1.5, catalog_coverage(predicted, catalog, k): it draws k of the lists, with replacement, and has no seed: two
# calls on the same lists differ, and a whole catalogue is never covered.
# Seen: 100 lists of 3 that hold each of 300 items once (coverage 100 %), k = 100: between 55 and 72 % in 20 calls, at least
# two of them different.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check recmetrics==0.1.5 numpy==1.26.4 pandas==1.5.3 'matplotlib<3.9'
PYTHONDONTWRITEBYTECODE=1 "$tmp/venv/bin/python" -W ignore - <<'PY'
import recmetrics

lists = [[item, item + 1, item + 2] for item in range(0, 300, 3)]
seen = [recmetrics.catalog_coverage(lists, list(range(300)), 100) for _ in range(20)]
print(f"catalog_coverage of all 100 lists, 20 calls: {min(seen)} to {max(seen)} %, {len(set(seen))} different ones")
print(f"prediction_coverage: {recmetrics.prediction_coverage(lists, list(range(300)))} %")
assert len(set(seen)) > 1
assert max(seen) < 80
PY
