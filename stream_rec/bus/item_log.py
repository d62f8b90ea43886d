"""One item's last record on the topic `items`."""

from __future__ import annotations

from stream_rec.bus.lag import OffsetReader
from stream_rec.bus.stretches import read_through
from stream_rec.kernels.murmur2 import partition_of
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import TopicName
from stream_rec.settings import BusSettings

TOPIC: TopicName = "items"


def last_record(bus: BusSettings, item_id: str) -> tuple[TopicPartition, int, int, bytes | None] | None:
    """Where the item's last record is, its broker timestamp (ms), and its value; None = there is none.

    Reads the key's partition from its start; where producers used another partitioner, it is not found.

    Raises:
        ConfigError: the broker refuses us, or the topic is missing.
        Unavailable: the broker gave nothing for `bus.admin_timeout_seconds`.
    """
    bounds = OffsetReader(bus).bounds([TOPIC])
    home = int(partition_of(IdColumn.of([item_id]), len(bounds))[0])
    mine = {tp: both for tp, both in bounds.items() if tp.partition == home}
    key, found = item_id.encode(), None
    for batch in read_through(bus, mine):
        for offset, stamp, name, value in zip(
            batch.offsets, batch.timestamps, batch.keys, batch.values, strict=True
        ):
            if name == key:
                found = TopicPartition(TOPIC, home), int(offset), int(stamp), value
    return found
