"""The engine of a live server: restored from the newest snapshot, then it follows every topic. It writes nothing."""

from __future__ import annotations

import asyncio
import gc
import math
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

from stream_rec import logs
from stream_rec.api.live.desk import Desk
from stream_rec.api.live.positions import Positions
from stream_rec.bus.batch import Fetched
from stream_rec.bus.reader import following
from stream_rec.bus.skips import leave_out
from stream_rec.bus.topics import log_id, missing_topics, partition_counts
from stream_rec.clock import SystemClock
from stream_rec.consumers.handlers.as_of_table import AsOfTable
from stream_rec.consumers.periodic.rule_compiler import RuleCompiler
from stream_rec.consumers.periodic.snapshots import Start, restored_at_start
from stream_rec.consumers.replication.catch_up import catch_up
from stream_rec.consumers.replication.follower import Follower
from stream_rec.consumers.replication.learn_gate import LearnGate
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.replication.topic_watcher import TopicWatcher
from stream_rec.consumers.runtime import library_logs
from stream_rec.consumers.runtime.background import in_background
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.consumers.topology import FIRST
from stream_rec.consumers.warm_up import warm_up
from stream_rec.engine.answering.at_request import AtRequest
from stream_rec.engine.engine import Engine
from stream_rec.errors import StreamRecError, Unavailable
from stream_rec.schemas.columns import EventBatch
from stream_rec.schemas.decisions import DecisionBatch
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import TopicName
from stream_rec.schemas.topics import FOLLOWED, decode
from stream_rec.settings import IngestSettings, Settings

GATHER_SECONDS = 0.01
"""Events come in batches of so long: who reads what he has written waits for them."""
RULES_SECONDS = 0.1
"""Between two looks for rules, or items, that are to be compiled."""

log = logs.get("serve")


class NotReady(Unavailable):
    """The engine has not learned enough yet to answer."""


class Learner:
    """Learns every batch, and does nothing else. Engine's thread.

    Args:
        rules: what is let in.
        as_of: told up to where.
        n_learned: events that the engine knows.

    Attributes:
        n_learned: the same, now; read from any thread.
    """

    def __init__(self, rules: IngestSettings, as_of: AsOfTable, n_learned: int) -> None:
        self._rules = rules
        self._as_of = as_of
        self.n_learned = n_learned

    def relearn(self, engine: Engine, fetched: Fetched) -> None:
        """Learn from a batch that others serve."""
        fetched, _ = leave_out(fetched, self._rules.skip)
        batch = decode(fetched.topic, fetched, fetched.span(), self._rules).batch
        engine.learn_batch(batch)
        if isinstance(batch, EventBatch):
            self._as_of.learned(batch)
            self.n_learned = engine.n_learned
        elif isinstance(batch, DecisionBatch):
            self._as_of.decided(batch.span.next)


class _Held:
    """All that there is once the engine is restored. Main loop.

    Args:
        settings: of everything.
        counts: partitions of each topic.
        topic_ids: incarnation of each topic.
        start: the engine, and notes of its snapshot.
    """

    def __init__(
        self, settings: Settings, counts: dict[TopicName, int], topic_ids: dict[TopicName, str], start: Start
    ) -> None:
        engine = start.engine
        self.table = PartitionTable(counts, topic_ids)
        self.engine = EngineThread(engine)
        self.reranking = engine.reranking
        rules = engine.position.get(TopicPartition("control", 0), 0) - 1
        self.as_of = AsOfTable(topic_ids["events"], start.notes, rules)
        self.positions = Positions(engine.position)
        self.learner = Learner(start.rules(settings.ingest), self.as_of, engine.n_learned)
        gate = LearnGate(
            self.table, dict.fromkeys(FOLLOWED, self.learner), self.engine, self.positions.learned
        )
        self.follower = Follower(
            settings.bus, gate, self.engine, self.table, following(settings.bus, GATHER_SECONDS)
        )
        self.topics = TopicWatcher(settings.bus, self.table, self.follower.follow_added)
        self.rules = RuleCompiler(self.engine, SystemClock())
        self.desk = Desk(self.engine, AtRequest(engine), settings.serve.max_live_waiting)


def _known_lags(held: _Held) -> Iterator[int]:
    return (lag for *_, lag in held.follower.lags() if lag is not None)


class Following:
    """Restores, catches up, follows. Event loop's thread.

    Args:
        settings: of everything.
        on_failure: called when it cannot go on; `failure` says why.

    Attributes:
        failure: what it cannot go on with.
    """

    def __init__(self, settings: Settings, on_failure: Callable[[], None]) -> None:
        self._settings = settings
        self._on_failure = on_failure
        prefix = settings.bus.prefix
        self._name = f"engine of {prefix}..." if prefix else "engine"
        self._held: _Held | None = None
        self._has_caught_up = False
        self._tasks: list[asyncio.Task[None]] = []
        self.failure: Exception | None = None

    def start(self) -> None:
        """Begin; the server listens meanwhile."""
        self._tasks.append(asyncio.create_task(self._tend(self._run)))

    @property
    def held(self) -> _Held:
        """What answers.

        Raises:
            NotReady: the engine has not caught up yet, or cannot go on.
        """
        if self._held is None or not self._has_caught_up or self.failure is not None:
            raise NotReady(self._name, self._why())
        return self._held

    def check(self) -> None:
        """Is the engine near the ends of all partitions?

        Raises:
            NotReady: it is not.
        """
        worst = max(_known_lags(self.held), default=0)
        if worst > self._settings.serve.live_within_records:
            raise NotReady(self._name, f"{worst} records of a partition are still to be learned")

    def n_learned(self) -> float:
        """Events that the engine knows."""
        return float(self._held.learner.n_learned) if self._held else 0.0

    def n_behind(self) -> float:
        """Records of the partition that is furthest behind; NaN = that is not known yet."""
        return float(max(_known_lags(self._held), default=math.nan)) if self._held else math.nan

    def n_reranked(self, outcome: str) -> float:
        """Slates that a model was to re-rank, by what became of them: `rerank.OUTCOMES`."""
        return self._held.reranking.stats()[f"rerank_{outcome}"] if self._held else 0.0

    async def close(self) -> None:
        """Stop following."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._held is not None:
            await in_background(self._held.engine.close)

    def _why(self) -> str:
        if self.failure is not None:
            return f"it cannot go on: {self.failure}"
        return "it is being restored" if self._held is None else "it is catching up"

    async def _tend(self, service: Callable[[], Awaitable[None]]) -> None:
        """Do a part of the work until cancelled; what it raises ends the server."""
        try:
            await service()
        except Exception as error:
            if self.failure is None:
                self.failure = error
                exc = None if isinstance(error, StreamRecError) else error
                log.error("the engine cannot go on: the server ends", why=str(error), exc_info=exc)
                self._on_failure()

    async def _run(self) -> None:
        settings = self._settings
        library_logs.forward()
        counts, topic_ids = await self._topics()
        await in_background(warm_up)
        held = self._held = _Held(settings, counts, topic_ids, await restored_at_start(settings))
        gc.collect()
        gc.freeze()  # going through what stays would stop the world for a tenth of a second and more
        self._tasks += [
            asyncio.create_task(self._tend(service)) for service in (held.follower.run, held.topics.run)
        ]
        await catch_up(settings.bus, held.engine, held.follower, frozenset(FOLLOWED), FIRST)
        await held.rules.look()  # nothing is answered before it is known what may be shown
        held.follower.follow_others()
        self._has_caught_up = True
        log.info("answering live", events=await held.engine.ask(lambda engine: engine.n_learned))
        while True:
            await held.rules.look()
            await asyncio.sleep(RULES_SECONDS)

    async def _topics(self) -> tuple[dict[TopicName, int], dict[TopicName, str]]:
        """Partitions and incarnation of each topic, once they are there: they are the workers' to create."""
        bus, pause, said = self._settings.bus, 0.1, False
        while True:
            try:
                counts = await in_background(partial(partition_counts, bus, FOLLOWED))
                missing = [name for name in FOLLOWED if name not in counts]
                if not missing:
                    return counts, {
                        name: await in_background(partial(log_id, bus, name)) for name in FOLLOWED
                    }
                why = missing_topics(bus, missing).message
            except Unavailable as error:
                why = str(error)
            if not said:
                log.warning("waiting for kafka", why=why)
                said = True
            await asyncio.sleep(pause)
            pause = min(2 * pause, bus.backoff_max_seconds)
