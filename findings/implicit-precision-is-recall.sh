#!/usr/bin/env bash
# implicit 0.7.3, evaluation.ranking_metrics_at_k: "precision" divides the hits by min(K, relevant items of the user), not
# by K: for users with fewer than K relevant items it is their recall.
# Seen, K=10: one relevant item, ranked first: 1.0 (precision is 0.1); two, one of them ranked: 0.5 (precision is 0.1).
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check implicit==0.7.3 numpy==1.26.4 scipy==1.17.1
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 "$tmp/venv/bin/python" - "$tmp" <<'PY'
import numpy as np
from implicit.evaluation import ranking_metrics_at_k
from scipy import sparse


class Ranked:
    """Recommends items 0 to N-1, in this order, to everybody."""

    def recommend(self, users, user_items, N, **_):
        ids = np.tile(np.arange(N, dtype=np.int32), (len(users), 1))
        return ids, np.ones_like(ids, dtype=np.float32)


for relevant, seen in (([0], 1.0), ([0, 40], 0.5)):
    row, ones = [0] * len(relevant), [1.0] * len(relevant)
    held_out = sparse.csr_matrix((ones, (row, relevant)), shape=(1, 50))
    figures = ranking_metrics_at_k(Ranked(), sparse.csr_matrix((1, 50)), held_out, K=10, show_progress=False)
    hits = len([item for item in relevant if item < 10])
    print(f"{hits} hit in 10 places, {len(relevant)} relevant: 'precision' {figures['precision']}, hits / K {hits / 10}")
    assert figures["precision"] == seen
PY
