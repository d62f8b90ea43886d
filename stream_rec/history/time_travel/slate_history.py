"""Which slate a user had at a moment of the past: from the topic `slates`."""

from __future__ import annotations

import msgspec

from stream_rec.bus.lag import OffsetReader
from stream_rec.bus.stretches import read_through
from stream_rec.kernels.murmur2 import partition_of
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import Slate
from stream_rec.settings import BusSettings

_decode = msgspec.json.Decoder(Slate).decode


def slate_at(bus: BusSettings, user_id: str, scenario: str, ms: int) -> Slate | None:
    """What Redis held for a user at `ms`, the broker's time; None = the topic has no slate of his from before.

    The topic has every slate that was offered to Redis, which never puts an older one over a newer: of one log and
    partition the one with the highest offset stands, otherwise that of the later event.

    Raises:
        ConfigError: there is no topic `slates`.
        Unavailable: the broker does not answer.
    """
    bounds = OffsetReader(bus).bounds(["slates"])
    partition = int(partition_of(IdColumn.of([user_id]), len(bounds))[0])
    tp = TopicPartition("slates", partition)
    key, found = user_id.encode(), None
    for batch in read_through(bus, {tp: bounds[tp]}):
        for name, value, timestamp in zip(batch.keys, batch.values, batch.timestamps, strict=True):
            if name != key or value is None or timestamp > ms:
                continue
            slate = _decode(value)
            if slate.scenario == scenario and (found is None or _stands_over(slate, found)):
                found = slate
    return found


def _stands_over(new: Slate, old: Slate) -> bool:
    a, b = new.as_of, old.as_of
    if (a.log, a.partition) == (b.log, b.partition):
        return a.offset >= b.offset
    return a.broker_ts >= b.broker_ts
