"""Looks at everything a worker needs and says what to do about what is wrong. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from stream_rec.doctor import broker, machine, store
from stream_rec.doctor.finding import Finding
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.settings import Settings

__all__ = ["Finding", "examine"]

AREAS: dict[str, Callable[[Settings], Iterator[Finding]]] = {
    "software": machine.examine,
    "kafka": broker.examine,
    "redis": store.examine,
}


def examine(settings: Settings) -> Iterator[tuple[str, Finding]]:
    """Findings of every area, as they come. A server that is away is a finding, not an error."""
    for area, look in AREAS.items():
        try:
            for finding in look(settings):
                yield area, finding
        except ConfigError as error:
            yield area, Finding("fail", error.message, error.fix)
        except Unavailable as error:
            yield area, Finding("fail", str(error), f"start it, or correct the address ({area})")
        except Exception as error:  # noqa: BLE001 - a doctor that falls ill has no patients
            what = f"could not be looked at: {type(error).__name__}: {error}"
            yield area, Finding("fail", what, "this is a bug of stream-rec: please report it with this line")
