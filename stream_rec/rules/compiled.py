"""A scenario's rules at work: what they say of every item, by row; and what they read of items."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stream_rec.rules.program import Program, Verdicts
from stream_rec.schemas.scenario import Scenario


class Attributes(Protocol):
    """What is known of the items in rows."""

    @property
    def version(self) -> int:
        """Grows with every change."""

    def changed_since(self, version: int) -> NDArray[np.int64]:
        """Rows that changed since then, ascending."""

    def of(self, row: int, names: Collection[str] | None = None) -> dict[str, object]:
        """What rules read of the item in a row, at least these names; None = all."""


@dataclass(slots=True, eq=False)
class Compiled:
    """A scenario's masks.

    Attributes:
        name: of the scenario.
        scenario: as it was applied.
        program: what it asks.
        number: its bit.
        boosts: float32 [items] or [0].
        promoted: uint8 [items] or [0].
        order: float32 [items] or [0], NaN = not in the leaderboard.
        columns: of what each cap counts.
        version: grows with every change of its masks; no other rule set has ever had it.
    """

    name: str
    scenario: Scenario
    program: Program
    number: int
    boosts: NDArray[np.float32]
    promoted: NDArray[np.uint8]
    order: NDArray[np.float32]
    columns: tuple[int, ...]
    version: int

    def note(self, rows: NDArray[np.int64], verdicts: Verdicts) -> None:
        """What the rules say of the items in rows, but whether they may be shown."""
        if len(self.boosts):
            self.boosts[rows] = verdicts.boosts
        if len(self.promoted):
            self.promoted[rows] = verdicts.promotions
        if len(self.order):
            self.order[rows] = verdicts.order
        self.version += len(rows)
