"""Which items may be shown, by the topic `items`: the files of events name items that were taken out long ago."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stream_rec.bus.lag import OffsetReader
from stream_rec.bus.stretches import read_through
from stream_rec.schemas.codec import decode_items
from stream_rec.schemas.records import Item
from stream_rec.settings import Settings


def may_be_shown(settings: Settings, items: Sequence[str], event_time: float) -> NDArray[np.bool_]:
    """Whether the catalogue lets these items be shown, bool [n].

    Where the catalogue has an item that may be shown, others that it does not have may not: an item that was removed
    is in no record once the topic is compacted, and in `removed` for only so long. Without a catalogue all may be shown
    that no record hides.

    Args:
        settings: where the topic is.
        items: ids [n].
        event_time: seconds: windows of availability are judged by it.

    Raises:
        ConfigError: there is no topic.
        Unavailable: Kafka does not answer.
    """
    found: dict[str, bool] = {}
    for batch in read_through(settings.bus, OffsetReader(settings.bus).bounds(["items"])):
        for change in decode_items(batch, batch.span(), settings.ingest).batch.changes:
            found[change.item_id] = change.item is not None and _is_open(change.item, event_time)
    unknown = not any(found.values())
    return np.array([found.get(item, unknown) for item in items], np.bool_)


def _is_open(item: Item, event_time: float) -> bool:
    begins, ends = item.available_from, item.available_until
    return (
        item.available
        and not item.hidden
        and (begins is None or begins <= event_time)
        and (ends is None or event_time < ends)
    )
