"""Do messages come that cannot be read? Looks at the newest dead letters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from stream_rec.bus.dead_letters import TOPIC, read_letters
from stream_rec.bus.lag import OffsetReader
from stream_rec.clock import SystemClock
from stream_rec.doctor.finding import Finding
from stream_rec.schemas.hints import hint
from stream_rec.settings import BusSettings

_SAMPLE = 1_000
_RECENT_SECONDS = 3_600.0


def examine_letters(bus: BusSettings, shapes: Mapping[str, str]) -> Iterator[Finding]:
    """One finding: how many came within the last hour, the most frequent reason, and what is probably wrong.

    Args:
        bus: addresses.
        shapes: of topics that the bridge reads.

    Raises:
        Unavailable: Kafka does not answer.
    """
    bounds = OffsetReader(bus).bounds([TOPIC])
    total = sum(end - start for start, end in bounds.values())
    sampled = {tp: (max(start, end - _SAMPLE), end) for tp, (start, end) in bounds.items()}
    since_ms = (SystemClock().now() - _RECENT_SECONDS) * 1000
    recent = [letter for letter in read_letters(bus, sampled) if letter.broker_ts >= since_ms]
    if not recent:
        yield Finding("ok", f"no dead letters within the last hour, {total:,} in all")
        return
    ((topic, reason), n), *_ = Counter((one.topic, one.reason) for one in recent).most_common()
    last = next(one for one in reversed(recent) if (one.topic, one.reason) == (topic, reason))
    said = hint(last.topic, last.reason, last.detail, last.raw, last.key, shapes.get(last.topic, "NAME"))
    at_least = "at least " if len(recent) >= _SAMPLE else ""
    what = (
        f"{at_least}{len(recent):,} dead letters within the last hour, {n:,} of them {reason} on {topic}: they teach "
        f"nothing{f'; hint: {said}' if said else ''}"
    )
    yield Finding("warn", what, "mend their producer", "stream-rec dead-letters")
