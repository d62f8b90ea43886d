"""Masks over item rows, for all scenarios: compiled in bounded portions, kept up to date, never waited for."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import repeat

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from stream_rec.rules.cap_values import CapValues
from stream_rec.rules.compiled import Attributes, Compiled
from stream_rec.rules.passes import Pass, Passes
from stream_rec.rules.program import Program
from stream_rec.schemas.expressions import BadExpression, Subjects
from stream_rec.schemas.scenario import Scenario

NO_NUMBER = -1
"""Of a scenario that asks nothing of any item."""
MAX_NUMBERS = 64
"""Versions of scenarios that masks are held for at once: one bit each."""
MAX_MOVED = 100_000
"""Items that filters have said something new of, and that nobody has asked about yet."""
MAX_MOVED_AT_ONCE = 10_000
"""Of one scenario, in one slice."""
PORTION = 192
"""Evaluations of one rule set for one item at a time: about a quarter of a millisecond."""
READING = 10
"""Evaluations that reading an item costs as much as."""


class RuleMasks:
    """Masks of the scenarios in force, and of those that are being compiled. One thread of control.

    A scenario that is applied again keeps its old masks until the new ones are complete; one that is new shows nothing
    that a filter could forbid until then. Where no rule changes that asks something of items, the masks stay, and what
    was applied is in force at once.

    Rows that changed are evaluated before anything else, the others by `passes`. A version that is being compiled is
    completed before a later one of the same scenario is begun, so rules that change all the time come into force, too.

    Args:
        max_items: rows.
        attributes: of items.
        generation: uint8 [items], of what stands in rows: what was evaluated for another item says nothing.
    """

    def __init__(self, max_items: int, attributes: Attributes, generation: NDArray[np.uint8]) -> None:
        self._n = max_items
        self._attributes = attributes
        self._generation = generation
        self.bits: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self.evaluated: NDArray[np.uint8] = np.zeros(0, np.uint8)
        self._counted = CapValues(max_items)
        self._in_force: dict[str, Compiled] = {}
        self._next: dict[str, Compiled] = {}
        self._after: dict[str, Program] = {}
        """Versions that are begun when the one in `_next` is complete."""
        self._passes = Passes()
        self._dirty: deque[int] = deque()
        self._is_dirty = np.zeros(max_items, np.bool_)
        self._seen_version = 0
        self._n_sets = 0
        self._tail = 0
        self._tail_of: list[str] | None = None
        """Scenarios whose tail has yet to be told; None = of all."""
        self._moved: deque[tuple[str, int, bool]] = deque(maxlen=MAX_MOVED)
        self._free = list(range(MAX_NUMBERS - 1, -1, -1))

    def apply(self, scenarios: Mapping[str, Scenario]) -> dict[str, str]:
        """These scenarios are wanted, and no others; those that have not changed stay as they are.

        Returns:
            What is wrong with those that cannot be compiled, by name: they show nothing.

        Raises:
            ValueError: more are compiled at once than there are bits.
        """
        faults: dict[str, str] = {}
        begun: list[Compiled] = []
        for name in {**self._in_force, **self._next}:
            if name not in scenarios:
                self._forget(name)
        for name, scenario in scenarios.items():
            if scenario == self._wanted(name):
                continue
            try:
                program = Program(scenario)
            except BadExpression as error:
                faults[name] = str(error)
                program = Program(
                    structs.replace(scenario, filter="false", boosts=(), promotions=(), order_by="")
                )
            begun += self._change(name, program)
        self._passes.begin(begun)
        return faults

    @property
    def values(self) -> NDArray[np.int32]:
        """What caps count, as in `CapValues`."""
        return self._counted.values

    def _wanted(self, name: str) -> Scenario | None:
        """What was applied last."""
        latest = self._after.get(name)
        if latest is not None:
            return latest.scenario
        compiled = self._next.get(name) or self._in_force.get(name)
        return None if compiled is None else compiled.scenario

    def of(self, name: str) -> Compiled | None:
        """A scenario as it is in force now; None = it has no rules that ask anything of items yet."""
        return self._in_force.get(name) or self._next.get(name)

    def is_in_force(self, name: str) -> bool:
        """Were the rules of this name complete, at least once since it was applied first?"""
        return name in self._in_force

    def is_pending(self, name: str) -> bool:
        """Is a later version of the scenario being compiled?"""
        return name in self._next

    def tail_from(self, version: int) -> None:
        """Rows that changed after this version of the attributes did so while nobody kept masks."""
        self._tail = version

    def take_moved(self) -> list[tuple[str, int, bool]]:
        """Scenario, row, and may it be shown now: what the filters in force have said anew since the last call.

        The first time all of the tail that is not let through: whatever was said of it before. At most MAX_MOVED.
        """
        found = list(self._moved)
        self._moved.clear()
        return found

    @property
    def is_compiling(self) -> bool:
        """Are there rules that are still to come into force?"""
        return bool(self._next)

    @property
    def is_behind(self) -> bool:
        """Is there anything to compile?"""
        return bool(self._next or self._dirty or self._attributes.version != self._seen_version)

    def compile(self, n_rows: int, n_evaluations: int = PORTION) -> bool:
        """One portion; is there more?

        Args:
            n_rows: rows ever taken.
            n_evaluations: of one rule set for one item, at most (of one item at least).
        """
        self._note_changes()
        left = n_evaluations
        while left > 0 and self._dirty:
            sets = self._all()
            n = min(len(self._dirty), _items_for(left, sets))
            rows = np.array([self._dirty.popleft() for _ in range(n)], np.int64)
            self._is_dirty[rows] = False
            left -= self._evaluate(rows, sets, self._counted.attributes)
        if left > 0 and not self._dirty and (due := self._passes.next()) is not None:
            rows = np.arange(due.at, min(due.at + _items_for(left, due.sets), n_rows), dtype=np.int64)
            if len(rows):
                self._evaluate(rows, due.sets, self._counted.incomplete)
                due.at += len(rows)
            else:
                self._finish(due)
        return self.is_behind or bool(self._passes) or self._note_tail()

    def _note_tail(self) -> bool:
        """What the filter of one scenario stops of the tail; is there another?"""
        if self._tail_of is None:
            self._tail_of = [name for name, each in self._in_force.items() if each.program.filters]
        if self._tail_of:
            name = self._tail_of.pop()
            if (compiled := self._in_force.get(name)) is not None:
                rows = self._attributes.changed_since(self._tail)
                self._note_moves(name, rows[~self._lets_through(compiled, rows)], False)
        return bool(self._tail_of)

    def _note_moves(self, name: str, rows: NDArray[np.int64], shown: bool) -> None:
        """The later ones, as many as leave room for other scenarios."""
        self._moved.extend(zip(repeat(name), rows[-MAX_MOVED_AT_ONCE:].tolist(), repeat(shown)))

    def renew(self, generation: NDArray[np.uint8]) -> None:
        """The rows' generations stand in another array now."""
        self._generation = generation

    def reevaluate(self) -> None:
        """Time has passed: what goes by an item's age is evaluated again for all items, slice by slice."""
        self._passes.begin_again([each for each in self._in_force.values() if each.program.moves])

    def _all(self) -> list[Compiled]:
        """The rule sets that ask something of items."""
        return [each for each in (*self._in_force.values(), *self._next.values()) if each.number != NO_NUMBER]

    def _note_changes(self) -> None:
        version = self._attributes.version
        if version == self._seen_version:
            return
        if self._all():
            rows = self._attributes.changed_since(self._seen_version)
            rows = rows[~self._is_dirty[rows]]
            self._is_dirty[rows] = True
            self._dirty.extend(rows.tolist())
        self._seen_version = version

    def _change(self, name: str, program: Program) -> list[Compiled]:
        """A version of a scenario was applied; what is to be compiled for it now."""
        in_force, under_way = self._in_force.get(name), self._next.get(name)
        self._after.pop(name, None)
        if in_force is not None and in_force.program.asks == program.asks:
            self._drop(self._next, name)
            self._adopt(in_force, program)
        elif under_way is None or not program.asks_of_items:
            self._drop(self._next, name)
            return self._begin(name, program)
        elif under_way.program.asks == program.asks:
            self._adopt(under_way, program)
        else:
            self._after[name] = program
        return []

    def _adopt(self, compiled: Compiled, program: Program) -> None:
        """Its masks are those of another version, too, which asks the same of items."""
        compiled.program, compiled.scenario = program, program.scenario
        compiled.version = self._next_version()

    def _begin(self, name: str, program: Program) -> list[Compiled]:
        """What is to be compiled; nothing if it asks nothing of items, which is in force at once."""
        scenario = program.scenario
        asks = program.asks_of_items
        if asks and not self._all():
            self._seen_version = self._attributes.version  # the pass over all rows is to come
            self._counted.doubt()
            self._make_room()
        compiled = Compiled(
            name,
            scenario,
            program,
            self._take_number(name) if asks else NO_NUMBER,
            np.zeros(self._n if program.boosts else 0, np.float32),
            np.zeros(self._n if program.promotes else 0, np.uint8),
            np.full(self._n if program.orders else 0, np.nan, np.float32),
            tuple(self._counted.column(cap.attribute) for cap in scenario.caps),
            self._next_version(),
        )
        if not asks:
            self._put_in_force(name, compiled)
            return []
        self._next[name] = compiled
        return [compiled]

    def _finish(self, done: Pass) -> None:
        """One rule set of a pass that is through comes into force, and its next version is begun."""
        compiled = done.sets.pop(0)
        if done.is_again:
            done.sets.clear()
            return
        name = compiled.name
        self._counted.complete([cap.attribute for cap in compiled.scenario.caps])
        self._put_in_force(name, self._next.pop(name))
        after = self._after.pop(name, None)
        if after is not None:
            self._passes.begin(self._begin(name, after))

    def _put_in_force(self, name: str, compiled: Compiled) -> None:
        """In place of the rule set before, of which it is noted what it had not let through, and this one does."""
        old = self._in_force.get(name)
        if old is not None and old.program.filters:
            rows = np.flatnonzero(self.evaluated)
            rows = rows[~self._lets_through(old, rows) & self._lets_through(compiled, rows)]
            self._note_moves(name, rows, True)
        self._drop(self._in_force, name)
        self._in_force[name] = compiled

    def through(self, rows: NDArray[np.int64]) -> dict[str, NDArray[np.bool_]]:
        """Of each scenario in force that filters: which of these rows it lets through; bool [rows]."""
        return {
            name: self._lets_through(compiled, rows)
            for name, compiled in self._in_force.items()
            if compiled.program.filters
        }

    def _lets_through(self, compiled: Compiled, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        if not compiled.program.filters:
            return np.ones(len(rows), np.bool_)
        bits = (self.bits[rows] >> np.uint64(compiled.number)) & np.uint64(1)
        through: NDArray[np.bool_] = (bits == 1) & (self.evaluated[rows] == self._generation[rows])
        return through

    def _forget(self, name: str) -> None:
        """A scenario was removed."""
        self._drop(self._in_force, name)
        self._drop(self._next, name)
        self._after.pop(name, None)

    def _drop(self, among: dict[str, Compiled], name: str) -> None:
        gone = among.pop(name, None)
        if gone is None:
            return
        if gone.number == NO_NUMBER:
            return
        self.bits &= ~np.uint64(1 << gone.number)
        self._free.append(gone.number)
        self._passes.drop(gone)

    def _next_version(self) -> int:
        """So that no two rule sets ever have the same one."""
        self._n_sets += 1
        return self._n_sets << 40

    def _take_number(self, name: str) -> int:
        """A free bit; without one the scenario's old rules give theirs up: it shows nothing until it is compiled."""
        if not self._free:
            self._drop(self._in_force, name)
        if not self._free:
            raise ValueError(f"more than {MAX_NUMBERS} scenarios have rules at once")
        return self._free.pop()

    def _make_room(self) -> None:
        if not len(self.bits):
            self.bits = np.zeros(self._n, np.uint64)
            self.evaluated = np.zeros(self._n, np.uint8)

    def _evaluate(self, rows: NDArray[np.int64], sets: list[Compiled], counted: frozenset[str]) -> int:
        """What the rules say of the items in rows; how many evaluations that was.

        Of items that are known, and have not changed where not all sets are asked, no more is read than these sets ask.
        Of an item that stood in a row before, no rule set's verdict stays: all are asked. It may have been shown, and
        so may the one that comes, if it was evicted, too.
        """
        of, now = self.evaluated[rows], self._generation[rows]
        self.evaluated[rows] = now
        known, replaced, new = rows[of == now], rows[(of != now) & (of != 0)], rows[(of != now) & (of == 0)]
        n = 0
        if len(known):
            n += self._judge(known, sets, self.bits[known], self.bits[known], counted)
        if len(replaced):
            nothing = np.zeros(len(replaced), np.uint64)
            n += self._judge(replaced, self._all(), nothing, ~nothing, self._counted.attributes)
        if len(new):
            nothing = np.zeros(len(new), np.uint64)
            n += self._judge(new, self._all(), nothing, None, self._counted.attributes)
        return n

    def _judge(
        self,
        rows: NDArray[np.int64],
        sets: list[Compiled],
        bits: NDArray[np.uint64],
        before: NDArray[np.uint64] | None,
        counted: frozenset[str],
    ) -> int:
        """Ask these rule sets about the items in rows.

        Args:
            rows: [n].
            sets: that are asked.
            bits: [n], what others have said.
            before: [n], what readers went by: where a filter in force says something else now, that is told. None =
                they have seen none of these items.
            counted: attributes that are noted for caps.
        """
        read = frozenset(name for each in sets for name in each.program.names)
        items = [self._attributes.of(row, read | counted) for row in rows.tolist()]
        self._counted.note(rows, items, counted)
        subjects = Subjects(items, read)
        for compiled in sets:
            verdicts, bit = compiled.program.judge(subjects), np.uint64(1 << compiled.number)
            filters = compiled.program.filters and self._in_force.get(compiled.name) is compiled
            if filters and before is not None:
                moved = ((before & bit) != 0) != verdicts.may_be_shown
                shown = verdicts.may_be_shown[moved].tolist()
                self._moved.extend(zip(repeat(compiled.name), rows[moved].tolist(), shown))
            bits = np.where(verdicts.may_be_shown, bits | bit, bits & ~bit)
            compiled.note(rows, verdicts)
        self.bits[rows] = bits
        return len(rows) * (len(sets) + READING)


def _items_for(n_evaluations: int, sets: list[Compiled]) -> int:
    """How many items these sets can be asked about."""
    return max(1, n_evaluations // (len(sets) + READING))
