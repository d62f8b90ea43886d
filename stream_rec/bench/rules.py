"""`stream-rec bench engine --rules`: what ten scenarios with rules cost, over ten without; and how long they compile.

A rule is worth no time: slates of the same users, from the same engine, once for ten plain scenarios and once for ten
that filter by three attributes, cap and boost, in turns. Then 100,000 items are evaluated for ten scenarios, slice by
slice, with a batch of events learned after every few slices, as in a worker.
"""

from __future__ import annotations

import gc
import statistics
import time
from functools import partial

import numpy as np

from stream_rec.bench.harness import Figures, Say
from stream_rec.consumers.periodic.rule_compiler import SLICE_SECONDS
from stream_rec.engine.engine import Engine
from stream_rec.schemas.columns import EventBatch, ItemBatch, ItemChange, Span
from stream_rec.schemas.records import Item
from stream_rec.schemas.scenario import Boost, Cap, Scenario
from stream_rec.settings import Settings

N_SCENARIOS = 10
N_ITEMS = 100_000
USERS_PER_CALL = 128
EVENTS_PER_BATCH = 500
SLICES_PER_BATCH = 8
TURNS = 5


def plain_scenarios() -> dict[str, Scenario]:
    """Ten that ask nothing of any item."""
    return {f"plain{i}": Scenario() for i in range(N_SCENARIOS)}


def ruled_scenarios() -> dict[str, Scenario]:
    """Ten that filter by three attributes, cap one and boost two."""
    return {
        f"ruled{i}": Scenario(
            filter=f"price < {60 + 4 * i}.0 && owner != 'owner{i}' && !('tag{i}' in tags)",
            boosts=(Boost(f"'tag{i + 10}' in tags", 2.0), Boost("price > 50.0", 0.5)),
            caps=(Cap("owner", 2, window=6),),
        )
        for i in range(N_SCENARIOS)
    }


def catalogue(ids: list[str], seed: int) -> ItemBatch:
    """A record for each of these items, with what the rules ask for."""
    rng = np.random.default_rng(seed)
    prices, owners = rng.uniform(1.0, 100.0, len(ids)), rng.integers(50, size=len(ids))
    tags = rng.integers(30, size=(len(ids), 3))
    changes = [
        ItemChange(
            at,
            0,
            item,
            Item(
                item,
                tags=tuple(f"tag{t}" for t in tags[at]),
                price=float(prices[at]),
                owner=f"owner{owners[at]}",
            ),
        )
        for at, item in enumerate(ids)
    ]
    return ItemBatch(Span("items", 0, 0, 0, len(ids)), changes)


def ratio(engine: Engine, users: list[str], seed: int) -> float:
    """Slates per second under rules, over those without: the median of turns."""
    items = sorted({item for slate in engine.recommend(users, k=200).items for item in slate})
    engine.upsert_items(catalogue([*items, *(f"more{i}" for i in range(1000))], seed))
    engine.decisions.scenarios = plain_scenarios() | ruled_scenarios()
    engine.compile_rules()
    ratios = []
    for _ in range(TURNS):
        plain = _seconds(engine, users, list(plain_scenarios()))
        ratios.append(plain / _seconds(engine, users, list(ruled_scenarios())))
    return statistics.median(ratios)


def _seconds(engine: Engine, users: list[str], names: list[str]) -> float:
    began = time.perf_counter()
    for start in range(0, len(users), USERS_PER_CALL):
        for name in names:
            engine.recommend(users[start : start + USERS_PER_CALL], scenario=name)
    return time.perf_counter() - began


def compiling(settings: Settings, say: Say) -> Figures:
    """Ten scenarios over 100,000 items, while events are learned.

    Returns:
        compile_s, with the learning; compile_cpu_s, the slices alone; longest_slice_ms, slice_ms_p99: processor time
            that a slice took; longest_slice_wall_ms: as a clock saw it, when others may have had the processor.
    """
    bounds = settings.engine.model_copy(update={"max_items": N_ITEMS})
    engine = Engine(bounds, settings.measure)
    ids = [f"item{i}" for i in range(N_ITEMS)]
    engine.upsert_items(catalogue(ids, bounds.seed))
    rng = np.random.default_rng(bounds.seed)
    learned = 0
    slices, walls = [], []
    engine.decisions.scenarios = ruled_scenarios()
    gc.collect()
    gc.freeze()  # as a worker does when it starts: what is there is no garbage
    began, more = time.perf_counter(), True
    while more:
        for _ in range(SLICES_PER_BATCH):
            at, used = time.perf_counter(), time.thread_time()
            more = engine.compile_rules(partial(_is_over, at + SLICE_SECONDS))
            slices.append(time.thread_time() - used)
            walls.append(time.perf_counter() - at)
        engine.learn(_events(rng, ids, learned))
        learned += EVENTS_PER_BATCH
    seconds = time.perf_counter() - began
    gc.unfreeze()
    say(
        f"{N_ITEMS:,} items x {N_SCENARIOS} scenarios in {seconds:.1f} s, {learned:,} events learned meanwhile"
    )
    return {
        "compile_s": seconds,
        "compile_cpu_s": sum(slices),
        "longest_slice_ms": max(slices) * 1000.0,
        "longest_slice_wall_ms": max(walls) * 1000.0,
        "slice_ms_p99": float(np.percentile(slices, 99)) * 1000.0,
        "events_while_compiling_per_s": learned / seconds,
    }


def _is_over(until: float) -> bool:
    return time.perf_counter() >= until


def _events(rng: np.random.Generator, ids: list[str], start: int) -> EventBatch:
    users, items = rng.integers(5000, size=EVENTS_PER_BATCH), rng.integers(len(ids), size=EVENTS_PER_BATCH)
    rows = [
        (f"user{user}", ids[item], 1e9 + start + at)
        for at, (user, item) in enumerate(zip(users.tolist(), items.tolist(), strict=True))
    ]
    return EventBatch.of(rows, span=Span("events", 0, 0, start, start + EVENTS_PER_BATCH))
