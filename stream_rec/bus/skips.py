"""Records that an operator has named bad (`ingest.skip`): nothing of them is learned or served."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from stream_rec.bus.batch import Fetched
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.topics import TOPICS

NOTE = "skipped"
"""Under this key a snapshot's notes name the ranges that were left out of it, or will be."""


class Skipped(NamedTuple):
    """Offsets first ... last of a partition."""

    tp: TopicPartition
    first: int
    last: int

    def covers(self, other: Skipped) -> bool:
        """Is the other range inside this one."""
        return self.tp == other.tp and self.first <= other.first and other.last <= self.last


@lru_cache(maxsize=64)
def parsed(skip: tuple[str, ...]) -> tuple[Skipped, ...]:
    """Ranges as the settings write them: `events/3:1000-2000`, both ends in it, or `events/3:1000`."""
    found = []
    for text in skip:
        where, _, offsets = text.partition(":")
        topic, _, partition = where.partition("/")
        first, _, last = offsets.partition("-")
        tp = TopicPartition(TOPICS[topic].name, int(partition))
        found.append(Skipped(tp, int(first), int(last or first)))
    return tuple(found)


def noted(notes: Mapping[str, Any]) -> tuple[str, ...]:
    """The ranges in a snapshot's notes."""
    return tuple(map(str, notes.get(NOTE, ())))


def merged(skip: Sequence[str], more: Iterable[object]) -> tuple[str, ...]:
    """Both, each range once, in a fixed order."""
    return tuple(sorted({*skip, *map(str, more)}))


def leave_out(batch: Fetched, skip: tuple[str, ...]) -> tuple[Fetched, list[tuple[int, int]]]:
    """A batch without the records of these ranges, whose place in the log stays; and what was left out.

    Returns:
        The batch; offset and broker timestamp of each record that is not in it.
    """
    bounds = [(one.first, one.last) for one in parsed(skip) if one.tp == batch.tp]
    if not any(first < batch.next and last >= batch.start for first, last in bounds):
        return batch, []
    out = [any(first <= offset <= last for first, last in bounds) for offset in batch.offsets]
    kept = [at for at, is_out in enumerate(out) if not is_out]
    gone = [(batch.offsets[at], batch.timestamps[at]) for at, is_out in enumerate(out) if is_out]
    columns = (batch.keys, batch.values, batch.offsets, batch.timestamps)
    keys, values, offsets, timestamps = ([column[at] for at in kept] for column in columns)
    batch = Fetched(*batch.tp, batch.epoch, batch.start, batch.next, keys, values, offsets, timestamps)  # type: ignore[arg-type]
    return batch, gone


def learned_before(
    skip: tuple[str, ...], known: tuple[str, ...], position: Mapping[TopicPartition, int]
) -> list[str]:
    """Those of the ranges that a state has learned from: it was at these positions, and left out only what it knew."""
    left_out = parsed(known)
    return [
        text
        for text, one in zip(skip, parsed(skip), strict=True)
        if position.get(one.tp, 0) > one.first and not any(each.covers(one) for each in left_out)
    ]
