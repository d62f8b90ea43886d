"""What somebody should look at, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from stream_rec.page.figures import Sample


class Alarm(NamedTuple):
    """One thing that is not as it should be.

    Attributes:
        what: in words.
        fix: what to do.
        is_grave: whether users feel it.
    """

    what: str
    fix: str
    is_grave: bool = False


def alarms(sample: Sample) -> list[Alarm]:
    """All of them, grave ones first."""
    return sorted(_found(sample), key=lambda each: not each.is_grave)


def _found(sample: Sample) -> Iterator[Alarm]:
    if sample.trouble:
        yield Alarm(sample.trouble, "`stream-rec doctor` says more", is_grave=True)
    if sample.at and not sample.workers:
        yield Alarm("no worker reports", "start one: `stream-rec worker`", is_grave=True)
    for worker in sample.silent():
        yield Alarm(
            f"{worker} has not reported for a while", "is it running? Its log says more", is_grave=True
        )
    for name, since in sample.told("alarm_since", "alarm").items():
        yield Alarm(
            f"{name} has changed for good, since {datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M} UTC",
            "`stream-rec alarm list` says what is done about it; docs/alarms.md what to look at",
        )
    if refused := sum(sample.by_label("records_refused", "to").values()):
        yield Alarm(
            f"Kafka has refused {refused:,.0f} records for good", "see the workers' log", is_grave=True
        )
    if misrouted := sample.total("misrouted"):
        yield Alarm(
            f"{misrouted:,.0f} events are on a partition their key does not hash to",
            "give producers Java's partitioner: `stream-rec doctor`",
        )
    if dropped := sample.total("metric_points_dropped"):
        yield Alarm(f"{dropped:,.0f} metric points were dropped", "is Kafka slow? `stream-rec doctor`")
