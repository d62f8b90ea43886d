"""What was popular at some moments: events that weigh less the older they are, by item, in one pass of Spark."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rec.batch.order import HALF_LIVES_DAYS, standardised
from stream_rec.batch.spark import part

_DAY = 86_400e6
"""Microseconds."""


class Popularity:
    """Of an item, at a moment: the sum of `weight * 2 ** (-age / half-life)` of its events before the moment.

    An item's sums between two moments come to the driver, which keeps 4 bytes of an item for each moment and half-life.

    Args:
        events: DataFrame with `item_id`, `ts` and `weight`.
        moments: microseconds since the epoch, ascending.
    """

    def __init__(self, events: Any, moments: Sequence[int]) -> None:
        self._place: dict[str, int] = {}
        cells, sums = array("q"), array("d")
        for item, stretch, *told in _sums(events, moments).toLocalIterator():
            cells.extend((stretch, self._place.setdefault(item, len(self._place))))
            sums.extend(told)
        stretches, places = np.array(cells, np.int64).reshape(-1, 2).T
        by_stretch = np.zeros((len(moments), len(HALF_LIVES_DAYS), len(self._place)), np.float32)
        by_stretch[stretches, :, places] = np.array(sums).reshape(-1, len(HALF_LIVES_DAYS))
        self._values = by_stretch
        for at in range(1, len(moments)):
            days = (moments[at] - moments[at - 1]) / _DAY
            fade = np.exp2(-days / np.array(HALF_LIVES_DAYS)).astype(np.float32)
            self._values[at] += self._values[at - 1] * fade[:, None]

    def of(self, items: Sequence[str], moments: slice) -> NDArray[np.float32]:
        """Of n items that have events, standardised over them: [moments, half-lives, n].

        Raises:
            KeyError: an item has none.
        """
        places = [self._place[item] for item in items]
        return standardised(self._values[moments][..., places])


def _sums(events: Any, moments: Sequence[int]) -> Any:
    """item_id, stretch = how many moments are over, and a sum by half-life as of the next one."""
    functions = part("sql.functions")
    micros, stretch = functions.unix_micros("ts"), functions.col("stretch")
    over = reduce(add, [(micros >= moment).cast("int") for moment in moments])
    ends = functions.array(*[functions.lit(moment) for moment in moments])
    age_days = (functions.element_at(ends, stretch + 1) - micros) / _DAY
    sums = [
        functions.sum(functions.col("weight") * functions.pow(functions.lit(2.0), -age_days / half_life))
        for half_life in HALF_LIVES_DAYS
    ]
    before_last = events.withColumn("stretch", over).where(stretch < len(moments))
    return before_last.groupBy("item_id", "stretch").agg(*sums)
