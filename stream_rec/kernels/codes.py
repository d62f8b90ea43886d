"""Item codes: a row and the generation of what stands in it, in one int32.

A row whose item was evicted is given to another item with the next generation, so every reference that other items
and users still hold to the old one is seen to be stale by one comparison, and nothing has to be swept.

Bits 0-23 row, 24-29 generation; bit 30 is free for the owner of a reference (histories mark session starts with it).
Generations run from 1 to 63 and round again, so 0 is no code and an array of zeros is an array of nothing.
"""

from __future__ import annotations

import numpy as np

from stream_rec.kernels.compile import kernel

ROW_MASK = 0xFFFFFF
LAST_GENERATION = 63
CODE_MASK = 0x3FFFFFFF
SESSION_START = 0x40000000
NO_CODE = 0


@kernel
def code_of(row, generation):
    """The code of what stands in a row now."""
    return np.int32(row | (np.int32(generation[row]) << 24))


@kernel
def is_current(code, generation):
    """Does the code still mean what stands in its row?"""
    return (code >> 24) & 63 == np.int32(generation[code & ROW_MASK])
