"""Session neighbours from lists of every event."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from tests.oracles.histories import SlowHistories, Step

BUCKETS = 256


@dataclass
class Match:
    """A user whose sessions share items with the current one; counted once per session item."""

    user: int
    item: int
    number: int
    similarity: np.float32
    counted: set[int] = field(default_factory=set)


def matches(
    rings: dict[int, list[tuple[int, int]]],
    me: int,
    session: list[int],
    decay: list[np.float32],
    n_sample: int,
) -> list[Match]:
    """Similar users in order of first match: items newest first, entries newest first."""
    found: dict[int, Match] = {}
    for k, item in enumerate(session):
        for user, number in reversed(rings[item][-n_sample:]):
            if user == me:
                continue
            match = found.setdefault(user, Match(user, item, number, np.float32(0)))
            if k not in match.counted:
                match.counted.add(k)
                match.similarity += decay[k]
    return list(found.values())


def chosen(similarity: list[np.float32], n: int) -> set[int]:
    """The n most similar, in steps of 1/255 of the greatest similarity; within a step the first found."""
    if len(similarity) <= n:
        return set(range(len(similarity)))
    scale = np.float32(BUCKETS - 1) / max(similarity)
    order = sorted(range(len(similarity)), key=lambda e: (-int(similarity[e] * scale), e))
    return set(order[:n])


def event_number(steps: list[Step], length: int, place: int, item: int) -> int:
    """The newest event whose number ends in `place` (8 bits), if the ring still holds it and it is the item's."""
    numbers = [n for n in range(len(steps)) if n % 256 == place]
    if not numbers or len(steps) - numbers[-1] > length or steps[numbers[-1]].item != item:
        return -1
    return numbers[-1]


def session_of(steps: list[Step], length: int, number: int) -> range:
    """Numbers of the events of one event's session that the ring still holds."""
    begin = max(n for n in range(number + 1) if steps[n].begins or n == 0)
    end = next((n for n in range(number + 1, len(steps)) if steps[n].begins), len(steps))
    return range(max(begin, len(steps) - length), end)


class SlowNeighbours:
    """Rings of (user, event number) per item, and the votes of similar sessions."""

    def __init__(self, ring_length: int) -> None:
        self.ring_length = ring_length
        self.rings: dict[int, list[tuple[int, int]]] = defaultdict(list)

    def push(self, item: int, user: int, number: int) -> None:
        self.rings[item] = [*self.rings[item], (user, number)][-self.ring_length :]

    def votes(
        self,
        h: SlowHistories,
        me: int,
        *,
        n_neighbours: int,
        reach: int,
        session_decay: list[np.float32],
        match_decay: list[np.float32],
    ) -> tuple[dict[int, float], dict[int, float]]:
        """What items come after and before the matches, weighted."""
        after: dict[int, float] = defaultdict(float)
        before: dict[int, float] = defaultdict(float)
        session = [seen.item for seen in h.session(me)]
        found = matches(self.rings, me, session, session_decay, self.ring_length)
        for e in chosen([m.similarity for m in found], n_neighbours):
            steps = h.steps[found[e].user]
            at = event_number(steps, h.length, found[e].number % 256, found[e].item)
            if at < 0:
                continue
            for number in session_of(steps, h.length, at):
                distance = abs(number - at)
                if 0 < distance <= reach:
                    votes = after if number > at else before
                    votes[steps[number].item] += float(found[e].similarity * match_decay[distance])
        return after, before
