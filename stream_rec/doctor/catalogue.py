"""Can anything of the catalogue be shown, and is it the catalogue of the items that users act on?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from stream_rec.doctor.finding import Finding
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.schemas.scenario_reads import KnownNames
from stream_rec.settings import Settings
from stream_rec.store.reader import Reader

_MOST_STRANGERS = 0.5
"""Of the items that users act on: with more it is probably another catalogue, or ids are written otherwise."""


def examine(settings: Settings) -> Iterator[Finding]:
    """Of what a worker has said in Redis."""
    if not settings.store.url:
        yield Finding("ok", "without store.url nobody has said anything of it")
        return
    try:
        with closing(Reader(settings.store)) as reader:
            known = reader.catalogue()
    except (ConfigError, Unavailable) as error:
        yield Finding("warn", f"not looked at: {error}", "it is said above what is wrong with Redis")
        return
    if known is None or known.available is None:
        yield Finding("ok", "no worker has said yet what is in it")
    elif not known.items:
        yield Finding("ok", f"it is empty; users have acted on {known.strangers:,} items")
    else:
        yield from _judged(known, known.available)


def _judged(known: KnownNames, available: int) -> Iterator[Finding]:
    if available:
        yield Finding("ok", f"{available:,} of its {known.items:,} items may be shown")
    else:
        yield Finding(
            "warn",
            f"none of its {known.items:,} items may be shown: they are hidden, not available, or not in their windows",
            "look at `available`, `available_from` and `available_until` of what was loaded",
            "stream-rec items load FILE --dry-run",
        )
    acted_on = known.strangers + known.with_events
    if known.strangers > _MOST_STRANGERS * acted_on:
        yield Finding(
            "warn",
            f"{known.strangers:,} of {acted_on:,} items that users act on have no record in it: "
            f"events name {_listed(known.strange)}, the catalogue {_listed(known.examples)}",
            "name items alike in both (leading zeros, case, a variant's number for the product's): docs/your-data.md",
        )


def _listed(ids: tuple[str, ...]) -> str:
    return ", ".join(map(repr, ids)) or "no others"
