"""What could not be read of a log, by cause: counted, with an example and a hint each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import polars as pl

from stream_rec import logs
from stream_rec.errors import ConfigError
from stream_rec.offline.datasets.rows import bad_rows
from stream_rec.offline.datasets.values import UNIT_NAMES, TsUnit, ids

MAX_CAUSES = 50
"""Further causes are counted together."""
_OTHER = "other causes"

HINTS = {
    "ts": "times are numbers (--ts-unit s, ms, us or ns) or ISO 8601; a zone is an offset, UTC or GMT",
    "ts_out_of_range": "is it another unit? --ts-unit s, ms, us or ns",
    "user_id": "name the column: --user-id COLUMN",
    "item_id": "name the column: --item-id COLUMN",
    "value": "`stream-rec shape guess FILE` prints a shape that reads 12,90 or 1,234.50; the event is read without it",
    "nobody": "if it is one, read by a shape with nobody = ['-1']: `stream-rec shape guess FILE` prints the rest",
    "context": "only texts, numbers, true and false can be kept; the event is read without the rest",
    "ts_in_future": "is the unit right (--ts-unit), and the clock? ingest.max_future_seconds is the limit",
}
"""By field, or by the reason of a ContractError."""


class Cause(NamedTuple):
    """Rows that have the same fault.

    Attributes:
        n: how many.
        example: the first of them.
        hint: what to do; empty = nothing known.
    """

    n: int
    example: str
    hint: str


@dataclass(slots=True)
class Faults:
    """Tallies of what went wrong.

    Attributes:
        causes: by what it was, in the order in which it was first met.
    """

    causes: dict[str, Cause] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        log: pl.DataFrame,
        given: Mapping[str, pl.Series],
        first: int,
        unit: TsUnit,
        words: Mapping[str, list[str]],
    ) -> Faults:
        """Those of rows.

        Args:
            log: in the form of `rows.LOG_SCHEMA`.
            given: what the log was made of, by field, where there was a column.
            first: position of the first row.
            unit: as which times were read.
            words: by field, texts that stand for nothing.
        """
        faults = cls()
        for name, bad in bad_rows(log).items():
            as_what = f" as {UNIT_NAMES[unit]}" if name == "ts" else ""
            if name in words:
                is_word = ids(given[name]).is_in([w for w in words[name] if w])
                nobody = "nobody" if name == "user_id" else "nothing"
                said = f"{name} stands for {nobody}"
                faults._rows(name, bad & is_word.fill_null(False), given[name], first, said, "nobody")
                bad = bad & ~is_word.fill_null(False)
            faults._rows(name, bad, given[name], first, f"{name} cannot be read{as_what}")
        if "value" in given:
            bad = log["value"].is_null() & ~_is_empty(given["value"])
            faults._rows("value", bad, given["value"], first, "value is no number and was left out")
        return faults

    def add(self, what: str, example: str, hint: str = "", n: int = 1) -> None:
        """So many more of a cause."""
        if what not in self.causes and len(self.causes) >= MAX_CAUSES:
            what, hint = _OTHER, ""
        known = self.causes.get(what)
        self.causes[what] = known._replace(n=known.n + n) if known else Cause(n, example, hint)

    def take(self, others: Faults) -> None:
        """Add what others have tallied."""
        for what, cause in others.causes.items():
            self.add(what, cause.example, cause.hint, cause.n)

    def lines(self) -> Iterator[str]:
        """One for each cause, for people."""
        for what, cause in self.causes.items():
            hint = f"; {cause.hint}" if cause.hint else ""
            rows = "row" if cause.n == 1 else "rows"
            yield f"{cause.n:,} {rows}: {what}, e.g. {cause.example}{hint}"

    def _rows(
        self, name: str, bad: pl.Series, given: pl.Series, first: int, what: str, hint: str = ""
    ) -> None:
        if not bad.any():
            return
        empty = _is_empty(given)
        for rows, said in ((bad & empty, f"{name} is empty"), (bad & ~empty, what)):
            if n := int(rows.sum()):
                at = int(rows.arg_max() or 0)
                text = "" if given[at] is None else str(given[at])
                self.add(said, f"row {first + at + 1}: {text[:60]!r}", HINTS[hint or name], n)


def _is_empty(column: pl.Series) -> pl.Series:
    if column.dtype != pl.String:
        return column.is_null()
    return column.is_null() | (column.str.strip_chars() == "")


def nothing_read(name: str, faults: Faults) -> ConfigError:
    """The error for a log of which no row could be read."""
    causes = "".join(f"\n    {line}" for line in faults.lines())
    return ConfigError(
        f"{name} holds no event that could be read{':' if causes else ''}{causes}",
        fix="map the columns (stream-rec replay --help), or name another log",
    )


def say(name: str, faults: Faults) -> None:
    """Log each cause."""
    for line in faults.lines():
        logs.get("import").warning(line, log=name)
