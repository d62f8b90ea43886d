"""From events to what ALS is told of a user and an item: how often and how much, or the last rating."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stream_rec.batch.spark import part
from stream_rec.schemas.event_types import OPERATORS
from stream_rec.settings import EventTypeSettings, parse_condition


def weighted(events: Any, types: Mapping[str, EventTypeSettings]) -> Any:
    """The events that say interest, with a column `weight`, as `engine.event_types` has it.

    Args:
        events: DataFrame with the columns of the sink's `events`.
        types: meanings by event type; others are positive with weight 1.
    """
    functions = part("sql.functions")
    weight = functions.lit(1.0)
    for name, entry in types.items():
        of_type = functions.lit(_weight(entry.meaning, entry.weight))
        for case in reversed(entry.when):
            compare, bound = parse_condition(case.value)
            holds = OPERATORS[compare](functions.col("value"), bound)
            told = _weight(case.meaning, entry.weight if case.weight is None else case.weight)
            of_type = functions.when(holds, functions.lit(told)).otherwise(of_type)
        weight = functions.when(functions.col("event_type") == name, of_type).otherwise(weight)
    return events.withColumn("weight", weight).where("weight > 0")


def implicit(events: Any) -> Any:
    """user_id, item_id, strength: the sum of weights; first: the place of the first of these events in their order."""
    functions = part("sql.functions")
    return events.groupBy("user_id", "item_id").agg(
        functions.sum("weight").alias("strength"), functions.min(_order()).alias("first")
    )


def explicit(events: Any) -> Any:
    """As `implicit`, of the last value that the user gave the item; events without one are left out."""
    functions = part("sql.functions")
    given = events.where("value IS NOT NULL")
    return given.groupBy("user_id", "item_id").agg(
        functions.max_by("value", _order()).alias("strength"), functions.min(_order()).alias("first")
    )


def hiding_more(types: Mapping[str, EventTypeSettings]) -> list[str]:
    """Event types that hide items of a tag or an owner from their user."""
    return [
        name
        for name, entry in types.items()
        if entry.hides != "item" and "never" in (entry.meaning, *(case.meaning for case in entry.when))
    ]


def _order() -> Any:
    return part("sql.functions").struct("ts", "partition", "offset")


def _weight(meaning: str, weight: float) -> float:
    return weight if meaning == "positive" else 0.0
