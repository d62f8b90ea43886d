"""Reading the journal: from a known state on, in the order of learning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stream_rec.history.journal.file import SUFFIX, Entry, Head, Run, read_entries, read_head, state_of
from stream_rec.schemas.partition import TopicPartition

Positions = Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of a journal that can be read from its head on."""

    path: Path
    head: Head


class Lineage:
    """What an engine learned after a known state, as far as it can be read without a gap.

    Args:
        segments: of one session, from the one that begins at that state on, in order.

    Attributes:
        session: of the worker.
        started_ms: when it began.
        is_torn: whether the readable part ends before the session did; known once `entries` is exhausted.
    """

    def __init__(self, segments: list[Segment]) -> None:
        self._segments = segments
        self.session = segments[0].head.session
        self.started_ms = segments[0].head.started_ms
        self.is_torn = False

    def entries(self) -> Iterator[Entry]:
        """Runs and marks; up to a gap, a torn block or a contradiction."""
        self.is_torn = True
        positions = _positions(self._segments[0].head)
        sequence = self._segments[0].head.sequence
        for segment in self._segments:
            if segment.head.sequence != sequence or _positions(segment.head) != positions:
                return
            entries, whole = read_entries(segment.path)
            for entry in entries:
                if isinstance(entry, Run):
                    where = TopicPartition(entry.topic, entry.partition)
                    if positions.get(where, entry.first) != entry.first:
                        return
                    positions[where] = entry.next
                yield entry
            if not whole:
                return
            sequence += 1
        self.is_torn = False

    def reaches(self, topic: str, partition: int, offset: int) -> bool:
        """Was this record learned here, after the state it begins at?"""
        return any(
            isinstance(entry, Run)
            and (entry.topic, entry.partition) == (topic, partition)
            and entry.first <= offset < entry.next
            for entry in self.entries()
        )


def lineages(folder: Path, state: str, positions: Positions, topic_ids: Mapping[str, str]) -> list[Lineage]:
    """All continuations of a state, by the start of their sessions.

    Args:
        folder: of the journal; may be missing.
        state: what `Journal.saved` named it, or the name of a snapshot without such a name; empty = the empty engine.
        positions: of that state.
        topic_ids: of the present log; a session that learned from another one does not count.
    """
    sessions: dict[str, list[Segment]] = {}
    for segment in _segments(folder):
        if segment.head.logs == topic_ids:
            sessions.setdefault(segment.head.session, []).append(segment)
    found = []
    for segments in sessions.values():
        segments.sort(key=lambda segment: segment.head.sequence)
        for at, segment in enumerate(segments):
            is_base = segment.head.sequence == 0 and segment.head.base == state
            if (is_base or state_of(segment.head) == state) and _positions(segment.head) == positions:
                found.append(Lineage(segments[at:]))
                break
    return sorted(found, key=lambda lineage: (lineage.started_ms, lineage.session))


def _segments(folder: Path) -> Iterator[Segment]:
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        head = read_head(path)
        if head is not None:
            yield Segment(path, head)


def _positions(head: Head) -> dict[TopicPartition, int]:
    return {TopicPartition(topic, partition): at for topic, partition, at in head.positions}
