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
from operator import methodcaller

import numpy as np

from stream_rec.bench.harness import Figures, Say
from stream_rec.clock import SystemClock
from stream_rec.consumers.periodic.rule_compiler import RuleCompiler
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.schemas.columns import EventBatch, ItemBatch, ItemChange, Span
from stream_rec.schemas.expressions import check
from stream_rec.schemas.records import Item
from stream_rec.schemas.scenario import Boost, Cap, Scenario
from stream_rec.settings import EngineSettings, MeasureSettings, Settings

N_SCENARIOS = 10
N_ITEMS = 100_000
USERS_PER_CALL = 128
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
        compile_s, with the learning; compile_cpu_s, the slices alone; longest_slice_ms, slice_ms_p99: processor time of
            a slice while a batch waited for its end; learned_ms_p50, learned_ms_p99: from a batch's coming until it is
            learned; events_while_compiling.
    """
    bounds = settings.engine.model_copy(update={"max_items": N_ITEMS})
    engine = _Watched(bounds, settings.measure)
    ids = [f"item{i}" for i in range(N_ITEMS)]
    engine.upsert_items(catalogue(ids, bounds.seed))
    rng = np.random.default_rng(bounds.seed)
    engine.learn(_events(rng, ids, 0))  # its kernels are loaded now
    engine.decisions.scenarios = ruled_scenarios()
    check(
        "price > 50.0", bool
    )  # a record's rules are checked before the engine sees them: the library is loaded
    gc.collect()
    gc.freeze()  # as a worker does when it starts: what is there is no garbage
    took: list[float] = []
    began = time.perf_counter()
    asyncio.run(_compile_while_learning(engine, lambda n: _events(rng, ids, n * EVENTS_PER_BATCH), took))
    seconds = time.perf_counter() - began
    gc.unfreeze()
    learned = len(took) * EVENTS_PER_BATCH
    say(
        f"{N_ITEMS:,} items x {N_SCENARIOS} scenarios in {seconds:.1f} s, {learned:,} events learned meanwhile"
    )
    return {
        "compile_s": seconds,
        "compile_cpu_s": engine.compiling_seconds,
        "longest_slice_ms": max(engine.waited, default=0.0) * 1000.0,
        "slice_ms_p99": _p99_ms(engine.waited),
        "learned_ms_p50": statistics.median(took) * 1000.0,
        "learned_ms_p99": _p99_ms(took),
        "events_while_compiling": float(learned),
    }


async def _compile_while_learning(
    engine: _Watched, batch_of: Callable[[int], EventBatch], took: list[float]
) -> None:
    """Batches come at their rate until all is compiled; seconds until each is learned."""
    thread: EngineThread[Engine] = EngineThread(engine)
    engine.thread = thread
    compiling = asyncio.ensure_future(RuleCompiler(thread, SystemClock()).look())
    began = time.perf_counter()
    while not compiling.done():
        batch = batch_of(len(took) + 1)
        came = time.perf_counter()
        await thread.ask(methodcaller("learn", batch))
        took.append(time.perf_counter() - came)
        due = began + len(took) * EVENTS_PER_BATCH / EVENTS_PER_S
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
    await compiling
    thread.close()


class _Watched(Engine):
    """Notes what its slices of compiling take.

    Attributes:
        thread: that it works in.
        compiling_seconds: processor time of all slices.
        waited: seconds of processor time of each slice that something waited for, from the portion on in which it came.
    """

    def __init__(self, settings: EngineSettings, measure: MeasureSettings) -> None:
        super().__init__(settings, measure)
        self.thread: EngineThread[Engine] | None = None
        self.compiling_seconds = 0.0
        self.waited: list[float] = []

    def compile_rules(self, is_over: Callable[[], bool] | None = None) -> bool:
        """As an engine does."""
        began = since = time.thread_time()

        def is_over_now() -> bool:
            nonlocal since
            if self.thread is None or not self.thread.is_wanted:
                since = time.thread_time()
            return is_over is not None and is_over()

        more = super().compile_rules(is_over_now)
        ended = time.thread_time()
        self.compiling_seconds += ended - began
        if self.thread is not None and self.thread.is_wanted:
            self.waited.append(ended - since)
        return more


def _p99_ms(seconds: list[float]) -> float:
    return float(np.percentile(seconds, 99)) * 1000.0


def _events(rng: np.random.Generator, ids: list[str], start: int) -> EventBatch:
    users, items = rng.integers(5000, size=EVENTS_PER_BATCH), rng.integers(len(ids), size=EVENTS_PER_BATCH)
    rows = [
        (f"user{user}", ids[item], 1e9 + start + at)
        for at, (user, item) in enumerate(zip(users.tolist(), items.tolist(), strict=True))
    ]
    return EventBatch.of(rows, span=Span("events", 0, 0, start, start + EVENTS_PER_BATCH))
