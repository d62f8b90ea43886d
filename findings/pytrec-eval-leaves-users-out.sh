#!/usr/bin/env bash
# pytrec_eval-terrier 0.5.11: users to whom nothing was recommended are missing in its answer. A mean over what it answers
# is one over the users that the recommender could serve, and grows when it gives up on hard ones.
# Seen: two users, one served perfectly, one not at all: one entry, reciprocal rank 1.0 (the mean over both is 0.5).
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check pytrec_eval-terrier==0.5.11 numpy==2.4.6
PYTHONDONTWRITEBYTECODE=1 "$tmp/venv/bin/python" - <<'PY'
import pytrec_eval

relevant = {"ann": {"a": 1}, "bob": {"b": 1}}
found = pytrec_eval.RelevanceEvaluator(relevant, {"recip_rank"}).evaluate({"ann": {"a": 0.5}})
print(f"{len(relevant)} users, {len(found)} in the answer: {found}")
assert found == {"ann": {"recip_rank": 1.0}}
empty = pytrec_eval.RelevanceEvaluator(relevant, {"recip_rank"}).evaluate({"ann": {"a": 0.5}, "bob": {}})
print(f"with an empty list for the other one: {len(empty)} in the answer")
PY
