"""What goes over HTTP about a scenario that is tried out, for both ends."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from stream_rec.schemas.records import Reason
from stream_rec.schemas.scenario import Scenario
from stream_rec.sdk.wire import Id


class PreviewWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be tried.

    Attributes:
        user_id: whose slate; an unknown user gets what newcomers do.
        scenario: as it would be: what differs from the defaults (docs/control.md).
    """

    user_id: Id
    scenario: Scenario


class MovedItem(msgspec.Struct, frozen=True):
    """An item, and its places without and with a change.

    Attributes:
        item_id: the item.
        was: its place before, or without the rule, from 1; null = it is not in the slate then.
        now: its place afterwards, or with the rule; null likewise.
    """

    item_id: str
    was: int | None
    now: int | None


class ToldItem(msgspec.Struct, frozen=True):
    """Why an item stands where it would stand.

    Attributes:
        item_id: the item.
        place: in the new slate, from 1; null = it would not be in it.
        score: as in the slate; null = no source brings it up.
        reason: the source that lifts it most, and the user's item it started from.
        by_source: what each source, boosts, rotation and so on add; their sum is the score.
        rules: what each rule of the scenario says of it.
        absent: why it would not be in the slate; null = it would.
    """

    item_id: str
    place: int | None
    score: float | None
    reason: Reason | None
    by_source: dict[str, float]
    rules: Sequence[str]
    absent: str | None


class RuleEffect(msgspec.Struct, frozen=True):
    """What one rule, or one change of a field, does to the slate.

    Attributes:
        rule: `filter`, `boosts[0]` and so on: beside the slate without it; `k`, `logic`: beside the slate with
            that field as it was.
        says: the rule's text; of a field what it was and what it would be.
        moved: what it brings and takes first; empty = nothing here; null = the rest of the scenario is impossible
            without it, so it cannot be told apart.
    """

    rule: str
    says: str
    moved: Sequence[MovedItem] | None


class ScenarioPreview(msgspec.Struct, frozen=True):
    """One scenario, for one user. Nothing was applied.

    Attributes:
        scenario: name.
        is_on: false = it is off, or outside of its time: no slates would be written.
        changes: what would differ from what is in force, in words, a line for each field.
        before: item ids as it is now; null = there is no such scenario yet.
        after: item ids as it would be.
        moved: all items of both, in the order of the new slate, what is gone last.
        explained: each of these as it would be, in the same order.
        effects: of each field that changes what ranks or how much, then of each rule that the scenario would have.
    """

    scenario: str
    is_on: bool
    changes: Sequence[str]
    before: Sequence[str] | None
    after: Sequence[str]
    moved: Sequence[MovedItem]
    explained: Sequence[ToldItem]
    effects: Sequence[RuleEffect]


class Tried(ScenarioPreview, frozen=True):
    """A preview of one scenario.

    Attributes:
        scenario, is_on, changes, before, after, moved, explained, effects: as `ScenarioPreview`.
        user_id: whose slate.
        engine: what the engine had learned that it was tried on, in words.
    """

    user_id: str
    engine: str
