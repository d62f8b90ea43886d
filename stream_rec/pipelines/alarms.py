"""Which records of `control` start a training: alarms that are in force. Read by Airflow's triggerer, one at a time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import msgspec

from stream_rec.clock import Clock, SystemClock
from stream_rec.schemas.alarm import Alarm
from stream_rec.schemas.columns import Span
from stream_rec.schemas.decisions import decode_control
from stream_rec.settings import IngestSettings

METRICS = ("served_hit_rate",)
"""Whose alarms start one, as those that workers act on (`alarm.acts_on`): the others tell of data, not of models."""


class _One(NamedTuple):
    """One message as a batch of the log."""

    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    offsets: Sequence[int]
    timestamps: Sequence[int]


def raised(
    message: Any, metrics: Collection[str] = METRICS, clock: Clock | None = None
) -> dict[str, Any] | None:
    """The alarm that a message raises; None = it raises none of these metrics, or is none, or is over.

    An alarm that is over does not start a training when a consumer begins at the start of the log, or comes late.

    Args:
        message: confluent_kafka's, of `control`.
        metrics: as `alarm.raised_by` has them: `ctr` is that of every scenario.
        clock: says what is over.

    Returns:
        The body of the record (docs/alarms.md), as JSON knows it.
    """
    _, stamp = message.timestamp()
    one = _One([message.key()], [message.value()], [message.offset()], [stamp])
    span = Span("control", message.partition(), 0, message.offset(), message.offset() + 1)
    for decision in decode_control(one, span, IngestSettings()).batch.decisions:
        alarm = decision.body
        if (
            isinstance(alarm, Alarm)
            and alarm.metric.partition(".")[0] in metrics
            and alarm.until > (clock or SystemClock()).now()
        ):
            return dict(msgspec.to_builtins(alarm))
    return None
