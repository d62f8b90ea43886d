"""A replica's testimony against a recount of the log."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from stream_rec.bench.chaos.steering import Decided
from stream_rec.bench.chaos.tally import Testimony

K = TypeVar("K", bound=Hashable)

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with a replica.

    Attributes:
        lost: events of the log that it has not learned.
        doubled: events that it has learned more often than they are in the log.
        miscounted: outcomes of an arm's users that are not those of the log.
        wrong: everything that is wrong, in words; empty = nothing.
    """

    lost: int
    doubled: int
    miscounted: int
    wrong: tuple[str, ...]


def compare(found: Testimony, log: Testimony) -> Verdict:
    """Every count and every hash of the replica must be that of the log."""
    wrong = [
        *_differing("user", found.users, log.users),
        *_differing("item", found.items, log.items),
        *_differing("partition", found.events, log.events),
        *_differing("hash of partition", found.chain, log.chain),
    ]
    if found.histories is not None:
        interests = log.users if log.histories is None else log.histories
        wrong += _differing("history of user", found.histories, interests)
    if found.decided is not None and log.decided is not None:
        wrong += _decided(found.decided, log.decided)
    miscounted = 0
    if found.outcomes is not None and log.outcomes is not None:
        wrong += _differing("outcome of arm/bucket", found.outcomes, log.outcomes)
        keys = found.outcomes.keys() | log.outcomes.keys()
        miscounted = sum(found.outcomes.get(key) != log.outcomes.get(key) for key in keys)
    items = found.items.keys() | log.items.keys()
    more = [found.items.get(item, 0) - log.items.get(item, 0) for item in items]
    return Verdict(sum(max(0, -n) for n in more), sum(max(0, n) for n in more), miscounted, tuple(wrong))


def _decided(found: Decided, log: Decided) -> list[str]:
    pairs = zip(("rules of scenario", "vector of item"), ("scenarios", "vectors"), strict=True)
    wrong = [
        line for what, name in pairs for line in _differing(what, getattr(found, name), getattr(log, name))
    ]
    for what, here, there in (
        ("hidden item", found.hidden, log.hidden),
        ("erasure", found.erased, log.erased),
    ):
        wrong += _differing(what, dict.fromkeys(here, "is there"), dict.fromkeys(there, "is there"))
    return wrong


def _differing(what: str, found: Mapping[K, object], log: Mapping[K, object]) -> list[str]:
    """One line, with some examples; nothing if all is equal."""
    keys = [key for key in found.keys() | log.keys() if found.get(key) != log.get(key)]
    if not keys:
        return []
    some = ", ".join(
        f"{key}: {found.get(key, 'nothing')} for {log.get(key, 'nothing')}"
        for key in sorted(keys, key=str)[:_SHOWN]
    )
    return [f"{len(keys)} x {what} differs from the log ({some}{', ...' if len(keys) > _SHOWN else ''})"]
