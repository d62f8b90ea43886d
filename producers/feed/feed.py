"""Publish a sequence of events at a given pace, with progress, until it ends or is stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from stream_rec.clock import Clock, SystemClock
from stream_rec.errors import ContractError
from stream_rec.offline.datasets.faults import HINTS, Faults
from stream_rec.offline.datasets.files import Beside
from stream_rec.producers.feed.pace import FullSpeed, Pace
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.producers.replay.resume import Acknowledged
from stream_rec.schemas.records import Impression, Interaction, TopicName
from stream_rec.schemas.topics import Ack
from stream_rec.shapes.messages import Removed

_REPORT_SECONDS = 0.1
_WAIT_SECONDS = 0.05


class Row(NamedTuple):
    """One event to publish.

    Attributes:
        position: in its source; ascending.
        event: None = a bad row, which is counted and left out; whoever gives the rows knows why.
        fraction: how much of the source is read; None = it has no end, or it is unknown.
    """

    position: int
    event: Interaction | None
    fraction: float | None


@dataclass(slots=True)
class Progress:
    """How far a run is.

    Attributes:
        n_sent: events given to the bus in this run.
        n_acknowledged: of them, those that the bus has.
        n_bad: rows that are no events, or break the contract; left out.
        beside: items and impressions given to the bus in this run, by topic.
        faults: what was wrong with them, and what was left out of others.
        fraction: how much of the source is read; None = unknown.
        event_ts: event time of the last event sent, in seconds; NaN = none.
        seconds: since the run began.
        stopped: it was told to stop before the source's end.
    """

    n_sent: int = 0
    n_acknowledged: int = 0
    n_bad: int = 0
    beside: Counter[TopicName] = field(default_factory=Counter)
    faults: Faults = field(default_factory=Faults)
    fraction: float | None = None
    event_ts: float = float("nan")
    seconds: float = 0.0
    stopped: bool = False

    @property
    def events_per_s(self) -> float:
        """Of the whole run, by what the bus has."""
        return self.n_acknowledged / self.seconds if self.seconds > 0 else 0.0


def never() -> bool:
    """The answer of a run that nobody stops."""
    return False


class Feed:
    """One run over rows. Not to be used twice.

    Args:
        publisher: destination.
        pace: when each event is due.
        acknowledged: takes in each position that is done.
        stop: asked before every event.
        on_progress: called about ten times a second, and at the end, from the thread that runs.
        on_ack: called with each event's acknowledgement.
        clock: of the pace.
    """

    def __init__(
        self,
        publisher: Publisher,
        *,
        pace: Pace | None = None,
        acknowledged: Acknowledged | None = None,
        stop: Callable[[], bool] = never,
        on_progress: Callable[[Progress], None] | None = None,
        on_ack: Callable[[Interaction, Ack], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._publisher = publisher
        self._pace = pace or FullSpeed()
        self._stop = stop
        self._on_progress = on_progress
        self._on_ack = on_ack
        self._clock = clock or SystemClock()
        self._began = self._clock.monotonic()
        self._reported = self._began
        self.acknowledged = acknowledged or Acknowledged()
        self.progress = Progress()

    def run(self, rows: Iterable[Row | Beside]) -> Progress:
        """Publish the rows, and what stands beside them, and wait until the bus has it all.

        Raises:
            Unavailable: the bus did not take an event in time. What it has is in `acknowledged`.
            ConfigError: the topic does not exist, or access to it is refused.
        """
        for row in rows:
            if self._stop():
                self.progress.stopped = True
                break
            if isinstance(row, Beside):
                self._send_beside(row)
                continue
            self.progress.fraction = row.fraction
            if row.event is None:
                self._bad(row.position)
            elif self._wait_until_due(row.event.ts):
                self._send(row.position, row.event)
            else:
                self.progress.stopped = True
                break
        self._publisher.flush()
        self._report()
        return self.progress

    def _send(self, position: int, event: Interaction) -> None:
        try:
            self._publisher.send(event, partial(self._acked, position, event))
        except ContractError as error:
            self.progress.faults.add(
                error.reason, f"row {position + 1}: {error.detail}", HINTS.get(error.reason, "")
            )
            self._bad(position)
            return
        self.progress.n_sent += 1
        self.progress.event_ts = event.ts
        if self._clock.monotonic() - self._reported >= _REPORT_SECONDS:
            self._report()

    def _send_beside(self, beside: Beside) -> None:
        """At once: the event before which it stands is not due yet."""
        record = beside.record
        try:
            if isinstance(record, Removed):
                self._publisher.remove_item(record.item_id)
            else:
                self._publisher.send(record)
        except ContractError as error:
            self.progress.faults.add(
                error.reason,
                f"before event {beside.position + 1}: {error.detail}",
                HINTS.get(error.reason, ""),
            )
            return
        self.progress.beside["impressions" if isinstance(record, Impression) else "items"] += 1

    def _wait_until_due(self, ts: float) -> bool:
        """False = told to stop meanwhile."""
        due = self._began + self._pace.due(self.progress.n_sent, ts)
        while (left := due - self._clock.monotonic()) > 0:
            self._publisher.poll(min(left, _WAIT_SECONDS))
            if self._clock.monotonic() - self._reported >= _REPORT_SECONDS:
                self._report()
            if self._stop():
                return False
        return True

    def _acked(self, position: int, event: Interaction, ack: Ack) -> None:
        self.acknowledged.done(position)
        self.progress.n_acknowledged += 1
        if self._on_ack:
            self._on_ack(event, ack)

    def _bad(self, position: int) -> None:
        self.acknowledged.done(position)
        self.progress.n_bad += 1

    def _report(self) -> None:
        self._reported = self._clock.monotonic()
        self.progress.seconds = self._reported - self._began
        if self._on_progress:
            self._on_progress(self.progress)
