"""Shoppers who act on the slates of a `LoopWorker`, and what became of every slate that they looked at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_rec.bench.loop_worker import LoopWorker
from stream_rec.producers.simulate.reactions import Look, Reactions
from stream_rec.producers.simulate.shop import ShopPlan
from stream_rec.producers.simulate.simulator import Shoppers
from stream_rec.schemas.records import Impression, Interaction
from stream_rec.schemas.shown import ShownSlate

BATCH = 32
"""Events that the worker takes in at once: eight seconds of a shop of 2,000, where a shopper pauses for ninety."""
BEST_EVERY = 10
"""Slates for each that is compared with the best one."""


class Slates(NamedTuple):
    """n slates that shoppers looked at, in order.

    Attributes:
        at: [n], events before it.
        arm: [n], of an experiment; empty = of none.
        likely: [n], the chance that the shopper clicks something of it.
        best: [n], the same of the best slate there could be; NaN = not looked for.
        clicked: [n], did the shopper click something?
    """

    at: NDArray[np.int64]
    arm: NDArray[np.str_]
    likely: NDArray[np.float64]
    best: NDArray[np.float64]
    clicked: NDArray[np.bool_]

    def only(self, which: NDArray[np.bool_]) -> Slates:
        """Some of them."""
        return Slates._make(column[which] for column in self)


class Tally:
    """Writes down every slate that is looked at.

    Attributes:
        n_events: so far.
    """

    def __init__(self) -> None:
        self.n_events = 0
        self._at: list[int] = []
        self._arm: list[str] = []
        self._likely: list[float] = []
        self._best: list[float] = []
        self._clicked: list[bool] = []

    def look(self, reactions: Reactions, look: Look, slate: ShownSlate) -> None:
        """A shopper is about to look at a slate."""
        is_due = len(self._at) % BEST_EVERY == 0
        self._at.append(self.n_events)
        self._arm.append(slate.variant or "")
        self._likely.append(reactions.probability(look))
        self._best.append(reactions.best_probability(look) if is_due else float("nan"))
        self._clicked.append(False)

    def event(self, event: Interaction) -> None:
        """What the shopper then did."""
        self.n_events += 1
        if event.event_type == "view" and event.slate_id is not None:
            self._clicked[-1] = True

    def slates(self) -> Slates:
        """All of them."""
        return Slates(
            np.array(self._at, np.int64),
            np.array(self._arm, np.str_),
            np.array(self._likely, np.float64),
            np.array(self._best, np.float64),
            np.array(self._clicked, np.bool_),
        )


def acting(shop: ShopPlan, worker: LoopWorker, n_events: int, tally: Tally) -> Iterator[Interaction]:
    """The catalogue, then so many events, of shoppers who read the worker's slates."""
    shoppers: Shoppers = Shoppers(
        shop, worker.read, lambda look, slate: tally.look(shoppers.reactions, look, slate)
    )
    worker.publish(shoppers.shop.catalogue(), shop.start_ts)
    worker.work()
    waiting: list[Interaction | Impression] = []
    for each in shoppers.happenings():
        waiting.append(each)
        if isinstance(each, Impression):
            continue
        tally.event(each)
        yield each
        if tally.n_events % BATCH == 0 or tally.n_events == n_events:
            worker.publish(waiting, each.ts)
            worker.work()
            waiting.clear()
        if tally.n_events == n_events:
            return
