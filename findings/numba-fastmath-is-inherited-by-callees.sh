#!/usr/bin/env bash
# numba 0.68.1: a function that is compiled because a `fastmath=True` function calls it inherits fastmath, unless it says
# `fastmath=False` itself, and stays so for all its callers (with `cache=True` also on disk). What a strict function computes
# thus depends on who needed it first. Seen: of [1, nan, 2] it counts 1 NaN; called from a fast function first, 0; with
# `fastmath=False` 1 either way.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check numba==0.68.1
cat >"$tmp/nans.py" <<'PY'
import sys

import numba
import numpy as np

first, says = sys.argv[1:]
OPTIONS = {"fastmath": False} if says == "said" else {}


@numba.njit(**OPTIONS)
def n_nans(xs):
    n = 0
    for x in xs:
        if x != x:
            n += 1
    return n


@numba.njit(fastmath=True)
def fast(xs):
    return n_nans(xs)


xs = np.array([1.0, np.nan, 2.0])
if first == "fast":
    fast(xs)
print(n_nans(xs))
PY
seen=""
for way in "strict unsaid" "fast unsaid" "strict said" "fast said"; do
    seen="$seen$("$tmp/venv/bin/python" "$tmp/nans.py" $way) "
done
echo "NaNs counted: strict called first, fast called first; the same with fastmath=False: $seen"
[ "$seen" = "1 0 1 1 " ]
