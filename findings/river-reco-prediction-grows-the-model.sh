#!/usr/bin/env bash
# river 0.26.1, river.reco: `predict_one` adds the unknown user and item to the model, with factors drawn at random, so a
# model that is only asked grows, and the next draw of a seeded model depends on who was asked before.
# Seen: after learning one pair and predicting for 100 unknown ones, FunkMF, BiasedMF and Baseline hold 101 users, 101 items.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check river==0.26.1 numpy==2.4.6
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 "$tmp/venv/bin/python" - "$tmp" <<'PY'
from river import reco

for kind in (reco.FunkMF, reco.BiasedMF, reco.Baseline):
    model = kind()
    model.learn_one(user="ann", item="a", y=1.0)
    for i in range(100):
        model.predict_one(user=f"user-{i}", item=f"item-{i}")
    users, items = ("u_biases", "i_biases") if kind is reco.Baseline else ("u_latents", "i_latents")
    n_users, n_items = len(getattr(model, users)), len(getattr(model, items))
    print(f"{kind.__name__}: {n_users} users, {n_items} items")
    assert (n_users, n_items) == (101, 101)


def later_prediction(asked_before: int) -> float:
    model = reco.BiasedMF(seed=1)
    for i in range(asked_before):
        model.predict_one(user=f"user-{i}", item="a")
    model.learn_one(user="ann", item="a", y=1.0)
    return model.predict_one(user="ann", item="a")


never, once = later_prediction(0), later_prediction(1)
print(f"prediction for ann by a seeded model: {never:.6f}; if somebody else was asked for first: {once:.6f}")
assert never != once
PY
