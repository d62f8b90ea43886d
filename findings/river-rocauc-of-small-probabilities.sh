#!/usr/bin/env bash
# river 0.26.1, metrics.ROCAUC: it counts at 10 thresholds, evenly spaced from 0 to 1. Of probabilities that all lie below
# the first one above 0, as click-through rates do, it knows no order.
# Seen: 20,000 predictions, every click's above .02 and every other's below .018: 0.5 (it is 1); 1.0 with n_thresholds=1000.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check river==0.26.1 numpy==2.4.6 scikit-learn==1.9.1
PYTHONDONTWRITEBYTECODE=1 "$tmp/venv/bin/python" - <<'PY'
import random

from river import metrics
from sklearn.metrics import roc_auc_score

draw = random.Random(1)
clicked = [draw.random() < 0.02 for _ in range(20_000)]
given = [0.02 + 0.02 * draw.random() if click else 0.018 * draw.random() for click in clicked]
seen = {}
for name, metric in (("as it comes", metrics.ROCAUC()), ("1,000 thresholds", metrics.ROCAUC(n_thresholds=1000))):
    for click, probability in zip(clicked, given, strict=True):
        metric.update(click, probability)
    seen[name] = metric.get()
    print(f"river.metrics.ROCAUC, {name}: {seen[name]}")
print(f"scikit-learn's roc_auc_score: {roc_auc_score(clicked, given)}")
assert roc_auc_score(clicked, given) == 1.0
assert seen == {"as it comes": 0.5, "1,000 thresholds": 1.0}
PY
