#!/usr/bin/env bash
# numba 0.68.1: a compiled function that takes a named tuple of arrays takes every number of every array as an argument of its
# own, 7 for a one-dimensional array, however few of them it reads; and so does each function that it passes the tuple to.
# Nothing warns of it; what grows is the time to compile: that of a chain of functions which each read one array of 150, over
# the same chain of functions that are given the one array.
# Seen: 1050 arguments; 24 functions compile in 37.5 s of CPU, given one array in 1.6 s.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check numba==0.68.1 numpy==2.4.6
"$tmp/venv/bin/python" - <<'PY'
import re
import time
from collections import namedtuple

import numpy as np
from numba import njit

State = namedtuple("State", [f"a{i}" for i in range(150)])
state = State(*(np.ones(4) for _ in range(150)))


def chain(reads):
    """24 functions, each of which reads one number and calls the one before it."""
    called = njit(lambda state, i: 0.0)
    for _ in range(24):
        called = njit(lambda state, i, called=called: reads(state)[i] + called(state, i))
    return called


def seconds(function, of):
    began = time.process_time()
    assert function(of, 0) == 24.0
    return time.process_time() - began


whole, one = njit(lambda state: state.a77), njit(lambda array: array)
njit(lambda x: x + 1)(1)  # what numba does once
by_value, alone = chain(whole), chain(one)
took, took_alone = seconds(by_value, state), seconds(alone, state.a77)
ir = by_value.inspect_llvm(by_value.signatures[0])
defined = next(line for line in ir.splitlines() if line.startswith("define") and "cpython" not in line)
n = len(re.findall(r"%arg\.state", defined))
print(f"{n} arguments; 24 functions compile in {took:.1f} s of CPU, given one array in {took_alone:.1f} s")
assert n == 1050
assert took > 4 * took_alone
PY
