"""A guard against leaks: slates that are asked for before the answer is handed to the engine.

`Engine.learn` judges an event that it holds in its hands; it promises not to look. `Engine.recommend` is asked before
the event is there, so it cannot look. Where both see the same query, the judged rank must not be better than the place
in the blind slate: if it is, something of the answer has reached the ranking, and every figure is worthless.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TOLERANCE = 1e-4
"""Scores so near (relative to their size) are ties: the two ways add up floats in different orders."""


class LeakError(RuntimeError):
    """Judged ranks are better than blind slates allow: a bug in the engine; no figure of the run holds."""


@dataclass(slots=True)
class BlindCheck:
    """Compares judged ranks with blind slates.

    Attributes:
        n_compared: queries.
        n_better: of them the judged rank was better than possible.
        n_worse: it was worse, as a removed candidate or a filled slate may make it.
    """

    n_compared: int = 0
    n_better: int = 0
    n_worse: int = 0

    def compare(self, target: str, rank: int, items: Sequence[str], scores: Sequence[float]) -> None:
        """One query.

        Args:
            target: what came next.
            rank: as judged; 0 = miss.
            items: the blind slate.
            scores: its scores, descending.
        """
        self.n_compared += 1
        if target in items:
            score = scores[items.index(target)]
            margin = TOLERANCE * (1.0 + abs(score))
            above = sum(other > score + margin for other in scores)
            level = sum(other >= score - margin for other in scores)
            self.n_better += 0 < rank <= above
            self.n_worse += rank == 0 or (rank > level and level < len(scores))
        elif 0 < rank <= len(items):
            margin = TOLERANCE * (1.0 + abs(scores[-1]))
            above = sum(other > scores[-1] + margin for other in scores)
            self.n_better += rank <= above

    def verdict(self) -> None:
        """Accept the run.

        Raises:
            LeakError: a judged rank was better than possible.
        """
        if self.n_better:
            raise LeakError(
                f"in {self.n_better:,} of {self.n_compared:,} compared queries the judged rank is better than the "
                "place in a slate that was made before the event came: the engine sees answers, no figure holds"
            )
