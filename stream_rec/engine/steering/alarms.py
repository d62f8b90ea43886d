"""Alarms on `control`: which are in force, and what of them is still to be done to what is learned.

A record meets a replica's events at a moment of its own. So what it does to what is learned is due before the first
event that the broker took later than the alarm by a margin: a place in the log, the same on every replica that is not
behind on `control` by more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_rec.errors import ConfigError
from stream_rec.schemas.alarm import Alarm
from stream_rec.schemas.scenario import Exploration, Scenario
from stream_rec.schemas.scenario_check import faults

AGAIN_MS = 600_000
"""Alarms of one name that follow each other sooner are one: several workers have found the same."""
MAX_DUE = 256
"""Alarms whose effects are due, and names that are remembered, at most."""


class Due(msgspec.Struct, frozen=True, array_like=True):
    """What an alarm does to what is learned.

    Attributes:
        after: ms: before the first event that the broker took later.
        learning_rate: rankers take larger steps for a while.
        reset: sources that begin anew.
    """

    after: int
    learning_rate: bool
    reset: tuple[str, ...]


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    due: tuple[Due, ...]
    last: tuple[tuple[str, int], ...]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Kept).decode


class Alarms:
    """A part of what is learned.

    Args:
        margin_ms: see the module.

    Attributes:
        in_force: by name, until they are taken back.
        due: what is still to be done, in the order of `after`.
        raised: when, by name, in force or not: ms, the broker's, of the last record.
    """

    def __init__(self, margin_ms: int) -> None:
        self._margin_ms = margin_ms
        self.raised: dict[str, int] = {}
        self.in_force: Mapping[str, Alarm] = {}
        self.due: tuple[Due, ...] = ()

    @property
    def exploration(self) -> float:
        """Least share of a slate that chance fills now."""
        return max((alarm.exploration for alarm in self.in_force.values()), default=0.0)

    @property
    def popular(self) -> bool:
        """Has what is popular taken over from personal slates?"""
        return any(alarm.popular for alarm in self.in_force.values())

    @property
    def wishes(self) -> tuple[float, bool]:
        """All that they want of scenarios."""
        return self.exploration, self.popular

    def learn(self, name: str, alarm: Alarm | None, broker_ts: int) -> None:
        """An alarm is raised (ms, the broker's), or taken back: what was due stays so."""
        self.in_force = {each: known for each, known in self.in_force.items() if each != name}
        if alarm is None:
            return
        self.in_force = {**self.in_force, name: alarm}
        if broker_ts - self.raised.pop(name, -AGAIN_MS) < AGAIN_MS:
            self.raised[name] = broker_ts
            return
        self.raised[name] = broker_ts
        if len(self.raised) > MAX_DUE:
            del self.raised[next(iter(self.raised))]
        if alarm.teaches and len(self.due) < MAX_DUE:
            due = Due(broker_ts + self._margin_ms, alarm.learning_rate, alarm.reset)
            self.due = tuple(sorted((*self.due, due), key=lambda each: each.after))

    def done(self, due: Due) -> None:
        """It was done."""
        self.due = tuple(each for each in self.due if each is not due)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What is to be kept beside the records; nothing before the first alarm."""
        if not self.raised:
            return {}
        return {"alarms": np.frombuffer(_encode(_Kept(self.due, tuple(self.raised.items()))), np.uint8)}

    def load(self, arrays: Mapping[str, NDArray[Any]], in_force: Mapping[str, Alarm]) -> None:
        """Take over what `arrays` gave, and the alarms that the records say are in force."""
        self.in_force = in_force
        if "alarms" in arrays:
            kept = _decode(arrays["alarms"].tobytes())
            self.due, self.raised = kept.due, dict(kept.last)

    @staticmethod
    def check(arrays: Mapping[str, NDArray[Any]]) -> None:
        """Could `load` take these?

        Raises:
            ConfigError: they are not its own.
        """
        try:
            if "alarms" in arrays:
                _decode(arrays["alarms"].tobytes())
        except (msgspec.DecodeError, msgspec.ValidationError):
            raise ConfigError("the alarms do not fit", fix="start without this snapshot") from None


def stood_in(scenarios: dict[str, Scenario], popular: bool) -> dict[str, Scenario]:
    """The scenarios, with what is popular in place of what is personal if that is wished; the other rules hold."""
    if not popular:
        return scenarios
    found = {}
    for name, scenario in scenarios.items():
        wanted = msgspec.structs.replace(scenario, logic="popular", rerank=None)
        found[name] = wanted if scenario.logic == "personal" and not faults(wanted) else scenario
    return found


def widened(scenarios: dict[str, Scenario], share: float) -> dict[str, Scenario]:
    """The scenarios with at least this share of places that chance fills, where it may have a say."""
    if not share:
        return scenarios
    found = {}
    for name, scenario in scenarios.items():
        own = scenario.exploration or Exploration(share)
        wider = msgspec.structs.replace(own, share=max(own.share, share))
        wanted = msgspec.structs.replace(scenario, exploration=wider)
        found[name] = scenario if faults(wanted) else wanted
    return found
