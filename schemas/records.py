"""The records on the wire. Field names are the contract: see schemas/README.md before changing one.

Every record is a JSON object; unknown fields are ignored, so a newer producer never breaks an older worker.
"""

from __future__ import annotations

from typing import Any

import msgspec

Context = dict[str, str | int | float | bool | None]
"""Integers stay integers: those above 2^53 have no float."""


AttributeValue = str | int | float | bool | tuple[str | int | float | bool, ...]
Attributes = dict[str, AttributeValue | None]

DEFAULT_SCENARIO = "default"
CONTENT = "content"
"""The vector space that is made from the catalogue; no record may name it."""
BATCH_LOG = "batch"
"""`as_of.log` of slates that a training beside the stream made (docs/batch.md): no topic has such an id."""
_BEFORE_ANY_MS = -2
"""Below the broker's timestamp of any record; Kafka says -1 where there is none."""


class Record(msgspec.Struct, frozen=True):
    """The value of a message on one of our topics."""


class PublishedRecord(Record, frozen=True):
    """A record that applications publish and workers judge."""


class Interaction(PublishedRecord, frozen=True, gc=False, omit_defaults=True):
    """A user did something with an item. Topic `events`, key `user_id`.

    Attributes:
        user_id: who; for anonymous traffic the visitor's or session's id.
        item_id: with what.
        event_type: what was done: `view`, `click`, `cart`, `purchase`, ...: free, and `engine.event_types` says what it
            means.
        ts: event time, seconds since the epoch, the client's clock.
        event_id: the producer's id of this event; repeats of one id, item and event type are one event.
        session_id: the producer's session; without it a gap in event time splits sessions.
        value: rating, dwell seconds or price, as `engine.event_types` says.
        context: small map of anything else (device, country, ...).
        slate_id: the slate that it came from. None = the latest that was shown to the user and held the item.
    """

    user_id: str
    item_id: str
    event_type: str
    ts: float
    event_id: str | None = None
    session_id: str | None = None
    value: float | None = None
    context: Context | None = None
    slate_id: str | None = None


class Item(PublishedRecord, frozen=True, omit_defaults=True):
    """An item of the catalogue. Topic `items`, key `item_id`; an empty value, or null, removes the item.

    A record is all that is known of the item: a field that it does not give, or gives as null, is not set.

    Attributes:
        item_id: the item.
        title: for people.
        tags: categories, brands, genres: what makes items alike (content source, category lists).
        ts: when it appeared, seconds since the epoch, also before 1970 or in the future; 0 = not given.
        available: false = keep what was learned, but do not recommend.
        hidden: true = never recommend, whatever else is said: somebody's decision, where `available` is the stock's.
        price: in the shop's currency.
        available_from: recommend it from then on, seconds since the epoch, by event time.
        available_until: recommend it until then, and no longer.
        owner: brand, author, seller, channel: whose it is.
        description: for people, and for what is alike by content.
        image: address of a picture; shown only.
        link: address of its page; shown only.
        attributes: the shop's own: texts, numbers, true or false, or lists of texts or numbers, by name.
    """

    item_id: str
    title: str = ""
    tags: tuple[str, ...] = ()
    ts: float = 0.0
    available: bool = True
    hidden: bool = False
    price: float | None = None
    available_from: float | None = None
    available_until: float | None = None
    owner: str | None = None
    description: str | None = None
    image: str | None = None
    link: str | None = None
    attributes: Attributes | None = None


class Vector(PublishedRecord, frozen=True):
    """What somebody knows of an item, as a vector. Topic `vectors`, key `<space>/<item_id>`; an empty value removes it.

    Attributes:
        space: which vector space: a model's name and version, say. Its first vector decides how long all are.
        item_id: the item.
        values: the numbers. Their length (norm) does not count: vectors are compared by their angle.
    """

    space: str
    item_id: str
    values: tuple[float, ...]


class Impression(PublishedRecord, frozen=True, omit_defaults=True):
    """A slate was shown. Topic `impressions`, key `user_id`.

    Attributes:
        slate_id: of the slate that was shown.
        user_id: to whom.
        ts: when, seconds since the epoch, the client's clock.
        items: item ids in the order shown.
        scenario: where.
        propensities: probability of each item at its place, if known; same length as `items`.
        variant: arm of an experiment, as the slate named it.
        experiment: the experiment, as the slate named it. None = the one in this scenario that has such an arm.
        teams: of each item, the arm that brought it, as a slate of two arms says it; same length as `items`.
    """

    slate_id: str
    user_id: str
    ts: float
    items: tuple[str, ...]
    scenario: str = DEFAULT_SCENARIO
    propensities: tuple[float, ...] | None = None
    variant: str | None = None
    experiment: str | None = None
    teams: tuple[str, ...] | None = None


class Control(PublishedRecord, frozen=True, omit_defaults=True):
    """A decision, of people or by rule. Topic `control`, key `<kind>/<name>`; an empty value takes the decision back.

    Attributes:
        kind: what it decides about: `scenario`, `experiment`, `erasure`, `merge`, `alarm`; others are kept and ignored.
        name: which of them: a scenario's or an experiment's name, a metric, the hash of a user's id.
        ts: when it was decided, seconds since the epoch.
        body: what it says, by kind: docs/control.md.
        by: who decided it.
        note: why, for people.
    """

    kind: str
    name: str
    ts: float
    body: dict[str, Any]
    by: str = ""
    note: str = ""


class AsOf(msgspec.Struct, frozen=True, omit_defaults=True):
    """Up to which event a slate knows. Comparable within one log and partition.

    Attributes:
        log: the incarnation of the topic (its id); `batch` = a training beside the stream made it (docs/batch.md).
        partition: of the topic `events`; -1 of a batch.
        offset: of the last event learned before the slate was made; of a batch, when it was trained, in ms.
        broker_ts: the broker's timestamp of that event, ms since the epoch; -2 of a batch, so all else is newer.
        event_ts: that event's own time, seconds since the epoch.
        rules: offset of the last decision on `control` that it knows; -1 = none.
    """

    log: str
    partition: int
    offset: int
    broker_ts: int
    event_ts: float
    rules: int = -1

    @classmethod
    def of_batch(cls, trained_ms: int, event_ts: float, rules: int = -1) -> AsOf:
        """Of a training: older than anything that the stream has written, newer than trainings before it."""
        return cls(BATCH_LOG, -1, trained_ms, _BEFORE_ANY_MS, event_ts, rules)

    @property
    def is_of_batch(self) -> bool:
        """Did a training beside the stream make it?"""
        return self.log == BATCH_LOG

    def under_rules(self, upto: int | None) -> AsOf:
        """The same of what was made while later rules than `upto` were being compiled; None = there were none."""
        return self if upto is None or self.rules <= upto else msgspec.structs.replace(self, rules=upto)


class Reason(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Why an item is in a slate: the source that lifts it most, and the user's item that it started from, if any.

    Attributes:
        source: name of the source.
        item_id: the user's item.
    """

    source: str
    item_id: str | None = None


class SlateItem(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One place of a slate.

    Attributes:
        item_id: the item.
        score: comparable within the slate only.
        reason: why it is there.
        by: what put it there besides its rank: `pin`, `promotion`, `floor`, `exploration`, `seen` (it may return) or
            `fallback:<logic>`. None = its rank.
        propensity: the chance with which it came to stand there. None = chance had no say.
        team: the arm that brought it, in a slate of two arms (interleaving).
    """

    item_id: str
    score: float
    reason: Reason
    by: str | None = None
    propensity: float | None = None
    team: str | None = None


class Slate(Record, frozen=True, omit_defaults=True):
    """A ranked list for one user. Redis `rec:<scenario>:<user_id>`; topic `slates`, key `user_id`.

    `as_of` is the first field: the store compares it at the head of the JSON without parsing the rest.

    Attributes:
        as_of: up to which event it knows.
        user_id: whose.
        scenario: where it is to be shown.
        slate_id: of this slate; an impression names it.
        model: version of the engine and its settings.
        created_ts: when it was made, seconds since the epoch, the worker's clock.
        items: best first.
        relaxed: the rule that gave way, since it left nothing to show: `repeats` = the user has had all of it.
            None = all rules hold.
        experiment: whose arm made it; None = it is of no experiment. Impressions name it, too.
        variant: the arm. Impressions name it, too.
        variant_propensity: the chance with which a user of the experiment gets this arm.
    """

    as_of: AsOf
    user_id: str
    scenario: str
    slate_id: str
    model: str
    created_ts: float
    items: tuple[SlateItem, ...]
    relaxed: str | None = None
    experiment: str | None = None
    variant: str | None = None
    variant_propensity: float | None = None


class MetricPoint(Record, frozen=True):
    """A metric in one window of one topic-partition. Topic `metrics`.

    Readers add numerators and denominators over partitions and windows, and only then divide. Writing a point
    again (same key) overwrites it.

    Attributes:
        metric: name; docs/metrics.md has the table.
        labels: few, bounded: scenario, source, k.
        window_start: ms since the epoch, broker time.
        window_seconds: its length.
        topic: of the events it was computed from.
        partition: of the same.
        numerator: sum.
        denominator: count.
    """

    metric: str
    labels: dict[str, str]
    window_start: int
    window_seconds: int
    topic: str
    partition: int
    numerator: float
    denominator: float


class DeadLetter(Record, frozen=True):
    """A message that could not be read. Topic `dead-letters`, key `topic/partition/offset`.

    Attributes:
        topic: where it came from.
        partition: of that topic.
        offset: in that partition.
        broker_ts: ms since the epoch.
        reason: a short code, as in ContractError.
        detail: for a person.
        raw: the message, base64; cut at `ingest.dead_letter_raw_bytes`.
        raw_bytes: its full length.
        truncated: was it, or its key, cut.
        key: of the message, base64; cut at the same length. Null = it had none, or the letter is from before there
            was this field.
    """

    topic: str
    partition: int
    offset: int
    broker_ts: int
    reason: str
    detail: str
    raw: bytes
    raw_bytes: int
    truncated: bool
    key: bytes | None = None


TopicName = str
"""A topic's name without the tenant's prefix; `topics.TOPICS` has them all."""
