"""How fast events are published."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from stream_rec.errors import ConfigError


class Pace(Protocol):
    """When each event of a run is due. One object serves one run."""

    def due(self, n: int, ts: float) -> float:
        """Seconds after the run's start at which its n-th event (from 0), of event time `ts`, is due."""
        ...


@dataclass(frozen=True, slots=True)
class FullSpeed:
    """As fast as the bus takes them."""

    def due(self, n: int, ts: float) -> float:  # noqa: ARG002 - what a Pace is asked
        """At once."""
        return 0.0


@dataclass(frozen=True, slots=True)
class PerSecond:
    """So many events a second, evenly; a delay is made up for.

    Args:
        rate: events per second, > 0.
    """

    rate: float

    def __post_init__(self) -> None:
        _positive("rate", self.rate)

    def due(self, n: int, ts: float) -> float:  # noqa: ARG002 - what a Pace is asked
        """By its number."""
        return n / self.rate


@dataclass(slots=True)
class EventTime:
    """As the events happened, `speed_up` times as fast. An event earlier than one before it is due at once.

    Args:
        speed_up: > 0; 1 = real time.
    """

    speed_up: float
    _first: float | None = field(default=None, init=False)
    _latest: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        _positive("speed-up", self.speed_up)

    def due(self, n: int, ts: float) -> float:  # noqa: ARG002 - what a Pace is asked
        """By event time since the run's first event."""
        if self._first is None:
            self._first = self._latest = ts
        self._latest = max(self._latest, ts)
        return (self._latest - self._first) / self.speed_up


def _positive(what: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise ConfigError(f"{what} {value:g} is not a positive number", fix=f"give a {what} above 0")
