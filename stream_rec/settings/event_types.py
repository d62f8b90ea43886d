"""What an event of a type means: the one table that learning, measuring and evaluating go by.

A type of the built-in table keeps the fields that the settings do not name; other types are added to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from stream_rec.settings.branch import Branch

UNDO = "undo:"
_MEANING = re.compile(r"positive|negative|never|ignore|undo:.+")
_CONDITION = re.compile(r"(?:value|rating|price|dwell)?\s*(>=|<=|==|!=|>|<)\s*([+-]?[0-9]*\.?[0-9]+)")
MAX_TYPES, MAX_CONDITIONS = 256, 16
MOST_BLOCKED = 256
"""Of one user, in any engine: a snapshot may come from one with another `max_blocked_per_user`."""


def _meaning(text: str) -> str:
    if not _MEANING.fullmatch(text):
        raise ValueError("a meaning is positive, negative, never, ignore or undo:<type>, e.g. undo:cart")
    return text


def _condition(text: str) -> str:
    if not _CONDITION.fullmatch(text.strip()):
        raise ValueError("write a comparison with a number, e.g. '>= 4'")
    return text.strip()


def parse_condition(text: str) -> tuple[str, float]:
    """Operator and bound of a condition that was validated."""
    found = _CONDITION.fullmatch(text)
    assert found is not None, text
    return found[1], float(found[2])


MeaningText = Annotated[str, AfterValidator(_meaning)]
Weight = Annotated[float, Field(ge=0, le=1000)]
ValueRole = Literal["auto", "none", "dwell", "price", "rating"]


class ValueCondition(Branch):
    """What an event means whose value satisfies a comparison."""

    value: Annotated[str, AfterValidator(_condition)] = Field(description="a comparison, e.g. '>= 4'")
    meaning: MeaningText = Field("positive", description="as of a type")
    weight: Weight | None = Field(None, description="in place of the type's")


class EventTypeSettings(Branch):
    """One type of event."""

    SHOWN_WHOLE: ClassVar[bool] = True

    weight: Weight = Field(
        1.0, description="how much an event counts; of a negative one, how much it teaches"
    )
    meaning: MeaningText = Field(
        "positive", description="positive, negative, never, ignore or undo:<type> (docs/event-types.md)"
    )
    when: tuple[ValueCondition, ...] = Field(
        (),
        max_length=MAX_CONDITIONS,
        description="other meanings by the value, e.g. [{value = '<= 2', meaning = 'negative'}]: the first that holds",
    )
    conversion: bool = Field(False, description="is it a conversion")
    value: ValueRole = Field(
        "auto",
        description="what `value` holds: dwell (seconds), price, rating (ratings are predicted), none; auto = price "
        "of a conversion",
    )
    hides: Literal["item", "tag", "owner"] = Field(
        "item",
        description="what `never` hides: the item; or all with the tag in the event's context; or all of its owner",
    )


BUILT_IN: Mapping[str, Mapping[str, Any]] = {
    "view": {"value": "dwell"},
    "click": {},
    "dwell": {"value": "dwell"},
    "cart": {"weight": 1.5},
    "purchase": {"weight": 2.0, "conversion": True, "value": "price"},
    "rating": {},
}


def _over_built_in(given: object) -> object:
    if not isinstance(given, Mapping):
        return given
    table: dict[Any, Any] = {name: dict(fields) for name, fields in BUILT_IN.items()}
    for name, fields in given.items():
        known = table.get(name)
        table[name] = {**known, **fields} if known and isinstance(fields, Mapping) else fields
    return table


def _fit_together(table: dict[str, EventTypeSettings]) -> dict[str, EventTypeSettings]:
    for name, entry in table.items():
        if not 0 < len(name.encode()) <= 256:
            raise ValueError("the name of an event type has 1 to 256 bytes")
        for meaning in (entry.meaning, *(case.meaning for case in entry.when)):
            undone = meaning.removeprefix(UNDO)
            if undone == meaning:
                continue
            if undone not in table or table[undone].meaning.startswith((UNDO, "ignore")):
                raise ValueError(
                    f"{name} undoes {undone!r}, which is no type of the table that teaches: add "
                    f"[engine.event_types.{undone}]"
                )
    return table


EventTypeTable = Annotated[
    dict[str, EventTypeSettings],
    BeforeValidator(_over_built_in),
    AfterValidator(_fit_together),
    Field(max_length=MAX_TYPES),
]


def built_in_table() -> dict[str, EventTypeSettings]:
    """The table where the settings say nothing."""
    return {name: EventTypeSettings(**fields) for name, fields in BUILT_IN.items()}
