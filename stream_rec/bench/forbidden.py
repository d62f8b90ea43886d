"""Is anything shown that must not be? Random rule sets, catalogues, events and faults on a running worker, every path.

A set of rules is published with changes of the catalogue and events; a fault comes in the middle of it. Once the
worker has handled all of it, every path is read: what may not be shown by the oracle is counted.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import redis

from stream_rec.bench.harness import Figures, Say
from stream_rec.bench.steer_paths import Shown, shown
from stream_rec.bench.steer_world import Change, ShopWithRules
from stream_rec.bus.lag import lag
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.embedded.stack import start_stack, without_addresses
from stream_rec.embedded.worker import WorkerProcess
from stream_rec.errors import Unavailable
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.settings import Settings
from stream_rec.sources.features import SWITCHES

Fault = Literal["none", "flush", "evict", "restart", "fewer sources", "no snapshot"]
FAULTS: tuple[Fault, ...] = (
    "none",
    "none",
    "flush",
    "evict",
    "evict",
    "restart",
    "fewer sources",
    "no snapshot",
)
SETTLE_SECONDS = 120.0
_LOOK_SECONDS = 0.5
_FLAGS = {
    "engine.max_users": "500",
    "engine.max_items": "48",
    "engine.history_length": "16",
    "engine.catalogue": "required",
    "store.lists_seconds": "0.3",
    "store.category_tags": "8",
    "snapshot.every_events": "200",
    "snapshot.min_seconds": "1",
    "bus.partitions": "2",
}


@dataclass
class _Found:
    """Counts so far."""

    forbidden: int = 0
    items: int = 0
    sets: int = 0
    settle: list[float] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)


def run(settings: Settings, say: Say, *, sets: int, seed: int) -> Figures:
    """Try so many rule sets.

    Returns:
        `forbidden` items over all paths and sets, with how much was looked at.
    """
    bus = settings.bus.model_copy(update={"partitions": 2})
    settings = without_addresses(settings).model_copy(update={"bus": bus})
    with start_stack(settings) as stack, tempfile.TemporaryDirectory() as folder:
        ensure_topics(stack.settings.bus)
        trial = _Trial(stack.settings, Path(folder), seed)
        try:
            for number in range(sets):
                trial.one(number, say)
        finally:
            trial.worker.stop()
    found = trial.found
    return {
        "forbidden": found.forbidden,
        "rule_sets": found.sets,
        "items_looked_at": found.items,
        "settle_s_max": max(found.settle, default=0.0),
        **{f"faults_{name.replace(' ', '_')}": n for name, n in sorted(found.faults.items())},
    }


class _Trial:
    """A worker on a stack, and the shop that it serves."""

    def __init__(self, settings: Settings, folder: Path, seed: int) -> None:
        self.settings = settings
        self.found = _Found()
        self._folder = folder
        self._rng = np.random.default_rng(seed)
        self._clock = SystemClock()
        self._shop = ShopWithRules(seed)
        self._sources = SWITCHES
        self.worker = self._start()
        with self._publisher() as publisher:
            _publish_changes(publisher, self._shop.everything(self._clock.now()))

    def one(self, number: int, say: Say) -> None:
        """One rule set, with a fault in the middle."""
        rng, fault = self._rng, FAULTS[self._rng.integers(len(FAULTS))]
        self.found.faults[fault] = self.found.faults.get(fault, 0) + 1
        with self._publisher() as publisher:
            for control in self._shop.decisions(int(rng.integers(1, 4)), self._clock.now()):
                publisher.publish(control)
            self._publish(publisher, int(rng.integers(30, 120)))
            self._do(fault)
            self._publish(publisher, int(rng.integers(30, 120)))
        seconds, wrong = self._settled()
        self.found.settle.append(seconds)
        self.found.forbidden += len(wrong)
        self.found.sets += 1
        say(f"rule set {number + 1}, fault {fault}: {len(wrong)} forbidden, settled in {seconds:.1f} s")
        for path, scenario, item in wrong[:5]:
            say(f"  {item} by {path} in {scenario}: {self._shop.scenarios.get(scenario or '')}")

    def _publish(self, publisher: Publisher, n_events: int) -> None:
        now = self._clock.now()
        _publish_changes(publisher, self._shop.changes(10, now))
        for event in self._shop.events(n_events, now):
            publisher.send(event)
        publisher.flush()

    def _settled(self) -> tuple[float, list[tuple[str, str | None, str]]]:
        """How long until nothing forbidden was left, or what was after SETTLE_SECONDS."""
        began = time.monotonic()
        while any(line.lag for line in lag(self.settings.bus)):
            self._check(began)
            time.sleep(_LOOK_SECONDS)
        while (wrong := self._wrong()) and time.monotonic() - began < SETTLE_SECONDS:
            time.sleep(_LOOK_SECONDS)
        return time.monotonic() - began, wrong

    def _check(self, began: float) -> None:
        self.worker.check()
        if time.monotonic() - began > SETTLE_SECONDS:
            raise Unavailable("worker", "it does not catch up", waited_seconds=SETTLE_SECONDS)

    def _wrong(self) -> list[tuple[str, str | None, str]]:
        now, found = self._clock.now(), []
        for each in self._shown():
            self.found.items += len(each.items)
            found += [
                (each.path, each.scenario, item)
                for item in each.items
                if not self._shop.may_be_shown(item, now, each.scenario)
            ]
        return found

    def _shown(self) -> Iterator[Shown]:
        names = ["default", *self._shop.scenarios]
        yield from shown(self.settings.store, [*self._shop.users, "stranger"], self._shop.items, names)

    def _do(self, fault: Fault) -> None:
        with redis.Redis.from_url(self.settings.store.url) as client:
            match fault:
                case "flush":
                    client.flushall()
                case "evict":
                    keys = [key for key in client.scan_iter() if self._rng.random() < 0.3]
                    if keys:
                        client.delete(*keys)
                case "restart" | "fewer sources" | "no snapshot":
                    self._restart(fault)

    def _restart(self, fault: Fault) -> None:
        self.worker.kill()
        if fault == "fewer sources":
            some = tuple(name for name in SWITCHES if self._rng.random() < 0.6)
            self._sources = some or ("popularity",)
        if fault == "no snapshot":
            for path in self._folder.iterdir():
                path.unlink()
        self.worker = self._start()

    def _start(self) -> WorkerProcess:
        sources = ", ".join(f'"{name}"' for name in self._sources)
        values = _FLAGS | {"engine.sources": f"[{sources}]", "snapshot.url": str(self._folder)}
        bus, store = self.settings.bus, self.settings.store
        values |= {"bus.prefix": bus.prefix, "bus.group": bus.group, "store.prefix": store.prefix}
        flags = [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
        return WorkerProcess(self.settings, flags)

    def _publisher(self) -> Publisher:
        return Publisher(self.settings.bus, self.settings.ingest)


def _publish_changes(publisher: Publisher, changes: Iterable[Change]) -> None:
    for change in changes:
        if change.item is None:
            publisher.flush()
            publisher.remove_item(change.item_id)
        else:
            publisher.send(change.item)
