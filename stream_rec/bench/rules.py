"""`stream-rec bench engine --rules`: what ten scenarios with rules cost, over ten without; and how long they compile.

A rule is worth no time: slates of the same users, from the same engine, once for ten plain scenarios and once for ten
that filter by three attributes, cap and boost, in turns. Then 100,000 items are evaluated for ten scenarios by the
parts that do so in a worker, while 500 events a second are learned.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from operator import methodcaller

import numpy as np

from stream_rec.bench.harness import Figures, Say
from stream_rec.clock import SystemClock
from stream_rec.consumers.periodic.rule_compiler import RuleCompiler
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.rules.program import Program
from stream_rec.schemas.columns import EventBatch, ItemBatch, ItemChange, Span
from stream_rec.schemas.records import Item
from stream_rec.schemas.scenario import Boost, Cap, Scenario
from stream_rec.settings import EngineSettings, MeasureSettings, Settings

N_SCENARIOS = 10
N_ITEMS = 100_000
USERS_PER_CALL = 128
EVENTS_BEFORE = 40_000
EVENTS_PER_S, EVENTS_PER_BATCH = 500, 10
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
    """Ten scenarios over 100,000 items, in a worker's engine thread, while events are learned.

    Returns:
        record_us, processor time of a record of the catalogue; compile_s, with the learning; compile_cpu_s, the slices
            alone; longest_slice_ms, slice_ms_p99: processor time of a slice; learned_ms_p50, learned_ms_p99: from a
            batch's coming until it is learned; events_while_compiling.
    """
    bounds = settings.engine.model_copy(update={"max_items": N_ITEMS})
    engine = _Watched(bounds, settings.measure)
    ids = [f"item{i}" for i in range(N_ITEMS)]
    records, used = catalogue(ids, bounds.seed), time.thread_time()
    engine.upsert_items(records)
    record_seconds = (time.thread_time() - used) / N_ITEMS
    rng = np.random.default_rng(bounds.seed)
    engine.learn(_events(rng, ids, 0, EVENTS_BEFORE))  # a young engine trains on every event
    engine.decisions.scenarios = ruled_scenarios()
    for scenario in engine.decisions.scenarios.values():  # as records are, before the engine sees them
        Program(scenario)
    gc.collect()
    gc.freeze()  # as a worker does when it starts: what is there is no garbage
    took: list[float] = []
    began = time.perf_counter()
    asyncio.run(
        _compile_while_learning(
            engine, lambda n: _events(rng, ids, EVENTS_BEFORE + n * EVENTS_PER_BATCH, EVENTS_PER_BATCH), took
        )
    )
    seconds = time.perf_counter() - began
    gc.unfreeze()
    learned = len(took) * EVENTS_PER_BATCH
    say(
        f"{N_ITEMS:,} items x {N_SCENARIOS} scenarios in {seconds:.1f} s, {learned:,} events learned meanwhile"
    )
    return {
        "record_us": record_seconds * 1e6,
        "compile_s": seconds,
        "compile_cpu_s": sum(engine.slices),
        "longest_slice_ms": max(engine.slices) * 1000.0,
        "slice_ms_p99": _p99_ms(engine.slices),
        "learned_ms_p50": statistics.median(took) * 1000.0,
        "learned_ms_p99": _p99_ms(took),
        "events_while_compiling": float(learned),
    }


async def _compile_while_learning(
    engine: Engine, batch_of: Callable[[int], EventBatch], took: list[float]
) -> None:
    """Batches come at their rate until all is compiled; seconds until each is learned."""
    thread: EngineThread[Engine] = EngineThread(engine)
    compiling = asyncio.ensure_future(RuleCompiler(thread, SystemClock()).look())
    began, n = time.perf_counter(), -1
    while not compiling.done():
        n += 1
        came, learned = time.perf_counter(), thread.submit(methodcaller("learn", batch_of(n)))
        learned.add_done_callback(partial(_note_since, came, took))
        await asyncio.sleep(max(0.0, began + (n + 1) * EVENTS_PER_BATCH / EVENTS_PER_S - time.perf_counter()))
    await compiling
    await asyncio.wrap_future(learned)
    thread.close()


def _note_since(came: float, took: list[float], _learned: Future[object]) -> None:
    took.append(time.perf_counter() - came)


class _Watched(Engine):
    """Notes what its slices of compiling take.

    Attributes:
        slices: processor time of each, in seconds.
    """

    def __init__(self, settings: EngineSettings, measure: MeasureSettings) -> None:
        super().__init__(settings, measure)
        self.slices: list[float] = []

    def compile_rules(self, is_over: Callable[[], bool] | None = None) -> bool:
        """As an engine does."""
        began = time.thread_time()
        more = super().compile_rules(is_over)
        self.slices.append(time.thread_time() - began)
        return more


def _p99_ms(seconds: list[float]) -> float:
    return float(np.percentile(seconds, 99)) * 1000.0


def _events(rng: np.random.Generator, ids: list[str], start: int, n: int) -> EventBatch:
    users, items = rng.integers(5000, size=n), rng.integers(len(ids), size=n)
    rows = [
        (f"user{user}", ids[item], 1e9 + start + at)
        for at, (user, item) in enumerate(zip(users.tolist(), items.tolist(), strict=True))
    ]
    return EventBatch.of(rows, span=Span("events", 0, 0, start, start + n))
