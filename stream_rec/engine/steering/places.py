"""Rules of places as kernels read them: caps, slots that items are kept out of, promotions, floors."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from stream_rec.rules.compiled import Compiled
from stream_rec.schemas.scenario import Promotion, Scenario

N_OF_FLOOR = 64
"""Items that a floor has beside the candidates."""
_ALL_SLATES = 65_536


NO_FLOOR_ROWS: NDArray[np.int32] = np.zeros((0, 2), np.int32)


def floor_bits(scenario: Scenario) -> range:
    """Of `Masks.promoted`: behind those of the promotions."""
    return range(len(scenario.promotions), len(scenario.promotions) + len(scenario.floors))


def floors_of(scenario: Scenario, k: int) -> NDArray[np.int32]:
    """`Scene.floors` of a slate of k places: a shorter one than the scenario's owes no more than it has."""
    found = np.zeros((len(scenario.floors), 4), np.int32)
    for at, (bit, floor) in enumerate(zip(floor_bits(scenario), scenario.floors, strict=True)):
        within = min(floor.within or k, k)
        found[at] = bit, min(floor.places, within), within, max(1, round(floor.slates * _ALL_SLATES))
    return found


def table_of_floors(lists: Iterable[tuple[int, NDArray[np.int32]]]) -> NDArray[np.int32]:
    """`Scene.floor_rows` of each floor's bit and rows."""
    found = [np.column_stack((np.full(len(rows), bit, np.int32), rows)) for bit, rows in lists]
    return np.ascontiguousarray(np.concatenate([NO_FLOOR_ROWS, *found]))


def promotion_slots(
    scenario: Scenario, k: int, now: float, is_due: Callable[[Promotion, float], bool]
) -> NDArray[np.int8]:
    """Which promotion each place belongs to: its share of them, evenly spread, those named first before others."""
    slots = np.zeros(k, np.int8)
    for p, promotion in enumerate(scenario.promotions):
        if now < promotion.valid_from or (promotion.valid_until and now >= promotion.valid_until):
            continue
        if not is_due(promotion, now):
            continue
        n = max(1, round(promotion.share * k))
        for at in (np.arange(n) * k // n).tolist():
            free = next((slot for slot in (*range(at, k), *range(at)) if slots[slot] == 0), None)
            if free is not None:
                slots[free] = p + 1
    return slots


def caps_of(compiled: Compiled) -> NDArray[np.int32]:
    """`Scene.caps`."""
    columns = zip(compiled.columns, compiled.scenario.caps, strict=True)
    return table([[column, cap.n, cap.window, cap.kind == "hard"] for column, cap in columns], 4)


def kept_out(scenario: Scenario) -> list[tuple[int, str]]:
    """Slots from 1 and the items that must not stand there."""
    return [(slot, item) for hide in scenario.hides for slot in hide.slots for item in hide.items]


def table(rows: list[list[int]], width: int) -> NDArray[np.int32]:
    """[rows, width], of none as well."""
    return np.array(rows, np.int32).reshape(len(rows), width)
