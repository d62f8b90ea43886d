#!/usr/bin/env bash
# RecTools 0.19.0, metrics.NDCG: by default the ideal list has k relevant items, however few the user has. A user whose
# one relevant item is ranked first gets 0.22 at 10, not 1. `divide_by_achievable=True` gives the usual definition.
# Seen: NDCG(k=10) 0.2201; with divide_by_achievable 1.0.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check RecTools==0.19.0
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 "$tmp/venv/bin/python" - "$tmp" <<'PY'
import pandas as pd
from rectools.metrics import NDCG

ranked = pd.DataFrame({"user_id": [1] * 10, "item_id": range(10), "rank": range(1, 11)})
relevant = pd.DataFrame({"user_id": [1], "item_id": [0]})
by_default = NDCG(k=10).calc(ranked, relevant)
usual = NDCG(k=10, divide_by_achievable=True).calc(ranked, relevant)
print(f"one relevant item, ranked first: NDCG(k=10) {by_default:.4f}, divide_by_achievable {usual:.4f}")
assert round(by_default, 4) == 0.2201 and usual == 1.0
PY
