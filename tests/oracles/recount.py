"""What a plain list of events says: every count made anew from all of them, with nothing kept in between."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

FARTHEST = 5
"""Steps back to which transitions are counted."""

Counts = dict[tuple[str, str], float]


class Event(NamedTuple):
    """One event; consecutive events of a user with one `session` belong together."""

    user: str
    item: str
    session: str
    weight: float = 1.0


class Transitions(NamedTuple):
    """(before, after) directly; (before, after) from 2 to FARTHEST steps, by 1 / steps; (after, before) directly."""

    directly: Counts
    later: Counts
    back: Counts


def sessions(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Each session's events in order."""
    by_user: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_user[event.user].append(event)
    for mine in by_user.values():
        for _, session in itertools.groupby(mine, key=lambda event: event.session):
            yield list(session)


def transitions(events: Sequence[Event]) -> Transitions:
    """Steps are counted over the distinct items before, by when each was last seen; none leads to itself."""
    found = Transitions(defaultdict(float), defaultdict(float), defaultdict(float))
    for session in sessions(events):
        for n, event in enumerate(session):
            before = list(dict.fromkeys(e.item for e in reversed(session[:n])))
            for steps, item in enumerate(before[:FARTHEST], 1):
                if item == event.item:
                    continue
                if steps == 1:
                    found.directly[item, event.item] += event.weight
                    found.back[event.item, item] += event.weight
                else:
                    found.later[item, event.item] += event.weight / steps
    return found


def popularity(events: Sequence[Event]) -> dict[str, float]:
    """Weight of all events on each item."""
    found: defaultdict[str, float] = defaultdict(float)
    for event in events:
        found[event.item] += event.weight
    return dict(found)


def histories(events: Sequence[Event]) -> dict[str, list[str]]:
    """Each user's items, oldest first."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for event in events:
        found[event.user].append(event.item)
    return dict(found)


def users_with(events: Sequence[Event]) -> tuple[Counter[tuple[str, str]], Counter[str]]:
    """Of each pair of items, how many users had both (both ways); of each item, how many users had it."""
    pairs: Counter[tuple[str, str]] = Counter()
    single: Counter[str] = Counter()
    for items in histories(events).values():
        single.update(set(items))
        pairs.update(itertools.permutations(set(items), 2))
    return pairs, single


def first_in_session(events: Sequence[Event]) -> Counter[tuple[str, str]]:
    """(item, user): in how many of the user's sessions the item is."""
    found: Counter[tuple[str, str]] = Counter()
    for session in sessions(events):
        found.update({(event.item, event.user) for event in session})
    return found
