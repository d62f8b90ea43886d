"""Bounded sparse rows: the ~100 heaviest entries of a matrix row that grows for ever.

A row is an unsorted run of (code, weight), filled from the left, NO_CODE where empty. A hit moves one place towards
the front past a lighter entry, so heavy entries are found early. A full row gives its lightest entry away.
"""

from __future__ import annotations

from stream_rec.kernels.codes import NO_CODE
from stream_rec.kernels.compile import kernel, kernel_inner

ROUNDING = 1e-4
"""The part of a weight that may be left when it was taken back."""


@kernel
def add(codes, weights, row, code, weight):
    """weights[row, code] += weight; codes int32 [n, width], weights float32 [n, width], changed in place."""
    width = codes.shape[1]
    lightest = 0
    for at in range(width):
        held = codes[row, at]
        if held == code:
            total = weights[row, at] + weight
            if at > 0 and weights[row, at - 1] < total:
                codes[row, at] = codes[row, at - 1]
                weights[row, at] = weights[row, at - 1]
                codes[row, at - 1] = code
                weights[row, at - 1] = total
            else:
                weights[row, at] = total
            return
        if held == NO_CODE:
            codes[row, at] = code
            weights[row, at] = weight
            return
        if weights[row, at] < weights[row, lightest]:
            lightest = at
    codes[row, lightest] = code
    weights[row, lightest] = weight


@kernel_inner
def take(codes, weights, row, code, weight):
    """weights[row, code] -= weight; an entry of which nothing but rounding is left goes. Nothing if it is not there."""
    width = codes.shape[1]
    for at in range(width):
        if codes[row, at] == NO_CODE:
            return
        if codes[row, at] == code:
            weights[row, at] -= weight
            if weights[row, at] <= ROUNDING * weight:
                last = at
                while last + 1 < width and codes[row, last + 1] != NO_CODE:
                    last += 1
                codes[row, at] = codes[row, last]
                weights[row, at] = weights[row, last]
                codes[row, last] = NO_CODE
            return


@kernel_inner
def scale(weights, factor):
    """Weights *= factor, of all rows."""
    for row in range(weights.shape[0]):
        for at in range(weights.shape[1]):
            weights[row, at] *= factor


@kernel
def clear(codes, row):
    """Forget a row."""
    for at in range(codes.shape[1]):
        if codes[row, at] == NO_CODE:
            return
        codes[row, at] = NO_CODE
