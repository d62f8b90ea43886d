"""What is known about shown items: how often each is used, and how many different ones a cell has shown."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.kernels.compile import kernel_inner
from stream_rec.kernels.ids import mix
from stream_rec.kernels.records import record

WAYS = 8
"""Slots of a set: an entry may stand in any slot of the set its hash names; the longest untouched makes room."""
N_REGISTERS = 256
"""Registers of a cell's HyperLogLog: standard error 1.04 / sqrt(256) = 6.5 %."""
NO_LABEL = -1
"""The label code of a cell whose label went to another name: it is found and reported no more."""
_REGISTER_SHIFT = np.uint64(56)

TOTALS = record(
    [
        ("interactions", np.int64),  # ever counted
        ("kept_uses", np.int64),  # sum of the uses of the items kept
        ("kept_items", np.int64),
    ]
)


class ItemCounts(NamedTuple):
    """Interactions per item, in sets of WAYS.

    Attributes:
        item: uint64 [sets, WAYS], hash; sets a power of two.
        uses: int64 [sets, WAYS], interactions; 0 = empty slot.
        touched: int64 [sets, WAYS], number of the interaction that touched it last.
        totals: TOTALS [1].
    """

    item: NDArray[np.uint64]
    uses: NDArray[np.int64]
    touched: NDArray[np.int64]
    totals: NDArray[np.void]


class Cells(NamedTuple):
    """Ring of sums, one entry per (partition, window, label code), with B hash chains; see attribution.py.

    Attributes:
        partition: int32 [cells], of the topic `impressions`.
        window: int64 [cells], number of the broker-time window.
        label: int32 [cells], label code, or NO_LABEL.
        sums: float64 [cells, N_SUMS].
        registers: uint8 [cells, N_REGISTERS], HyperLogLog of the items shown.
        before: int64 [cells], chain.
        heads: int64 [B], chain; B a power of two.
        next_number: int64 [1], number of the next cell.
    """

    partition: NDArray[np.int32]
    window: NDArray[np.int64]
    label: NDArray[np.int32]
    sums: NDArray[np.float64]
    registers: NDArray[np.uint8]
    before: NDArray[np.int64]
    heads: NDArray[np.int64]
    next_number: NDArray[np.int64]


@kernel_inner
def find_cell(cells, partition, window, label):
    """Number of the cell of a key; a new, empty one (over the oldest) if there is none."""
    key = mix(
        (np.uint64(window) << np.uint64(24)) ^ (np.uint64(partition) << np.uint64(10)) ^ np.uint64(label)
    )
    bucket = np.int64(key & np.uint64(cells.heads.shape[0] - 1))
    n_cells = cells.window.shape[0]
    newest = cells.next_number[0]
    oldest = max(np.int64(0), newest - n_cells)
    number = cells.heads[bucket]
    while number >= oldest:
        slot = number % n_cells
        if cells.window[slot] == window and cells.partition[slot] == partition and cells.label[slot] == label:
            return number
        number = cells.before[slot]
    slot = newest % n_cells
    cells.partition[slot], cells.window[slot], cells.label[slot] = partition, window, label
    cells.sums[slot, :] = 0.0
    cells.registers[slot, :] = 0
    cells.before[slot], cells.heads[bucket] = cells.heads[bucket], newest
    cells.next_number[0] = newest + 1
    return newest


@kernel_inner
def _set_of(counts, item):
    """Set of an item."""
    return np.int64(mix(item) & np.uint64(counts.item.shape[0] - 1))


@kernel_inner
def count_item(counts, item):
    """One more interaction with an item."""
    totals = counts.totals[0]
    totals.interactions += 1
    now = totals.interactions
    row = _set_of(counts, item)
    oldest = 0
    for way in range(WAYS):
        if counts.uses[row, way] > 0 and counts.item[row, way] == item:
            counts.uses[row, way] += 1
            counts.touched[row, way] = now
            totals.kept_uses += 1
            return
        if counts.touched[row, way] < counts.touched[row, oldest]:
            oldest = way
    if counts.uses[row, oldest] == 0:
        totals.kept_items += 1
    totals.kept_uses += 1 - counts.uses[row, oldest]
    counts.item[row, oldest], counts.uses[row, oldest], counts.touched[row, oldest] = item, 1, now


@kernel_inner
def count_of(counts, item):
    """Interactions with an item; 0 = unknown."""
    row = _set_of(counts, item)
    for way in range(WAYS):
        if counts.item[row, way] == item:
            return counts.uses[row, way]
    return np.int64(0)


@kernel_inner
def describe(counts, registers, items, start, end):
    """Add items[start:end] to a HyperLogLog (Flajolet et al., AofA 2007) and sum their self-information.

    Args:
        counts: read only.
        registers: uint8 [N_REGISTERS], changed in place.
        items: uint64, hashes.
        start: first item.
        end: one past the last.

    Returns:
        Sum of -log2((n_i + 1) / (n + items + 1)) in bits: add-one smoothing, so an unknown item is finite.
    """
    totals = counts.totals[0]
    whole = math.log2(np.float64(totals.kept_uses + totals.kept_items + 1))
    bits = 0.0
    for i in range(start, end):
        bits += whole - math.log2(np.float64(count_of(counts, items[i]) + 1))
        item_hash = mix(items[i])
        register = np.int64(item_hash >> _REGISTER_SHIFT)
        rest = item_hash << np.uint64(8)
        zeros = 1
        while zeros <= 56 and not rest >> np.uint64(63):
            rest <<= np.uint64(1)
            zeros += 1
        if zeros > registers[register]:
            registers[register] = zeros
    return bits
