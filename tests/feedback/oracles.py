"""Slow, obvious twins of the measuring kernels: lists and dicts, no bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class Shown:
    """An impression and what was credited to it."""

    user: int
    items: list[int]
    ts: float
    cell: tuple[int, int, int]
    clicked: set[int] = field(default_factory=set)
    converted: set[int] = field(default_factory=set)


@dataclass
class Done:
    """An interaction."""

    user: int
    item: int
    ts: float
    value: float
    converts: bool
    dwells: bool
    joined: bool = False


@dataclass
class SlowAttribution:
    """Attribution by looking through everything."""

    window: float
    shown: list[Shown] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)
    uses: dict[int, int] = field(default_factory=dict)
    sums: dict[tuple[int, int, int], dict[str, float]] = field(default_factory=dict)

    def expose(self, user: int, items: list[int], ts: float, cell: tuple[int, int, int]) -> None:
        impression = Shown(user, items, ts, cell)
        sums = self.sums.setdefault(cell, {})
        _add(sums, "impressions", 1)
        _add(sums, "places", len(items))
        everything = sum(self.uses.values()) + len(self.uses) + 1
        for item in items:
            _add(sums, "bits", -math.log2((self.uses.get(item, 0) + 1) / everything))
        self.shown.append(impression)
        for interaction in reversed([d for d in self.done if d.user == user]):
            after = interaction.ts - ts
            if after < -self.window:
                break
            if 0 <= after <= self.window and not interaction.joined and interaction.item in items:
                self._credit(impression, interaction)

    def interact(self, interaction: Done) -> int:
        self.uses[interaction.item] = self.uses.get(interaction.item, 0) + 1
        self.done.append(interaction)
        best: Shown | None = None
        for impression in reversed([s for s in self.shown if s.user == interaction.user]):
            age = interaction.ts - impression.ts
            if age > 2 * self.window:
                break
            is_later = best is None or impression.ts > best.ts
            if 0 <= age <= self.window and is_later and interaction.item in impression.items:
                best = impression
        if best is None:
            return 0
        self._credit(best, interaction)
        return best.items.index(interaction.item) + 1

    def _credit(self, impression: Shown, interaction: Done) -> None:
        interaction.joined = True
        sums = self.sums[impression.cell]
        place = impression.items.index(interaction.item)
        if not impression.clicked:
            _add(sums, "clicked_impressions", 1)
        if place not in impression.clicked:
            _add(sums, "clicked_places", 1)
            _add(sums, "click_ranks", place + 1)
        impression.clicked.add(place)
        if interaction.converts and place not in impression.converted:
            impression.converted.add(place)
            _add(sums, "conversions", 1)
            if not math.isnan(interaction.value):
                _add(sums, "conversion_value", max(interaction.value, 0.0))
                _add(sums, "refund_value", max(-interaction.value, 0.0))
        if interaction.dwells and interaction.value >= 0:
            _add(sums, "dwell_seconds", interaction.value)


def _add(sums: dict[str, float], name: str, value: float) -> None:
    sums[name] = sums.get(name, 0.0) + value
