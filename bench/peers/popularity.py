"""What is popular of late, the same for everybody."""

from __future__ import annotations

import numpy as np

from bench.peers.protocol import Ranking, Settings
from bench.peers.stream import Events, Query
from bench.peers.top import top

_RESCALE_ABOVE = 1e100


class Popularity:
    """Counts of events that lose half their weight in `half_life` events; None = they never do."""

    def __init__(self, settings: Settings) -> None:
        half_life = settings["half_life"]
        self._growth = 1.0 if half_life is None else 2.0 ** (1.0 / half_life)
        self._step = 1.0
        self._weights = np.zeros(0)

    def learn(self, events: Events) -> None:
        """A later event weighs more, which is the same as earlier ones weighing less."""
        missing = int(events.items.max(initial=-1)) + 1 - len(self._weights)
        if missing > 0:
            self._weights = np.concatenate((self._weights, np.zeros(missing)))
        for item in events.items.tolist():
            self._weights[item] += self._step
            self._step *= self._growth
        if self._step > _RESCALE_ABOVE:
            self._weights /= self._step
            self._step = 1.0

    def rank(self, query: Query) -> Ranking:
        """The heaviest items."""
        return top(self._weights.copy(), query.left_out, query.k)
