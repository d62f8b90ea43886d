"""What alarms do to what is learned, at their places in the log (`steering.alarms`)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_rec.engine.arms.rankers import ArmRankers
from stream_rec.engine.held import Held
from stream_rec.engine.state.create import bounds_of
from stream_rec.engine.steering.alarms import Alarms, Due
from stream_rec.settings import EngineSettings
from stream_rec.sources import registry
from stream_rec.sources.features import SOURCES
from stream_rec.sources.ranker import boost_learning_rate

Places = dict[int, tuple[Due, ...]]
"""By index of an event: what is done before it is learned."""


class AlarmEffects:
    """Lets rankers move faster, and sources begin anew.

    Args:
        held: the state, changed in place, or replaced.
        arms: rankers of arms, which do as the engine's does.
        alarms: what is due.
        settings: bounds of what begins anew.
    """

    def __init__(self, held: Held, arms: ArmRankers, alarms: Alarms, settings: EngineSettings) -> None:
        self._held = held
        self._arms = arms
        self._alarms = alarms
        self._settings = settings

    def places(self, broker_ts: NDArray[np.int64], first: int) -> Places:
        """Where in a batch of n events (ms, the broker's) something is due, from an index on."""
        found: Places = {}
        for due in self._alarms.due:
            later = np.flatnonzero(broker_ts[first:] > due.after)
            if len(later):
                at = first + int(later[0])
                found[at] = (*found.get(at, ()), due)
        return found

    def apply(self, due: Due) -> None:
        """Do it, once."""
        if due.learning_rate:
            for ranker in (self._held.state.ranker, *(arm.ranker for arm in self._arms.all().values())):
                boost_learning_rate(ranker)
        if due.reset:
            empty = registry.parts("empty", bounds_of(self._settings))
            fresh: dict[str, Any] = {
                each.state: empty[each.state] for each in SOURCES if each.name in due.reset
            }
            self._held.state = self._held.state._replace(**fresh)
        self._alarms.done(due)
