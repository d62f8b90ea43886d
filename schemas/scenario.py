"""What a slate for one place is: the body of a record `scenario/<name>` on the topic `control`.

Everything has a default, and the defaults are a plain personal slate of 20. Expressions are CEL over an item's
attributes. A *factor* multiplies an item's odds: ln(factor) is added to its score. Slots count from 1.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from stream_rec.schemas.records import DEFAULT_SCENARIO
from stream_rec.settings import ScenarioSettings

LOGICS = (
    "personal",
    "similar",
    "popular",
    "trending",
    "new",
    "recently_viewed",
    "buy_again",
    "bought_together",
    "leaderboard",
    "predicted_rating",
)
"""What can rank, besides `vectors:<space>`."""
SPACE_PREFIX = "vectors:"

MAX_K = 200
MAX_EXPRESSION_CHARACTERS = 2000
MAX_BOOSTS, MAX_CAPS, MAX_PINS, MAX_HIDES, MAX_PROMOTIONS, MAX_FALLBACKS = 32, 8, 32, 64, 8, 4
MAX_ITEMS_OF_A_RULE = 1000
"""Promotions and floors are MAX_PROMOTIONS together."""

Seen = Literal["none", "all"] | tuple[str, ...]


class Rule(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A part of a scenario. Unknown fields are refused: a rule that is half understood could show what it forbids."""


class Boost(Rule, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Items that count more, or less.

    Attributes:
        when: CEL, true or false: which items.
        factor: above 0; 2 = twice the odds, 0.5 = half.
    """

    when: str
    factor: float


class Cap(Rule, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """At most n items with one value of an attribute, in every window of neighbouring places.

    Attributes:
        attribute: `tags`, `owner` or a named attribute; of a list, each entry counts.
        n: how many.
        window: of so many places; 0 = in the whole slate.
        kind: `hard` = rather fewer items; `soft` = it gives way when nothing else is left.
    """

    attribute: str
    n: int
    window: int = 0
    kind: Literal["hard", "soft"] = "hard"


class Pin(Rule, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An item that stands in a slot, whoever looks, as long as it may be shown at all.

    Attributes:
        item: its id.
        slot: from 1 to k.
    """

    item: str
    slot: int


class Hide(Rule, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Items that this scenario does not show, or not in some slots.

    Attributes:
        items: ids.
        slots: the slots that they must not stand in; empty = none is allowed.
    """

    items: tuple[str, ...]
    slots: tuple[int, ...] = ()


class Promotion(Rule, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Items that get a share of the places.

    Attributes:
        items: ids; empty = those of `when`.
        when: CEL, true or false; empty = those of `items`.
        share: of the slate's places, above 0, at most 1; the best of the items for each user take them.
        impressions: how often `items` are to be shown in all, in this scenario, since it was decided; 0 = no limit.
        pacing: `even` = spread over `valid_from` (0 = the decision) to `valid_until`; `fast` = at once.
        valid_from: seconds since the epoch; 0 = at once. `from` on the wire.
        valid_until: seconds since the epoch; 0 = for ever. `until` on the wire.
    """

    items: tuple[str, ...] = ()
    when: str = ""
    share: float = 0.1
    impressions: int = 0
    pacing: Literal["even", "fast"] = "even"
    valid_from: float = msgspec.field(name="from", default=0.0)
    valid_until: float = msgspec.field(name="until", default=0.0)


class Floor(Rule, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Items that have places at least, as long as there are such items that the user may be shown.

    They earn places by rank like all others; what is lacking then, the last places that are left make up for.

    Attributes:
        when: CEL, true or false: which items.
        places: of the slate, at least.
        within: they are among so many first places; 0 = in the slate.
        slates: share of the slates that it is for, above 0, at most 1.
    """

    when: str
    places: int = 1
    within: int = 0
    slates: float = 1.0


class Diversity(Rule, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Maximal marginal relevance (Carbonell & Goldstein 1998).

    Attributes:
        relevance: the lambda of the paper, from 0 to 1: 1 = relevance alone. `lambda` on the wire.
        over: what makes items alike: `tags`, `vectors` (the item factors) or `vectors:<space>`.
    """

    relevance: float = msgspec.field(name="lambda", default=0.7)
    over: str = "tags"


class Rotation(Rule, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Items that were shown and not clicked fade, and recover.

    Attributes:
        factor: for every impression without a click beyond `after`, above 0, at most 1.
        after: so many impressions cost nothing.
        recover_seconds: half of the fading is gone after this long.
    """

    factor: float = 0.7
    after: int = 3
    recover_seconds: float = 86_400.0


class Exploration(Rule, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Places that chance fills; every place of such a slate carries its propensity.

    Attributes:
        share: of the places, above 0, at most 1.
        among: `candidates` = of what the ranker has seen for this user; `new` = of the newest items;
            `all` = of everything that may be shown.
    """

    share: float = 0.1
    among: Literal["candidates", "new", "all"] = "candidates"


class Rerank(Rule, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A model of the shop's own that orders what the ranker has scored (docs/onnx.md).

    Attributes:
        model: a file in the folder `rerank.url` of the settings.
        sha256: of the file, in hexadecimal: every worker ranks by the same bytes.
        budget_ms: a slate waits so long for the model, then it goes without it.
    """

    model: str
    sha256: str
    budget_ms: float = 10.0


class Scenario(Rule, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a slate for one place is.

    Attributes:
        logic: what ranks: one of LOGICS, or `vectors:<space>`.
        k: length of the slate.
        on: false = no slates are written; what stands in Redis goes.
        description: for people.
        event_types: what `recently_viewed` counts (empty = all), and `buy_again` and `bought_together` (empty =
            conversions).
        order_by: CEL, a number: the order of a `leaderboard`, greatest first.
        filter: CEL, true or false: what may be shown; empty = everything.
        boosts: all that apply, multiplied.
        caps: each holds.
        pins: at most one for a slot.
        hides: each holds.
        promotions: in order of precedence.
        floors: in order of precedence, after pins and promotions.
        diversity: none = relevance alone.
        min_relevance: from 0 to 1: items whose odds are below this share of the best item's are left out, even if
            fewer than k remain; 0 = no minimum.
        rotation: none = items do not fade.
        leave_out_seen: items that the user has had are left out: `none`, `all`, or those of these event types.
        replacement: from 0 to 1: the factor with which seen items return where too few others are left; 0 = never.
        exploration: none = chance has no say.
        rerank: none = the order is the ranker's.
        fallbacks: logics that fill what is missing, in order.
        strict: true = rather fewer items than one that the filter forbids or a fallback's.
        item_ttl_seconds: items older than this (`age`) are not shown; 0 = any age.
        event_ttl_seconds: what the user did longer ago is neither interest nor seen; 0 = everything counts. Ages are
            known to 4 %, of the last `engine.history_length` events; what was had before these is as old as they are.
        valid_from: seconds since the epoch; before it the scenario is as if it were off. `from` on the wire.
        valid_until: as `valid_from`, from then on; 0 = for ever. `until` on the wire.
    """

    logic: str = "personal"
    k: int = 20
    on: bool = True
    description: str = ""
    event_types: tuple[str, ...] = ()
    order_by: str = ""
    filter: str = ""
    boosts: tuple[Boost, ...] = ()
    caps: tuple[Cap, ...] = ()
    pins: tuple[Pin, ...] = ()
    hides: tuple[Hide, ...] = ()
    promotions: tuple[Promotion, ...] = ()
    floors: tuple[Floor, ...] = ()
    diversity: Diversity | None = None
    min_relevance: float = 0.0
    rotation: Rotation | None = None
    leave_out_seen: Seen = "none"
    replacement: float = 0.0
    exploration: Exploration | None = None
    rerank: Rerank | None = None
    fallbacks: tuple[str, ...] = ("popular",)
    strict: bool = False
    item_ttl_seconds: float = 0.0
    event_ttl_seconds: float = 0.0
    valid_from: float = msgspec.field(name="from", default=0.0)
    valid_until: float = msgspec.field(name="until", default=0.0)

    def is_valid_at(self, ts: float) -> bool:
        """Is it on, and `ts` (seconds since the epoch) inside its time?"""
        return self.on and self.valid_from <= ts and (not self.valid_until or ts < self.valid_until)

    @property
    def is_plain(self) -> bool:
        """Is it a personal slate without rules, with or without what the user has had?"""
        return self.leave_out_seen in ("none", "all") and self == Scenario(
            k=self.k,
            leave_out_seen=self.leave_out_seen,
            on=self.on,
            description=self.description,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
        )


DEFAULT = DEFAULT_SCENARIO
"""The scenario of whoever names none."""


def of_settings(settings: ScenarioSettings) -> Scenario:
    """What the settings say, as a scenario: in force until a record of its name overrides it."""
    return Scenario(k=settings.k, leave_out_seen="none" if settings.repeats else "all")
