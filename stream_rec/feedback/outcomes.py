"""From the sums of attribution to metric points: CTR, rank of click, conversion, dwell, novelty and coverage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

import numpy as np
from numpy.typing import NDArray

from stream_rec.feedback.attribution import Attribution
from stream_rec.kernels import attribution_state as columns
from stream_rec.kernels.shown import N_REGISTERS, NO_LABEL, Cells
from stream_rec.schemas.records import MetricPoint
from stream_rec.settings import MeasureSettings
from stream_rec.telemetry.labels import MAX_NAMES, NameKind, scenario_of

RATES = (
    ("ctr", columns.CLICKED_IMPRESSIONS, columns.IMPRESSIONS),
    ("place_ctr", columns.CLICKED_PLACES, columns.PLACES),
    ("click_rank", columns.CLICK_RANKS, columns.CLICKED_PLACES),
    ("conversion_rate", columns.CONVERSIONS, columns.IMPRESSIONS),
    ("conversion_value", columns.CONVERSION_VALUE, columns.VALUED_CONVERSIONS),
    ("refund_value", columns.REFUND_VALUE, columns.VALUED_CONVERSIONS),
    ("dwell_seconds", columns.DWELL_SECONDS, columns.DWELLS),
    ("novelty_bits", columns.NOVELTY_BITS, columns.PLACES),
    ("impressions_cut_short", columns.CUT_SHORT, columns.IMPRESSIONS),
)
"""Metric, numerator, denominator."""
TOPIC = "impressions"


def distinct(registers: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How many different items [n] the HyperLogLog registers [n, N_REGISTERS] have seen, within about 6.5 %."""
    scale = 0.7213 / (1 + 1.079 / N_REGISTERS) * N_REGISTERS**2
    estimate = scale / np.exp2(-registers.astype(np.float64)).sum(axis=1)
    empty = (registers == 0).sum(axis=1)
    linear = N_REGISTERS * np.log(N_REGISTERS / np.maximum(empty, 1))
    return np.asarray(np.where((estimate <= 2.5 * N_REGISTERS) & (empty > 0), linear, estimate))


class Outcomes:
    """Changes in the cells of the partitions owned here, as points and as running totals.

    The cells are engine state and the same in every replica, so after a crash or a handover the next owner writes the
    same points again, complete.

    Args:
        settings: window length and number of cells.
    """

    def __init__(self, settings: MeasureSettings) -> None:
        n = settings.max_outcome_cells
        self._seconds = settings.window_seconds
        self._recent_windows = 1 + int(settings.attribution_window_seconds // settings.window_seconds)
        self._sent = _LastSeen(n)
        self._counted = _LastSeen(n)
        self._totals: NDArray[np.float64] = np.zeros((2 * MAX_NAMES**2, columns.N_SUMS))
        self._names: NDArray[np.uint8] | None = None
        self._settled: dict[int, int] = {}  # by owned partition: the last window that was told as settled

    def assign(self, attribution: Attribution, partition: int) -> None:
        """From here on the partition is owned: what it has by now was counted in another worker's totals."""
        slots, numbers = _alive(attribution.state.cells, [partition])
        self._counted.keep(attribution.state.cells, slots, numbers)

    def due(
        self, attribution: Attribution, partitions: Collection[int], catalogue_items: float
    ) -> list[MetricPoint]:
        """Points of all cells of these partitions that have changed since the last call."""
        cells = attribution.state.cells
        self._forget_retired_names(attribution)
        slots, numbers = _alive(cells, partitions)
        changed = self._sent.differ(cells, slots, numbers).any(axis=1)
        slots, numbers = slots[changed], numbers[changed]
        np.add.at(self._totals, cells.label[slots], self._counted.differ(cells, slots, numbers))
        points: list[MetricPoint] = []
        shown = distinct(cells.registers[slots])
        for slot, items in zip(slots.tolist(), shown.tolist(), strict=True):
            points.extend(self._points(attribution, slot, items, catalogue_items))
        self._sent.keep(cells, slots, numbers)
        self._counted.keep(cells, slots, numbers)
        return points

    def settled(
        self, attribution: Attribution, partitions: Collection[int]
    ) -> list[tuple[str, int, int, int]]:
        """What cannot change any more, of windows that were not told before, oldest first.

        Of a partition that has just come: from now on.

        Returns:
            Scenario, end of the window in ms, shown slates with a click, shown slates.
        """
        cells = attribution.state.cells
        before, self._settled = self._settled, {}
        shown: Counter[tuple[int, int]] = Counter()
        clicked: Counter[tuple[int, int]] = Counter()
        for partition in partitions:
            slots, _ = _alive(cells, [partition])
            windows = cells.window[slots]
            last = int(windows.max(initial=0)) - self._recent_windows
            told = before.get(partition, last)
            self._settled[partition] = max(told, last)
            for slot in slots[(windows > told) & (windows <= last)].tolist():
                at = int(cells.window[slot]), int(scenario_of(cells.label[slot]))
                shown[at] += int(cells.sums[slot, columns.IMPRESSIONS])
                clicked[at] += int(cells.sums[slot, columns.CLICKED_IMPRESSIONS])
        return [
            (self._name(attribution, at[1]), (at[0] + 1) * self._seconds * 1000, clicked[at], n)
            for at, n in sorted(shown.items())
        ]

    @staticmethod
    def _name(attribution: Attribution, scenario: int) -> str:
        return attribution.names.labels(scenario * 2 * MAX_NAMES)["scenario"]

    def totals(self, attribution: Attribution) -> Iterator[tuple[str, dict[str, str], float, float]]:
        """(metric, labels, numerator, denominator) since the start, for owned partitions."""
        yield from _rates(attribution, np.arange(len(self._totals)), self._totals)

    def recent(
        self, attribution: Attribution, partitions: Collection[int], catalogue_items: float
    ) -> Iterator[tuple[str, dict[str, str], float, float]]:
        """The same over the windows that may still change, and `coverage_recent` of each scenario."""
        cells = attribution.state.cells
        slots, _ = _alive(cells, partitions)
        if not len(slots):
            return
        windows = cells.window[slots]
        slots = slots[windows > windows.max() - self._recent_windows]
        labels, at = np.unique(cells.label[slots], return_inverse=True)
        sums: NDArray[np.float64] = np.zeros((len(labels), columns.N_SUMS))
        np.add.at(sums, at, cells.sums[slots])
        yield from _rates(attribution, labels, sums)
        scenarios = scenario_of(cells.label[slots])
        for scenario in np.unique(scenarios).tolist():
            registers = cells.registers[slots[scenarios == scenario]].max(axis=0, keepdims=True)
            name = self._name(attribution, scenario)
            yield "coverage_recent", {"scenario": name}, float(distinct(registers)[0]), catalogue_items

    def _forget_retired_names(self, attribution: Attribution) -> None:
        """A code that went to another name counts from 0: it is another series."""
        names = attribution.names.table
        if self._names is not None:
            changed = (names != self._names).any(axis=2)
            totals = self._totals.reshape(MAX_NAMES, MAX_NAMES, 2, columns.N_SUMS)
            totals[changed[NameKind.SCENARIO]] = 0.0
            totals[:, changed[NameKind.VARIANT]] = 0.0
        self._names = names.copy()

    def _points(
        self, attribution: Attribution, slot: int, items: float, catalogue_items: float
    ) -> Iterator[MetricPoint]:
        cells = attribution.state.cells
        start = int(cells.window[slot]) * self._seconds * 1000
        partition = int(cells.partition[slot])
        labels = attribution.names.labels(int(cells.label[slot]))
        for metric, above, below in RATES:
            numerator, denominator = cells.sums[slot, above], cells.sums[slot, below]
            if denominator:
                yield MetricPoint(
                    metric,
                    labels,
                    start,
                    self._seconds,
                    TOPIC,
                    partition,
                    float(numerator),
                    float(denominator),
                )
        if catalogue_items:
            yield MetricPoint(
                "coverage", labels, start, self._seconds, TOPIC, partition, items, float(catalogue_items)
            )


class _LastSeen:
    """The sums of every cell as they were when they were last looked at."""

    def __init__(self, cells: int) -> None:
        self._numbers: NDArray[np.int64] = np.full(cells, -1, np.int64)
        self._sums: NDArray[np.float64] = np.zeros((cells, columns.N_SUMS))

    def differ(
        self, cells: Cells, slots: NDArray[np.int64], numbers: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Growth since then; a cell that was not seen before has grown from 0."""
        same = (self._numbers[slots] == numbers)[:, None]
        return np.asarray(cells.sums[slots] - np.where(same, self._sums[slots], 0.0))

    def keep(self, cells: Cells, slots: NDArray[np.int64], numbers: NDArray[np.int64]) -> None:
        """Look at cells now."""
        self._numbers[slots] = numbers
        self._sums[slots] = cells.sums[slots]


def _alive(cells: Cells, partitions: Collection[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Slots and numbers of the cells of these partitions, oldest first."""
    n, size = int(cells.next_number[0]), len(cells.window)
    numbers = np.arange(max(0, n - size), n)
    slots = numbers % size
    owned = np.isin(cells.partition[slots], list(partitions)) & (cells.label[slots] != NO_LABEL)
    return slots[owned], numbers[owned]


def _rates(
    attribution: Attribution, codes: NDArray[np.integer], sums: NDArray[np.float64]
) -> Iterator[tuple[str, dict[str, str], float, float]]:
    for code, row in zip(codes.tolist(), sums.tolist(), strict=True):
        if not row[columns.IMPRESSIONS]:
            continue
        labels = attribution.names.labels(code)
        for metric, above, below in RATES:
            yield metric, labels, row[above], row[below]
