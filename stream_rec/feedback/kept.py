"""What the tests for lasting changes have learned, as it is kept: plain values, of which each can be made again."""

from __future__ import annotations

import msgspec

Floats = tuple[float, ...]


class KeptScale(msgspec.Struct, frozen=True, array_like=True):
    """Of `normal_level._Scale`."""

    n: int
    variance: float
    lows: Floats
    highs: Floats
    total: float
    filled: int


class KeptLevel(msgspec.Struct, frozen=True, array_like=True):
    """Of `normal_level._Level`."""

    mean: float
    n: int
    read: int
    scales: tuple[KeptScale, ...]


class KeptNormal(msgspec.Struct, frozen=True, array_like=True):
    """Of `normal_level.NormalLevel`."""

    n_young: int
    level: KeptLevel
    heir: KeptLevel | None


class KeptSide(msgspec.Struct, frozen=True, array_like=True):
    """Of `season._Side`."""

    sum: float
    level: float
    expected: float
    n: int


class KeptSeason(msgspec.Struct, frozen=True, array_like=True):
    """Of `season.SeasonTest` and its `Season`."""

    means: Floats
    weeks: tuple[int, ...]
    hour: int
    sum: float
    n: int
    normal: KeptNormal
    waiting: Floats
    sides: tuple[KeptSide, KeptSide]


class KeptTest(msgspec.Struct, frozen=True, array_like=True):
    """Of `drift.LevelTest`."""

    n_values: int
    normal: KeptNormal
    season: KeptSeason
    sums: Floats
    n_blocks: int
    in_block: int
    sum: float
    silent: int
