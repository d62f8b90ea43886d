"""The topic `dead-letters`, read to its end, or followed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import msgspec

from stream_rec import logs
from stream_rec.bus.batch import Fetched
from stream_rec.bus.reader import Fetching, Reader, Start
from stream_rec.bus.stretches import Bounds, read_through
from stream_rec.schemas.records import DeadLetter, TopicName
from stream_rec.settings import BusSettings

TOPIC: TopicName = "dead-letters"
_FOLLOW = Fetching(max_records=500, max_bytes=16 << 20, wait_seconds=0.5)

_decode = msgspec.json.Decoder(DeadLetter).decode


def read_letters(bus: BusSettings, bounds: Bounds) -> Iterator[DeadLetter]:
    """The letters within these bounds (`OffsetReader.bounds`), each partition in log order.

    Raises:
        ConfigError: the broker refuses us.
        Unavailable: the broker gave nothing for `bus.admin_timeout_seconds`.
    """
    for batch in read_through(bus, bounds):
        yield from _letters(batch)


def follow_letters(bus: BusSettings, bounds: Bounds) -> Iterator[list[DeadLetter]]:
    """The letters behind these bounds, without end; an empty list while none come. Raises as `read_letters`."""
    with closing(Reader(bus, _FOLLOW)) as reader:
        reader.begin({tp: Start(end) for tp, (_, end) in bounds.items()})
        while True:
            yield [letter for read in reader.read() for letter in _letters(read.batch)]


def _letters(batch: Fetched) -> Iterator[DeadLetter]:
    for offset, value in zip(batch.offsets, batch.values, strict=True):
        if value is None:  # an erased letter
            continue
        try:
            yield _decode(value)
        except (msgspec.DecodeError, UnicodeError) as error:
            logs.get("ingest").warning(
                "no dead letter, and passed over",
                record=f"{TOPIC}/{batch.partition}/{offset}",
                why=str(error),
            )
