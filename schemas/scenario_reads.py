"""What the rules of a scenario read of items, held against what the catalogue says of them.

A name that no item has is no mistake: the catalogue may be loaded after the rules. But until then the rule does
nothing, or lets nothing through, and nobody would notice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from stream_rec.schemas.expressions import SAMPLE, Expression
from stream_rec.schemas.faults import did_you_mean, dotted
from stream_rec.schemas.item_names import ALIASES
from stream_rec.schemas.scenario import Scenario

ALWAYS_KNOWN = frozenset({"id", "first_seen", "age", "attributes"})
"""Names that every item has, whatever was said of it."""
_DECIDED_ELSEWHERE = {
    "available": "items that are not available are never shown: no rule needs to ask",
    "hidden": "hidden items are never shown: no rule needs to ask",
}
_MEANT = {alias: field for field, aliases in ALIASES.items() for alias in aliases}
"""Fields under which rules know what columns of a catalogue are often called."""


class KnownNames(msgspec.Struct, frozen=True):
    """What is known of the items of a catalogue. Redis `catalogue`.

    Attributes:
        items: how many items have a record.
        names: what at least one of them has: of `expressions.SAMPLE`, and attributes of the shop's own.
        available: how many of them may be shown now; None = an older worker has not counted.
        with_events: how many of them users have acted on.
        strangers: how many items users have acted on that have no record.
        examples: a few ids of items with a record that nobody has acted on.
        strange: a few ids of strangers.
    """

    items: int
    names: tuple[str, ...]
    available: int | None = None
    with_events: int = 0
    strangers: int = 0
    examples: tuple[str, ...] = ()
    strange: tuple[str, ...] = ()


def nobody_has(scenario: Scenario, known: Collection[str]) -> Iterator[str]:
    """Each rule that asks for what no item has, a sentence for people.

    Args:
        scenario: valid.
        known: names that items have.
    """
    for where, text in _expressions(scenario):
        for name in sorted({*Expression(text).names} - {*known} - ALWAYS_KNOWN):
            effect = (
                "it lets nothing through where it asks for it" if where == "filter" else "it does nothing"
            )
            yield _sentence(where, name, known, f"as long as that is so, {effect}")
    for i, cap in enumerate(scenario.caps):
        if cap.attribute not in {*known, *ALWAYS_KNOWN}:
            yield _sentence(
                dotted(("caps", i, "attribute")),
                cap.attribute,
                known,
                "as long as that is so, it caps nothing",
            )


def _expressions(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """Where it stands, and its text, of each that is not empty."""
    found = [
        ("filter", scenario.filter),
        ("order_by", scenario.order_by),
        *((dotted(("boosts", i, "when")), boost.when) for i, boost in enumerate(scenario.boosts)),
        *((dotted(("promotions", i, "when")), each.when) for i, each in enumerate(scenario.promotions)),
        *((dotted(("floors", i, "when")), floor.when) for i, floor in enumerate(scenario.floors)),
    ]
    return ((where, text) for where, text in found if text.strip())


def _sentence(where: str, name: str, known: Collection[str], effect: str) -> str:
    other = _MEANT.get(name.lower(), "")
    meant = _DECIDED_ELSEWHERE.get(name) or (
        did_you_mean(other, [other])
        if other in known
        else did_you_mean(name, sorted({*known} | SAMPLE.keys()))
    )
    return f"{where}: no item of the catalogue has {name!r}: {effect}{f' ({meant})' if meant else ''}"
