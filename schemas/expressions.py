"""Expressions over an item's attributes: CEL (cel.dev), through the binding `common-expression-language`.

Names: `id`, `title`, `tags` (list), `owner`, `owner_items` (how many it has), `price`, `available_from`,
`available_until`, `first_seen` (seconds since the epoch), `age` (seconds of event time), `attributes` (map), and every
attribute of the shop's own under its name.
What an item has not got is null: a comparison with it is an error, and an expression that fails says no.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

ATTRIBUTES = "attributes"
SAMPLE: Mapping[str, Any] = {
    "id": "item",
    "title": "",
    "tags": ["a tag"],
    "owner": "",
    "owner_items": 1.0,
    "price": 1.0,
    "available_from": 0.0,
    "available_until": 0.0,
    "first_seen": 0.0,
    "age": 0.0,
    ATTRIBUTES: {},
}
"""Every name that an item always has, with a value of its type."""
_ALWAYS_THERE = SAMPLE.keys() - {ATTRIBUTES}
_NUMBERS = "price and times are doubles: calculate with 2.0, not with 2; text is compared with text"
MOVING = frozenset({"age", "owner_items"})
"""Names whose values change although nothing was said of the item."""
FUNCTIONS = (
    *("size", "contains", "startsWith", "endsWith", "matches", "has", "all", "exists", "exists_one", "map"),
    *("filter", "int", "uint", "double", "string", "bytes", "type", "timestamp", "duration"),
    *("dyn", "getFullYear", "getMonth", "getDayOfMonth", "getDayOfWeek", "getHours"),
)
"""Those of CEL's that the binding has: it knows no `max`, `min` and `bool` (0.10.0)."""
Wanted = type[bool] | type[float]
MAX_COMPREHENSIONS = 2
"""`all`, `exists`, `map`, `filter`: each goes over a list, and one inside another multiplies."""
_AT = re.compile(r"<input>:(\d+):(\d+): (?:Syntax error: )?(.*)")
_CALLS = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(")
_OPERATOR = re.compile(r"^[_@!\-\[?]")
_PLAIN = (int, float)
_FAILURES = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)


class BadExpression(ValueError):
    """An expression that cannot be evaluated.

    Args:
        said: what is wrong.
        fix: what to write instead; empty = nothing comes to mind.
        at: characters from the beginning to the mistake.
    """

    def __init__(self, said: str, fix: str = "", at: int = 0) -> None:
        super().__init__(f"{said}{f' ({fix})' if fix else ''}")
        self.said, self.fix, self.at = said, fix, at


class Subject:
    """An item as expressions read it: converted once, however many expressions are asked of it.

    Args:
        item: as `ItemAttributes.of` gives it.
        names: every name that one of the expressions reads.
    """

    def __init__(self, item: Mapping[str, Any], names: Iterable[str]) -> None:
        import cel

        own = item[ATTRIBUTES]
        self.item = item
        self.context = cel.Context({name: item.get(name, own.get(name)) for name in names})


@lru_cache(maxsize=1024)
def _compiled(text: str) -> Any:
    """Once for whoever checks a record and for the engine, which then need not wait for it.

    Raises:
        ValueError: it is not CEL.
    """
    # Its package imports a terminal's toolkit, a fifth of a second: only for who has expressions.
    import cel

    return cel.compile(text)


class Expression:
    """A compiled expression.

    Args:
        text: CEL.

    Raises:
        BadExpression: it is not CEL, calls what does not exist, or goes over too many lists.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self._program = _compiled(text)
        except ValueError as error:
            raise _parse_error(text, str(error)) from None
        if len(_CALLS.findall(text)) > MAX_COMPREHENSIONS:
            raise BadExpression(
                f"more than {MAX_COMPREHENSIONS} of all, exists, map and filter",
                "ask with `in`, or name what it asks as an attribute",
            )
        for name in self._program.functions():
            if not _OPERATOR.match(name) and name not in FUNCTIONS:
                raise BadExpression(
                    f"no function is called {name!r}", _did_you_mean(name, FUNCTIONS), max(text.find(name), 0)
                )
        self.names = tuple(self._program.variables())
        self.moves = not MOVING.isdisjoint(self.names)

    def value(self, subject: Subject) -> Any:
        """Of an item; None = it cannot be evaluated for it."""
        try:
            return self._program.execute(subject.context)
        except _FAILURES:
            return None

    def why_not(self, subject: Subject) -> str:
        """Which operation its types do not have, in the binding's words; empty = none, or not this item's fault."""
        try:
            self._program.execute(subject.context)
        except TypeError as error:
            return str(error).partition(". ")[0]
        except _FAILURES:
            pass
        return ""

    def holds(self, subject: Subject) -> bool:
        """Is it true of the item; false if it cannot be evaluated."""
        try:
            return self._program.execute(subject.context) is True
        except _FAILURES:
            return False

    def holding(self, subjects: Sequence[Subject]) -> NDArray[np.bool_]:
        """Bool [n]: of which items is it true; false where it cannot be evaluated."""
        execute = self._program.execute
        found: list[bool] = []
        for subject in subjects:
            try:
                found.append(execute(subject.context) is True)
            except _FAILURES:
                found.append(False)
        return np.array(found, np.bool_)

    def number(self, subject: Subject) -> float:
        """What it gives for the item; NaN if that is no number."""
        value = self.value(subject)
        return float(value) if isinstance(value, _PLAIN) and not isinstance(value, bool) else float("nan")


class Subjects:
    """Items that many rules are asked about: an expression is evaluated once, in however many of them it stands.

    Args:
        items: as `ItemAttributes.of` gives them.
        names: every name that one of the expressions reads.
    """

    def __init__(self, items: Sequence[Mapping[str, Any]], names: Iterable[str]) -> None:
        self._each = [Subject(item, names) for item in items]
        self._holding: dict[str, NDArray[np.bool_]] = {}

    def __len__(self) -> int:
        return len(self._each)

    def holding(self, expression: Expression) -> NDArray[np.bool_]:
        """Bool [n]: of which items is it true; false where it cannot be evaluated. Not to be changed."""
        found = self._holding.get(expression.text)
        if found is None:
            found = self._holding[expression.text] = expression.holding(self._each)
        return found

    def numbers(self, expression: Expression) -> NDArray[np.float32]:
        """Float32 [n]: what it gives for each item; NaN where that is no number."""
        return np.array([expression.number(subject) for subject in self._each], np.float32)

    def among(self, ids: frozenset[str]) -> NDArray[np.bool_]:
        """Bool [n]: which items have one of these ids."""
        return np.array([subject.item.get("id") in ids for subject in self._each], np.bool_)


def check(text: str, wanted: Wanted) -> Expression:
    """Compile an expression, and evaluate it once for an item that has everything.

    Args:
        text: CEL.
        wanted: what it must give: true or false, or a number.

    Raises:
        BadExpression: as for Expression; or it gives something else.
    """
    expression = Expression(text)
    for name in expression.names:
        near = difflib.get_close_matches(name, SAMPLE, n=1, cutoff=0.8)
        if name not in SAMPLE and near:
            raise BadExpression(f"no item has {name!r}", f"did you mean {near[0]!r}?", text.find(name))
    sample = Subject(SAMPLE, expression.names)
    failure, knows_all = expression.why_not(sample), _ALWAYS_THERE.issuperset(expression.names)
    if failure and knows_all:
        raise BadExpression(f"it can be evaluated for no item: {failure}", _NUMBERS)
    value = expression.value(sample)
    if value is None:
        return expression
    is_number = isinstance(value, _PLAIN) and not isinstance(value, bool)
    if wanted is bool and not isinstance(value, bool):
        raise BadExpression("it does not give true or false", "a comparison, such as `price < 100.0`")
    if wanted is float and not is_number:
        raise BadExpression("it does not give a number", "an attribute such as `price`, or a sum")
    return expression


class _Place(NamedTuple):
    line: int
    column: int


def _parse_error(text: str, said: str) -> BadExpression:
    found = _AT.search(said)
    if not found:
        return BadExpression("it is not CEL", "an expression, such as \"'shoes' in tags\"")
    place = _Place(int(found[1]), int(found[2]))
    lines = text.split("\n")
    at = sum(len(line) + 1 for line in lines[: place.line - 1]) + place.column - 1
    what = found[3].partition(" expecting ")[0].replace("'<EOF>'", "its end")
    return BadExpression(what, _fix(text), max(0, min(at, len(text))))


def _fix(text: str) -> str:
    """The usual mistakes of those who know other languages."""
    for mistake, instead in (
        (r"(?<![=!<>])=(?!=)", "=="),
        (r"\band\b", "&&"),
        (r"\bor\b", "||"),
        (r"\bnot\b", "!"),
    ):
        if re.search(mistake, re.sub(r"'[^']*'|\"[^\"]*\"", "", text)):
            return f"write {instead}"
    return ""


def _did_you_mean(word: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]!r}?" if near else ""
