"""Which rule sets are evaluated for which rows next."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from stream_rec.rules.compiled import Compiled


@dataclass(slots=True)
class Pass:
    """Rule sets that are evaluated for every item, row by row.

    Attributes:
        sets: those that are not through yet.
        is_again: they are in force, and time has passed.
        at: the next row.
    """

    sets: list[Compiled]
    is_again: bool = False
    at: int = 0


class Passes:
    """Rule sets that came together have a pass over all rows, and passes have portions by turns.

    So a change takes twice its own work, and as often more as there are other passes under way, but none waits until
    another is through, and none is held up for good. A rule set is in one pass at most.
    """

    def __init__(self) -> None:
        self._passes: deque[Pass] = deque()

    def begin(self, sets: Sequence[Compiled]) -> None:
        """These are new: the next portion is theirs."""
        if sets:
            self._passes.appendleft(Pass(list(sets)))

    def begin_again(self, sets: Sequence[Compiled]) -> None:
        """These are in force, and to be evaluated again, unless others are still."""
        if sets and not any(each.is_again for each in self._passes):
            self._passes.append(Pass(list(sets), is_again=True))

    def drop(self, compiled: Compiled) -> None:
        """It is wanted no more."""
        for each in self._passes:
            if compiled in each.sets:
                each.sets.remove(compiled)

    def next(self) -> Pass | None:
        """Whose turn it is: of it, one portion, or the end of one rule set. None = all are through."""
        while self._passes and not self._passes[0].sets:
            self._passes.popleft()
        if not self._passes:
            return None
        self._passes.rotate(-1)
        return self._passes[-1]

    def __bool__(self) -> bool:
        return any(each.sets for each in self._passes)
