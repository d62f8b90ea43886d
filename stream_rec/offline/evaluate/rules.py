"""Protocols and their options: what an evaluation is asked to do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from stream_rec.errors import ConfigError
from stream_rec.offline.datasets.mapping import ColumnMapping
from stream_rec.schemas.event_types import OPERATORS, EventTypes, Meaning

Protocol = Literal["frozen", "streaming", "prequential"]
LearnFrom = Literal["relevant", "all"]
SeenBy = Literal["log", "engine", "ring"]
_RELEVANT = re.compile(r"\s*([^<>=!]*[^<>=!\s])\s*(>=|<=|==|!=|=|>|<)\s*([^<>=!\s][^<>=!]*)")


@dataclass(frozen=True, slots=True)
class Relevant:
    """Which events are answers: those whose `column` compares so with this value.

    Attributes:
        column: `event_type`, or a column of numbers (`rating`).
        value: as text.
        operator: one of `schemas.event_types.OPERATORS`; of an `event_type` it is `==`.
    """

    column: str
    value: str
    operator: str = "=="

    @classmethod
    def parse(cls, text: str) -> Relevant:
        """From `column=value`, or with another comparison of numbers: `column>=value`.

        Raises:
            ConfigError: it is not of that form.
        """
        found = _RELEVANT.fullmatch(text)
        if not found:
            raise _bad(text)
        relevant = cls(found[1].strip(), found[3].strip(), "==" if found[2] == "=" else found[2])
        if relevant.column != "event_type":
            relevant.number()
        elif relevant.operator != "==":
            raise _bad(text)
        return relevant

    def number(self) -> float:
        """The value as a number.

        Raises:
            ConfigError: it is none.
        """
        try:
            return float(self.value)
        except ValueError:
            raise _bad(f"{self.column}={self.value}") from None

    def mapping(self) -> ColumnMapping:
        """How to read a log so that the column is there."""
        return ColumnMapping() if self.column == "event_type" else ColumnMapping(value=self.column)

    def among(self, log: pl.DataFrame) -> pl.Series:
        """Which rows of a log read by `mapping` are relevant; bool [n]."""
        if self.column == "event_type":
            return log["event_type"] == self.value
        value = log["value"].fill_null(float("nan"))
        holds = OPERATORS[self.operator](value.to_numpy(), self.number()) & value.is_not_nan().to_numpy()
        return pl.Series(holds)


@dataclass(frozen=True, slots=True)
class Rules:
    """A protocol and its options.

    Attributes:
        protocol: *frozen*: learn every row of split `train`, then ask in split `test` and learn nothing.
            *streaming*: the same, but each event is learned after it was asked for. *prequential*: every event is
            asked for, then learned.
        min_context: relevant events that must precede a query in its session (or of its user).
        relevant: only these are asked for; None = all.
        learn_from: the relevant events alone are in the log, or all.
        warmup: this share of the relevant events is not asked for, only learned.
        exclude_seen: a user's relevant items are no answers again, and take no part in later rankings.
        seen_by: who knows what a user has had, with `exclude_seen`: the log; the engine, as a scenario with
            `leave_out_seen = "all"` does (relevant or not, within its bounds); or the `ring` of the user's last
            `engine.history_length` events alone.
        session_gap_seconds: as the engine has it.
        types: what events mean: none is asked for that is no interest.
    """

    protocol: Protocol
    min_context: int = 1
    relevant: Relevant | None = None
    learn_from: LearnFrom = "relevant"
    warmup: float = 0.0
    exclude_seen: bool = False
    seen_by: SeenBy = "log"
    session_gap_seconds: float = 1800.0
    types: EventTypes | None = None

    def interest(self, log: pl.DataFrame) -> pl.Series:
        """Which rows of a log are interest; bool [n]."""
        if self.types is None:
            return pl.repeat(True, len(log), eager=True)
        values = log["value"].fill_null(float("nan")).to_numpy().astype(np.float32)
        return pl.Series(self.types.read(log["event_type"].to_list(), values).meanings == Meaning.POSITIVE)


def _bad(text: str) -> ConfigError:
    return ConfigError(
        f"--relevant {text!r} names no events",
        fix="write column=value, e.g. rating=5, rating>=4 or event_type=purchase",
    )
