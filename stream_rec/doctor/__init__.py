"""Looks at everything a worker needs and says what to do about what is wrong. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from stream_rec.doctor import bridge, broker, catalogue, machine, rules, store
from stream_rec.doctor.finding import Finding, attempted
from stream_rec.settings import Settings

__all__ = ["Finding", "examine"]

AREAS: dict[str, Callable[[Settings], Iterator[Finding]]] = {
    "software": machine.examine,
    "kafka": broker.examine,
    "redis": store.examine,
    "catalogue": catalogue.examine,
    "rules": rules.examine,
    "bridge": bridge.examine,
}


def examine(settings: Settings) -> Iterator[tuple[str, Finding]]:
    """Findings of every area, as they come. Whatever is broken is a finding, never an error."""
    for area, look in AREAS.items():
        for finding in attempted(area, partial(look, settings)):
            yield area, finding
