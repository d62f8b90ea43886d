"""JSON, byte by byte: texts, numbers with a few decimals, and what was written beforehand.

Every kernel puts its bytes into `out` from place `at` on and returns the place behind them; `out` is long enough, which
is the caller's care. Texts are escaped as RFC 8259, section 7, asks for; all that may stand as it is does.
"""

from __future__ import annotations

import numpy as np

from stream_rec.kernels.compile import kernel, kernel_inner

ESCAPED_BYTES = 6
"""That one byte of a text can become."""
NUMBER_BYTES = 24
"""That a number takes at most."""
TOO_LARGE = 1e12
"""Numbers from here on, and those that are none, are not written."""

_QUOTE, _BACKSLASH, _SPACE = 0x22, 0x5C, 0x20
_ZERO, _MINUS, _POINT = 0x30, 0x2D, 0x2E


@kernel
def put(out, at, words, number):
    """One of the texts of an IdColumn, as it is."""
    start = words.ends[number - 1] if number else np.int64(0)
    for i in range(start, words.ends[number]):
        out[at] = words.data[i]
        at += 1
    return at


@kernel
def put_text(out, at, data, start, end):
    """data[start:end], which is UTF-8, in quotes."""
    out[at] = _QUOTE
    at += 1
    for i in range(start, end):
        byte = data[i]
        if byte in (_QUOTE, _BACKSLASH):
            out[at] = _BACKSLASH
            out[at + 1] = byte
            at += 2
        elif byte >= _SPACE:
            out[at] = byte
            at += 1
        else:
            at = _put_control(out, at, byte)
    out[at] = _QUOTE
    return at + 1


@kernel_inner
def _put_control(out, at, byte):
    out[at] = _BACKSLASH
    letter = 0
    if byte == 8:
        letter = 0x62  # b
    elif byte == 9:
        letter = 0x74  # t
    elif byte == 10:
        letter = 0x6E  # n
    elif byte == 12:
        letter = 0x66  # f
    elif byte == 13:
        letter = 0x72  # r
    if letter:
        out[at + 1] = letter
        return at + 2
    out[at + 1] = 0x75  # u
    out[at + 2] = _ZERO
    out[at + 3] = _ZERO
    out[at + 4] = _ZERO + (byte >> 4)
    low = byte & 15
    out[at + 5] = _ZERO + low if low < 10 else 0x61 + low - 10
    return at + ESCAPED_BYTES


@kernel
def put_number(out, at, value, decimals):
    """A number, rounded half to even; at least one decimal, and no zeros behind the last one that counts.

    Its size must be below TOO_LARGE.
    """
    scale = np.int64(10) ** decimals
    whole = np.int64(np.rint(np.float64(value) * scale))
    if whole < 0:
        out[at] = _MINUS
        at += 1
        whole = -whole
    rest = whole % scale
    at = _put_digits(out, at, whole // scale)
    out[at] = _POINT
    at += 1
    while True:
        scale //= 10
        out[at] = _ZERO + rest // scale
        at += 1
        rest %= scale
        if rest == 0:
            return at


@kernel_inner
def _put_digits(out, at, value):
    power = np.int64(1)
    while value // power >= 10:
        power *= 10
    while power:
        out[at] = _ZERO + value // power % 10
        at += 1
        power //= 10
    return at
