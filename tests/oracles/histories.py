"""Users' events as lists that never forget."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple


class Step(NamedTuple):
    """One event in a user's history."""

    item: int
    ts: float
    session: str
    begins: bool


class Seen(NamedTuple):
    """A distinct item of a session or a history."""

    item: int
    steps: int
    count: int


class SlowHistories:
    """`length` is how far back the fast one can see; a list of all events is kept here."""

    def __init__(self, length: int, gap: float) -> None:
        self.length, self.gap = length, gap
        self.steps: dict[int, list[Step]] = defaultdict(list)

    def would_begin(self, user: int, ts: float, session: str = "") -> bool:
        """By the ids of event and session where both have one, else by a gap since the user's latest event."""
        steps = self.steps[user]
        if not steps:
            return True
        begin = max(n for n, step in enumerate(steps) if step.begins)
        of_session = next((step.session for step in steps[begin:] if step.session), "")
        if session and of_session:
            return session != of_session
        return ts - max(step.ts for step in steps) > self.gap

    def append(self, user: int, item: int, ts: float, session: str = "") -> None:
        self.steps[user].append(Step(item, ts, session, self.would_begin(user, ts, session)))

    def session(self, user: int, limit: int = 16) -> list[Seen]:
        """Distinct items of the current session, newest first, as far as the ring reaches.

        With more than `limit` of them the reading stops where the next distinct item would come.
        """
        steps = self.steps[user]
        begin = max((n for n, step in enumerate(steps) if step.begins), default=0)
        return _distinct(steps, max(begin, len(steps) - self.length), limit)

    def past(self, user: int) -> list[Seen]:
        """Distinct items of the ring, newest first."""
        steps = self.steps[user]
        return _distinct(steps, max(0, len(steps) - self.length), self.length)


def _distinct(steps: list[Step], begin: int, limit: int) -> list[Seen]:
    found: list[Seen] = []
    for number in reversed(range(begin, len(steps))):
        item = steps[number].item
        at = next((i for i, seen in enumerate(found) if seen.item == item), None)
        if at is not None:
            found[at] = found[at]._replace(count=found[at].count + 1)
        elif len(found) == limit:
            break
        else:
            found.append(Seen(item, len(steps) - 1 - number, 1))
    return found
