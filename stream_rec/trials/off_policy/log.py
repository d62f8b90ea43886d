"""What a log says of a policy: slates that were shown, what chance had to do with them, and what users did with them.

The policy is a scenario whose slates are written beside the logged one's: what it would have shown a user is the last
slate of it before the logged one was shown. Chance must have a say in the logged scenario, and none in the policy.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import msgspec
import numpy as np

from stream_rec.bus.lag import OffsetReader
from stream_rec.bus.stretches import read_through
from stream_rec.errors import ConfigError
from stream_rec.schemas.records import Slate, TopicName
from stream_rec.schemas.topics import decode
from stream_rec.settings import Settings

_decode_slate = msgspec.json.Decoder(Slate).decode
MOST_SHOWN = 1_000_000
"""Slates that are judged at once, at most."""


class Question(NamedTuple):
    """What is asked.

    Attributes:
        logged: the scenario that was shown.
        policy: the scenario that is judged.
        begin: seconds since the epoch: slates shown from then on.
        end: until then.
        event_types: what counts as a reward; empty = any interaction with a shown item.
        places: of each slate, from the top.
    """

    logged: str
    policy: str
    begin: float
    end: float
    event_types: tuple[str, ...] = ()
    places: int = 10


class Shown(NamedTuple):
    """One slate that was shown, up to the asked place.

    Attributes:
        user: whose.
        items: ids.
        propensities: by place; NaN = unknown.
        rewards: by place, 0 or 1.
        wanted: what the policy had in the same places; may be shorter.
    """

    user: str
    items: tuple[str, ...]
    propensities: tuple[float, ...]
    rewards: tuple[float, ...]
    wanted: tuple[str, ...]


@dataclass(slots=True)
class Log:
    """What was found.

    Attributes:
        shown: slates with all that is needed, in no order.
        without_policy: slates before which the policy had none for the user.
    """

    shown: list[Shown] = field(default_factory=list)
    without_policy: int = 0


class Impressed(NamedTuple):
    """An impression of the logged scenario, up to the asked place.

    Attributes:
        user: to whom.
        slate_id: of the slate that was shown.
        ts: when, seconds.
        broker_ts: the broker's time, ms.
        items: ids.
        propensities: by place; NaN = it says none.
        experiment: that it names; empty = none.
        variant: that it names; empty = none.
    """

    user: str
    slate_id: str
    ts: float
    broker_ts: int
    items: tuple[str, ...]
    propensities: tuple[float, ...]
    experiment: str
    variant: str


def read_log(settings: Settings, question: Question) -> Log:
    """Read the topics `slates`, `impressions` and `events`.

    Raises:
        ConfigError: nothing was shown, or the policy's own slates are drawn by chance; a topic is missing.
        Unavailable: the broker does not answer.
    """
    impressions = find_impressions(settings, question)
    drawn, wanted = _slates(settings, question, {each.slate_id for each in impressions})
    done = read_interactions(settings, question, {each.user for each in impressions})
    log = Log()
    for each in impressions:
        before = wanted.get(each.user, [])
        at = bisect.bisect_right(before, each.broker_ts, key=lambda one: one[0]) - 1
        if at < 0:
            log.without_policy += 1
            continue
        propensities = _known(each, drawn.get(each.slate_id, {}))
        rewards = rewards_of(each, done.get(each.user, {}), settings.measure.attribution_window_seconds)
        log.shown.append(Shown(each.user, each.items, propensities, rewards, before[at][1]))
    return log


def find_impressions(settings: Settings, question: Question) -> list[Impressed]:
    """The slates of the logged scenario that were shown.

    Raises:
        ConfigError: none, or too many.
    """
    impressions = list(islice(_impressions(settings, question), MOST_SHOWN + 1))
    if not impressions:
        raise ConfigError(
            f"no slate of scenario {question.logged!r} was shown between these times",
            fix="publish impressions with the slate's id and scenario (docs/cookbook.md), or ask for other times",
        )
    if len(impressions) > MOST_SHOWN:
        raise ConfigError(
            f"more than {MOST_SHOWN:,} slates were shown between these times", fix="ask for a shorter time"
        )
    return impressions


def _impressions(settings: Settings, question: Question) -> Iterator[Impressed]:
    topic: TopicName = "impressions"
    for fetched in read_through(settings.bus, OffsetReader(settings.bus).bounds([topic])):
        batch = decode(topic, fetched, fetched.span(), settings.ingest).batch
        users, slate_ids, items = (each.to_list() for each in (batch.users, batch.slate_ids, batch.items))
        for i in range(len(batch)):
            if batch.scenarios[i] != question.logged or not question.begin <= batch.ts[i] < question.end:
                continue
            first = int(batch.item_ends[i - 1]) if i else 0
            part = slice(first, min(int(batch.item_ends[i]), first + question.places))
            propensities = tuple(batch.propensities[part].tolist())
            stamp = int(batch.broker_ts[i])
            yield Impressed(
                users[i],
                slate_ids[i],
                float(batch.ts[i]),
                stamp,
                tuple(items[part]),
                propensities,
                batch.experiments[i],
                batch.variants[i],
            )


_Wanted = dict[str, list[tuple[int, tuple[str, ...]]]]


def _slates(
    settings: Settings, question: Question, shown: set[str]
) -> tuple[dict[str, dict[str, float]], _Wanted]:
    """Propensities by slate and item of those that were shown; the policy's slates by user, with the broker's time.

    A slate says no propensity of an item that chance could not have kept from its place, such as a pin, or any while
    there is nothing to try: it is 1. But where no slate says any, chance had no say in the scenario, and none is known.
    """
    drawn: dict[str, dict[str, float]] = {}
    explored = False
    wanted: _Wanted = {}
    for stamp, slate in read_slates(settings, shown, question.policy):
        if slate.slate_id in shown:
            explored = explored or any(each.propensity is not None for each in slate.items)
            drawn[slate.slate_id] = {
                each.item_id: 1.0 if each.propensity is None else each.propensity for each in slate.items
            }
        if slate.scenario == question.policy:
            if any(each.propensity is not None for each in slate.items):
                raise ConfigError(
                    f"chance has a say in the slates of {question.policy!r}: what it would show is not known",
                    fix="judge a scenario without exploration",
                )
            items = tuple(each.item_id for each in slate.items[: question.places])
            wanted.setdefault(slate.user_id, []).append((stamp, items))
    for each in wanted.values():
        each.sort(key=lambda one: one[0])
    return drawn if explored else {}, wanted


def read_slates(settings: Settings, shown: set[str], scenario: str = "") -> Iterator[tuple[int, Slate]]:
    """Slates of these ids, and all of a scenario, each with the broker's time (ms) of its record."""
    for fetched in read_through(settings.bus, OffsetReader(settings.bus).bounds(["slates"])):
        for value, stamp in zip(fetched.values, fetched.timestamps, strict=True):
            slate = _decode_slate(value) if value else None
            if slate is not None and (slate.slate_id in shown or slate.scenario == scenario):
                yield int(stamp), slate


def read_interactions(
    settings: Settings, question: Question, users: set[str]
) -> dict[str, dict[str, list[float]]]:
    """When users did something with items: by user and item."""
    found: dict[str, dict[str, list[float]]] = {}
    topic: TopicName = "events"
    for fetched in read_through(settings.bus, OffsetReader(settings.bus).bounds([topic])):
        batch = decode(topic, fetched, fetched.span(), settings.ingest).batch
        rows = zip(
            batch.users.to_list(), batch.items.to_list(), batch.event_types, batch.ts.tolist(), strict=True
        )
        for user, item, event_type, ts in rows:
            if user in users and (not question.event_types or event_type in question.event_types):
                found.setdefault(user, {}).setdefault(item, []).append(ts)
    return found


def _known(shown: Impressed, drawn: dict[str, float]) -> tuple[float, ...]:
    """What the impression says itself, else what the slate says of the same item."""
    pairs = zip(shown.items, shown.propensities, strict=True)
    return tuple(drawn.get(item, float("nan")) if np.isnan(said) else said for item, said in pairs)


def rewards_of(shown: Impressed, done: dict[str, list[float]], window: float) -> tuple[float, ...]:
    """1 for each item with which the user did something within the window."""
    begin, end = shown.ts, shown.ts + window
    return tuple(float(any(begin <= ts <= end for ts in done.get(item, ()))) for item in shown.items)
