"""Are all event types known that come? Looks at the newest events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from stream_rec.bus.lag import OffsetReader
from stream_rec.bus.stretches import read_through
from stream_rec.doctor.finding import Finding
from stream_rec.schemas.event_types import EventTypes
from stream_rec.schemas.records import TopicName
from stream_rec.settings import Settings

_TOPIC: TopicName = "events"
_SAMPLE = 1_000
"""Newest events that are looked at, of all partitions."""
_NAMED = 5


class _Typed(msgspec.Struct):
    event_type: str


_decode = msgspec.json.Decoder(_Typed).decode


def examine_types(settings: Settings) -> Iterator[Finding]:
    """One finding: the types of the newest events that `engine.event_types` does not name.

    Raises:
        Unavailable: Kafka does not answer.
    """
    bounds = OffsetReader(settings.bus).bounds([_TOPIC])
    each = max(1, _SAMPLE // max(1, len(bounds)))
    newest = {tp: (max(start, end - each), end) for tp, (start, end) in bounds.items() if end > start}
    found: Counter[str] = Counter()
    for batch in read_through(settings.bus, newest):
        for value in batch.values:
            try:
                found[_decode(value or b"").event_type] += 1
            except (msgspec.DecodeError, UnicodeError):  # the dead letters say what is wrong with it
                continue
    types = EventTypes.of(settings.engine.event_types)
    unknown = [(name, n) for name, n in found.most_common() if not types.knows(name)]
    n_events = found.total()
    if not unknown:
        yield Finding("ok", f"engine.event_types names the types of the newest {n_events:,} events")
        return
    named = ", ".join(f"{name!r} ({n:,})" for name, n in unknown[:_NAMED])
    more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
    yield Finding(
        "warn",
        f"of the newest {n_events:,} events, types that engine.event_types does not name: {named}{more}: each "
        "counts as interest of weight 1, also if it says the contrary",
        "say what they mean in [engine.event_types.NAME], docs/event-types.md; an empty table keeps it as it is",
    )
