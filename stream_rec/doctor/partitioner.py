"""Do producers put keys where Java's default partitioner puts them? Samples the end of a topic."""

from __future__ import annotations

from collections.abc import Iterator

from stream_rec.bus.lag import OffsetReader
from stream_rec.bus.stretches import read_through
from stream_rec.doctor.finding import Finding
from stream_rec.schemas.columns import IdColumn
from stream_rec.schemas.records import TopicName
from stream_rec.settings import BusSettings

SAMPLE_PER_PARTITION = 200
_FIX = (
    "give producers Java's partitioner, and send a key: librdkafka partitioner=murmur2_random, kafka-go "
    "Murmur2Balancer, sarama a hasher of your own (docs/cookbook.md has the lines)"
)


def examine_keys(bus: BusSettings, name: TopicName) -> Iterator[Finding]:
    """One finding: how many of the last records stand on a partition that their key does not hash to.

    A user's events on two partitions are learned in no fixed order, and two workers write that user's slate.

    Raises:
        Unavailable: Kafka does not answer.
    """
    sampled = _sample(bus, name)
    n = sum(len(keys) for keys in sampled.values())
    if not n:
        yield Finding("ok", f"topic {name} is empty: no keys to look at yet")
        return
    wrong = sum(_misrouted(partition, keys, len(sampled)) for partition, keys in sampled.items())
    if wrong:
        what = (
            f"{wrong} of the last {n} records of {name} are on a wrong partition: their users' events are learned in "
            "no fixed order, and two workers write their slates"
        )
        yield Finding("fail", what, _FIX)
    else:
        yield Finding("ok", f"the last {n} records of {name} are on the partition of their key")


def _misrouted(partition: int, keys: list[bytes | None], n_partitions: int) -> int:
    from stream_rec.kernels.murmur2 import partition_of

    there = [key.decode(errors="surrogateescape") for key in keys if key is not None]
    packed = IdColumn.of(there)
    return len(keys) - len(there) + int((partition_of(packed, n_partitions) != partition).sum())


def _sample(bus: BusSettings, name: TopicName) -> dict[int, list[bytes | None]]:
    """Keys of the last records of every partition, at most `SAMPLE_PER_PARTITION` of each."""
    bounds = {
        tp: (max(start, end - SAMPLE_PER_PARTITION), end)
        for tp, (start, end) in OffsetReader(bus).bounds([name]).items()
    }
    sampled: dict[int, list[bytes | None]] = {tp.partition: [] for tp in bounds}
    for batch in read_through(bus, bounds):
        sampled[batch.partition] += batch.keys
    return sampled
