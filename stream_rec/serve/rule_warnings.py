"""What a scenario's rules ask for that no item has: said before it is applied."""

from __future__ import annotations

from collections.abc import Mapping

from stream_rec.errors import ConfigError, Unavailable
from stream_rec.schemas.scenario import Scenario
from stream_rec.schemas.scenario_reads import KnownNames, nobody_has
from stream_rec.settings import StoreSettings
from stream_rec.store.reader import Reader


def known_names(store: StoreSettings) -> KnownNames | None:
    """What a worker has said of the catalogue; None = none has, or there is no Redis that could be asked."""
    if not store.url:
        return None
    try:
        reader = Reader(store)
        try:
            return reader.catalogue()
        finally:
            reader.close()
    except (ConfigError, Unavailable):
        return None


def warnings(wanted: Mapping[str, Scenario], known: KnownNames | None) -> dict[str, list[str]]:
    """Of each scenario that is on: a sentence for each rule that asks for what no item has.

    Args:
        wanted: by name.
        known: of the catalogue; where nothing is known of any item, nothing is said.
    """
    if known is None or not known.items:
        return {}
    found = {name: list(nobody_has(each, known.names)) for name, each in wanted.items() if each.on}
    return {name: sentences for name, sentences in found.items() if sentences}
