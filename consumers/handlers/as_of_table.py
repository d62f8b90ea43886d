"""Up to which event of each partition, and up to which decision, the slates made now know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from stream_rec.schemas.columns import EventBatch
from stream_rec.schemas.records import AsOf

_NOTE = "latest"


class AsOfTable:
    """The last event learned from each partition of `events`. Engine's thread, once it runs.

    Args:
        log: topic id of `events`.
        notes: notes of the snapshot that the engine was restored from; those of another log are left out.
        rules: offset of the last decision learned from `control`; -1 = none.
    """

    def __init__(self, log: str, notes: Mapping[str, Any], rules: int = -1) -> None:
        self._log = log
        self._rules = rules
        found = msgspec.convert(notes.get(_NOTE, []), list[AsOf])
        self._latest = {as_of.partition: as_of for as_of in found if as_of.log == log}

    def learned(self, batch: EventBatch) -> AsOf | None:
        """A batch was learned.

        Returns:
            The as-of of slates for this batch; None when it holds no event. An older batch that is learned again does
            not move the table back.
        """
        if not len(batch):
            return None
        partition = batch.span.partition
        offset, broker_ts, ts = int(batch.offsets[-1]), int(batch.broker_ts[-1]), float(batch.ts[-1])
        as_of = AsOf(self._log, partition, offset, broker_ts, ts, self._rules)
        known = self._latest.get(partition)
        if known is None or known.offset < offset:
            self._latest[partition] = as_of
        return as_of

    def decided(self, next_offset: int) -> None:
        """Decisions were learned, up to before this offset."""
        self._rules = max(self._rules, next_offset - 1)

    def of(self, partition: int) -> AsOf | None:
        """The partition's; the newest of all when nothing was learned from it; None when nothing was learned at all.

        Users of a partition that was added may have had all their events on another.
        """
        known = self._latest.get(partition)
        return self._now(known) if known else self.newest()

    def newest(self) -> AsOf | None:
        """The latest of all partitions in the broker's time; None when nothing was learned."""
        newest = max(self._latest.values(), key=lambda as_of: as_of.broker_ts, default=None)
        return self._now(newest) if newest else None

    def _now(self, as_of: AsOf) -> AsOf:
        """The same event, under the rules that are in force now."""
        return as_of if as_of.rules == self._rules else msgspec.structs.replace(as_of, rules=self._rules)

    def notes(self) -> dict[str, Any]:
        """What a snapshot keeps of it."""
        return {_NOTE: [msgspec.to_builtins(as_of) for as_of in self._latest.values()]}
