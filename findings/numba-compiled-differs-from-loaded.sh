#!/usr/bin/env bash
# numba 0.68.1, `cache=True`: the process that compiles a function may compute other values than those that load it from the
# cache, on the same machine, from the same source and input. Machine code on disk holds a copy of what the function calls,
# optimised once more with it, and leaves that copy weak: a process that has compiled the callee as well calls that one.
# With `fastmath` (here reassoc and contract, on x86-64 with AVX2 or better) the two round differently. Nothing is stale: a third
# process equals the second. Seen: 0x1.f8154e0000000p-3 where it was compiled, 0x1.f815580000000p-3 in both that loaded it.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check numba==0.68.1
cat >"$tmp/sums.py" <<'PY'
import numba
import numpy as np

OPTIONS = {"cache": True, "error_model": "numpy"}
sums = numba.njit(fastmath={"reassoc", "contract", "nsz", "nnan"}, **OPTIONS)


@sums
def softmax(xs, n):
    top = xs[0]
    for i in range(n):
        top = max(top, xs[i])
    total = np.float32(0.0)
    for i in range(n):
        xs[i] = np.exp(xs[i] - top)
        total += xs[i]
    scale = np.float32(1.0) / total
    square = np.float32(0.0)
    for i in range(n):
        xs[i] *= scale
        square += xs[i] * xs[i] - scale * xs[i]
    return square


@sums
def rows(a, b, n):
    total = np.float32(0.0)
    for k in range(a.shape[0]):
        part = np.float32(0.0)
        for i in range(n):
            part += a[k, i] * b[i]
        total += part * softmax(a[k], n)
    return total


@numba.njit(**OPTIONS)
def caller(a, b, n):
    return rows(a, b, n) + rows(a, b, n - 1)


random = np.random.default_rng(1)
found = []
for n in (5, 17, 33, 100, 203):
    a, b = random.normal(size=(7, n)).astype(np.float32), random.normal(size=n).astype(np.float32)
    found.append(float(caller(a, b, n)).hex())
print(found[3])
PY
export NUMBA_CACHE_DIR="$tmp/cache" PYTHONHASHSEED=0
compiled=$("$tmp/venv/bin/python" "$tmp/sums.py")
loaded=$("$tmp/venv/bin/python" "$tmp/sums.py")
again=$("$tmp/venv/bin/python" "$tmp/sums.py")
echo "compiling process: $compiled; loading ones: $loaded $again"
[ "$compiled" != "$loaded" ] && [ "$loaded" = "$again" ]
