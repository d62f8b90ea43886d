#!/usr/bin/env bash
# numpy 2.4.6 on glibc 2.36: `np.zeros` of 16 MB touches no memory and takes microseconds, as is well known; but not any more once
# an array of 20 MB was freed. glibc then takes such arrays from its heap (the threshold for mmap has grown to the size that
# was freed, up to 32 MB), where calloc has to fill what was in use before. With MALLOC_MMAP_THRESHOLD_ the threshold stays.
# Seen: 22 us of CPU at first, 641 us later, 20 us with the variable.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check numpy==2.4.6
cat >"$tmp/zeros.py" <<'PY'
import platform
import statistics
import time

import numpy as np

MB = 1 << 20


def microseconds() -> float:
    """CPU of np.zeros alone, the median of 15; each array is used, and freed."""
    taken = []
    for _ in range(15):
        began = time.process_time()
        zeros = np.zeros(16 * MB, np.uint8)
        taken.append(time.process_time() - began)
        zeros[:] = 1
        del zeros
    return statistics.median(taken) * 1e6


first = np.zeros(16 * MB, np.uint8)
began = time.process_time()
more = np.zeros(16 * MB, np.uint8)
fresh = (time.process_time() - began) * 1e6
np.ones(20 * MB, np.uint8)
print(np.__version__, "-".join(platform.libc_ver()), fresh, microseconds())
PY
plain=$("$tmp/venv/bin/python" "$tmp/zeros.py")
fixed=$(MALLOC_MMAP_THRESHOLD_=131072 "$tmp/venv/bin/python" "$tmp/zeros.py")
"$tmp/venv/bin/python" - $plain $fixed <<'PY'
import sys

numpy, libc, fresh, later, _, _, _, with_variable = sys.argv[1:]
fresh, later, with_variable = float(fresh), float(later), float(with_variable)
print(
    f"numpy {numpy}, {libc}: np.zeros of 16 MB takes {fresh:.0f} us of CPU at first, {later:.0f} us once 20 MB were freed,"
    f" {with_variable:.0f} us with MALLOC_MMAP_THRESHOLD_"
)
assert later > 5 * max(fresh, with_variable)
PY
