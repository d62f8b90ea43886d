#!/usr/bin/env bash
# pytrec_eval-terrier 0.5.11 (trec_eval 9): it takes the order from the scores alone, and puts items of equal score in
# descending order of their ids. A recommender that gives many items one score is judged by what they are called.
# Seen: three items of one score, the first one relevant: reciprocal rank 1/3 where they are called a, b, c, and 1 where c,
# b, a. ranx 0.3.21 keeps the order in which they were given: 1 for both.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check pytrec_eval-terrier==0.5.11 ranx==0.3.21 pandas==3.1.1 \
    numpy==2.4.6 numba==0.68.1
PYTHONDONTWRITEBYTECODE=1 "$tmp/venv/bin/python" -W ignore - <<'PY'
import pytrec_eval
from ranx import Qrels, Run, evaluate

for ids, seen in (("abc", 1 / 3), ("cba", 1.0)):
    relevant, ranked = {"user": {ids[0]: 1}}, {"user": dict.fromkeys(ids, 0.5)}
    found = pytrec_eval.RelevanceEvaluator(relevant, {"recip_rank"}).evaluate(ranked)["user"]["recip_rank"]
    by_ranx = float(evaluate(Qrels(relevant), Run(ranked), "mrr"))
    print(f"{', '.join(ids)}, the first one relevant, one score: trec_eval {found:.4f}, ranx {by_ranx:.4f}")
    assert abs(found - seen) < 1e-9
    assert by_ranx == 1.0
PY
