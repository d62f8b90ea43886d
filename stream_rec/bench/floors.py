"""Floors: what places that new items have at least cost in hit-rate, and what they bring these items.

Every fifth item of a log comes with its last third, as for `bench cold-start`. From then on, before one event in ten,
the user's slate is made twice: with a floor for the items that came then, and without. Both are of one engine in one
run. What is shown teaches nobody here, so it is the price at once: what new items earn by being seen is not in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_rec.bench.cold_start import Plan, SplitLog, publish, split
from stream_rec.bench.harness import Figures, Say
from stream_rec.engine.engine import Engine
from stream_rec.offline.evaluate.events import part
from stream_rec.schemas.columns import EventBatch
from stream_rec.schemas.scenario import Floor, Scenario
from stream_rec.settings import Settings

_PLAIN, _FLOOR = "plain", "floor"


@dataclass
class _Shown:
    """Sums over the slates of one scenario.

    Attributes:
        slates: how many.
        hits: that hold the item of the event that comes next; of these, hits of new items.
        hits_of_new: the same.
        places: shown.
        places_of_new: shown, of new items.
    """

    slates: int = 0
    hits: int = 0
    hits_of_new: int = 0
    places: int = 0
    places_of_new: int = 0

    def add(self, slate: list[str], item: str, new: set[str]) -> None:
        """One more slate, and what its user took."""
        self.slates += 1
        self.hits += item in slate
        self.hits_of_new += item in slate and item in new
        self.places += len(slate)
        self.places_of_new += sum(each in new for each in slate)


def run(settings: Settings, say: Say, plan: Plan, places: int, slates: float) -> Figures:
    """Both slates of the sampled events.

    Args:
        settings: of the engine.
        say: takes progress.
        plan: data set, events, and length of the slates.
        places: of the floor.
        slates: share of the slates that it is for.

    Returns:
        floor_price: hit-rate with the floor over without; hit_rate_*; hit_rate_of_new_*: hits of new items by slate;
        share_of_new_*: of the places.

    Raises:
        ConfigError: the data set has no catalogue.
    """
    items, late_items, log = split(settings, plan)
    engine = Engine(settings.engine)
    publish(engine, [item for item in items if item.item_id not in late_items])
    found = {_PLAIN: _Shown(), _FLOOR: _Shown()}
    for whole in log.batches:
        start, end = whole.span.start, whole.span.next
        if end <= log.late:
            engine.learn(whole)
            continue
        first = start
        for at in _asked(log, start, end):
            engine.learn(part(whole, first - start, at - start))
            first = at
            if at == log.late:
                publish(engine, [item for item in items if item.item_id in late_items])
                _decide(engine, plan.k, places, slates)
            if log.sampled[at]:
                _ask(engine, whole, at - start, late_items, found)
        engine.learn(part(whole, first - start, end - start))
    figures = {name: _figures(shown, name) for name, shown in found.items()}
    price = found[_FLOOR].hits / found[_PLAIN].hits if found[_PLAIN].hits else float("nan")
    say(f"hit-rate with the floor over without: {price:.4f}")
    said: Figures = {"data": plan.data, "k": plan.k, "places": places, "slates": slates}
    return {"floor_price": price, **figures[_FLOOR], **figures[_PLAIN], "asked": found[_PLAIN].slates, **said}


def _asked(log: SplitLog, start: int, end: int) -> list[int]:
    """Numbers of the events before which something is to be done."""
    numbers: NDArray[np.int64] = np.arange(max(start, log.late), end)
    return [int(n) for n in numbers[log.sampled[numbers] | (numbers == log.late)]]


def _decide(engine: Engine, k: int, places: int, slates: float) -> None:
    floor = Floor(f"first_seen >= {engine.event_time!r}", places, slates=slates)
    plain = Scenario(k=k, leave_out_seen="all", filter="true")
    kept = Scenario(k=k, leave_out_seen="all", filter="true", floors=(floor,))
    engine.decisions.scenarios = {_PLAIN: plain, _FLOOR: kept}


def _ask(engine: Engine, batch: EventBatch, at: int, new: set[str], found: dict[str, _Shown]) -> None:
    engine.compile_rules()
    user, item = (column.only(np.array([at])).to_list()[0] for column in (batch.users, batch.items))
    for name, shown in found.items():
        shown.add(engine.recommend([user], scenario=name).items[0], item, new)


def _figures(shown: _Shown, name: str) -> Figures:
    return {
        f"hit_rate_{name}": shown.hits / max(shown.slates, 1),
        f"hit_rate_of_new_{name}": shown.hits_of_new / max(shown.slates, 1),
        f"share_of_new_{name}": shown.places_of_new / max(shown.places, 1),
    }
