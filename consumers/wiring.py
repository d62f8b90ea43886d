"""The one composition root: every object of a worker, built once, complete, in one pass.

Read downwards, it is the order in which parts need each other: what is learned, what probes are told, where results go,
how batches become results, who learns what, the Faust app, and what happens from time to time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from stream_rec.bus.batch_app import BatchApp
from stream_rec.bus.topics import log_id
from stream_rec.clock import Clock
from stream_rec.consumers.bridge.bridge import Bridge
from stream_rec.consumers.bridge.figures import figures_of, together
from stream_rec.consumers.bridge.inside import BridgeInside
from stream_rec.consumers.handlers.as_of_table import AsOfTable
from stream_rec.consumers.handlers.base import HandlerContext
from stream_rec.consumers.handlers.control import ForgottenUsers
from stream_rec.consumers.handlers.event_metrics import EventMetrics
from stream_rec.consumers.handlers.touched_items import TouchedItems
from stream_rec.consumers.output.dead_letters import DeadLetters
from stream_rec.consumers.output.emitter import Emitter
from stream_rec.consumers.output.metric_points import MetricOutput
from stream_rec.consumers.output.slate_encoder import SlateEncoder, SlateOutput
from stream_rec.consumers.periodic.baselines import Baselines
from stream_rec.consumers.periodic.category_lists import CategoryLists
from stream_rec.consumers.periodic.drift_alarms import DriftAlarms
from stream_rec.consumers.periodic.exposure_reports import ExposureReports
from stream_rec.consumers.periodic.filter_moves import FilterMoves
from stream_rec.consumers.periodic.forgetting import Forgetting, ForgettingStores
from stream_rec.consumers.periodic.health import Health
from stream_rec.consumers.periodic.item_lists import SimilarLists, TopLists
from stream_rec.consumers.periodic.metric_reports import MetricReports
from stream_rec.consumers.periodic.removed_repair import RemovedRepair
from stream_rec.consumers.periodic.rule_compiler import RuleCompiler
from stream_rec.consumers.periodic.scenario_lists import ScenarioLists
from stream_rec.consumers.periodic.scenario_names import ScenarioNames
from stream_rec.consumers.periodic.similar_sweep import SimilarSweep
from stream_rec.consumers.periodic.slate_aging import SlateAging
from stream_rec.consumers.periodic.slate_renewal import SlateRenewal
from stream_rec.consumers.periodic.slate_repair import ActiveSlates, SlateRepair
from stream_rec.consumers.periodic.snapshots import SnapshotNotes, Snapshots, Start
from stream_rec.consumers.periodic.trial_decisions import TrialDecisions
from stream_rec.consumers.periodic.window_moves import WindowMoves
from stream_rec.consumers.pipeline import BatchPipeline, PipelineContext
from stream_rec.consumers.replication.follower import Follower
from stream_rec.consumers.replication.learn_gate import LearnGate
from stream_rec.consumers.replication.learn_order import LearnOrder
from stream_rec.consumers.replication.owned_metrics import OwnedMetrics
from stream_rec.consumers.replication.ownership import Ownership
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.replication.progress import Progress
from stream_rec.consumers.replication.topic_watcher import TopicWatcher
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.consumers.runtime.shutdown import Shutdown
from stream_rec.consumers.topology import Collaborators, connect, make_handlers
from stream_rec.engine.engine import Engine
from stream_rec.feedback.measures import Measures
from stream_rec.logs import Occasional
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import TopicName
from stream_rec.schemas.topics import FOLLOWED
from stream_rec.settings import Settings
from stream_rec.store.connection import Connection
from stream_rec.store.connection import connect as connect_redis
from stream_rec.store.forgotten import ReceiptStore
from stream_rec.store.last_values import LastValuesStore, worker_name
from stream_rec.store.lists import ListStore
from stream_rec.store.markers import Markers
from stream_rec.store.slates import SlateStore
from stream_rec.store.waiting import until_available
from stream_rec.telemetry.metrics_server import MetricsServer
from stream_rec.telemetry.prometheus import registry

WAITING_LINE_SECONDS = 15.0
"""Between two lines about a Redis that is away, whoever waits for it."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a worker's life is made of (stream_rec.consumers.worker).

    Attributes:
        shutdown: whether the worker is to end.
        table: the book of partitions.
        engine: the thread that learns.
        order: the journal.
        measures: figures of what was served.
        redis: the connection, to be closed at the end.
        emitter: publishes.
        dead_letters: tells of messages that cannot be read.
        follower: learns what others serve.
        topics: watches Kafka.
        health: answers probes.
        progress: how far the worker is.
        metrics: `/metrics` and the probes over HTTP.
        app: Faust.
        pipelines: batches on their way.
        top_lists: `popular`, `trending`, `new`, from time to time.
        similar_lists: `similar:*`, from time to time.
        category_lists: `popular:<tag>` and so on, from time to time.
        scenario_names: `scenarios`, from time to time.
        scenario_lists: `list:<scenario>`, from time to time.
        reports: metric points and last values, every second.
        exposure: how what was shown is spread, from time to time.
        repair: slates that Redis has lost.
        removed: hidden items that Redis has lost.
        window_moves: items that may be shown only for a time, from time to time.
        filter_moves: items that filters say something new of, from time to time.
        rules: compiled between batches.
        renewal: slates whose rules have changed.
        aging: slates of users who are away.
        trial_decisions: experiments, moved on by rule.
        drift_alarms: what has changed for good is said to all.
        baselines: what is normal outlives who has learned it.
        forgetting: users who are to be forgotten in Redis, too.
        lost: wakes the repair.
        snapshots: of the engine.
        bridge: topics of others, if the settings want it inside of workers.
    """

    shutdown: Shutdown
    table: PartitionTable
    engine: EngineThread[Engine]
    order: LearnOrder
    measures: Measures
    redis: Connection
    emitter: Emitter
    dead_letters: DeadLetters
    follower: Follower
    topics: TopicWatcher
    health: Health
    progress: Progress
    metrics: MetricsServer
    app: BatchApp
    pipelines: tuple[BatchPipeline[Any, Any, Any], ...]
    top_lists: TopLists
    similar_lists: SimilarLists
    category_lists: CategoryLists
    scenario_names: ScenarioNames
    scenario_lists: ScenarioLists
    reports: MetricReports
    exposure: ExposureReports
    repair: SlateRepair
    removed: RemovedRepair
    window_moves: WindowMoves
    filter_moves: FilterMoves
    rules: RuleCompiler
    renewal: SlateRenewal
    aging: SlateAging
    trial_decisions: TrialDecisions
    drift_alarms: DriftAlarms
    baselines: Baselines
    forgetting: Forgetting
    lost: asyncio.Event
    snapshots: Snapshots
    bridge: BridgeInside


@dataclass(frozen=True, slots=True)
class _Core:
    """What learns, and the books about it."""

    engine: EngineThread[Engine]
    order: LearnOrder
    measures: Measures
    table: PartitionTable


@dataclass(frozen=True, slots=True)
class _Stores:
    """What there is in Redis."""

    redis: Connection
    markers: Markers
    slates: SlateStore
    lists: ListStore
    last_values: LastValuesStore
    receipts: ReceiptStore


def build(
    settings: Settings,
    counts: Mapping[TopicName, int],
    start: Start,
    stopping: asyncio.Event,
    clock: Clock,
) -> Parts:
    """Everything that a worker is made of. Call inside a running event loop, after `ensure_topics`.

    Args:
        settings: the whole tree; addresses must be set.
        counts: number of partitions by topic, as `ensure_topics` says.
        start: the engine, and the notes of the snapshot that it was restored from.
        stopping: set when the worker is to end.
        clock: processing time.

    Raises:
        ConfigError: the operator must fix something.
        Unavailable: Kafka does not answer.
    """
    settings = settings.model_copy(update={"ingest": start.rules(settings.ingest)})
    shutdown = Shutdown(stopping)
    core = _core(settings, counts, start, clock)
    health = Health(
        settings.bus.ready_within_records, settings.measure.live_within_seconds, core.engine, clock
    )
    bridge = Bridge(settings) if settings.bridge.in_worker else None
    metrics = _metrics_server(settings, core.measures, health, bridge)
    stores = _stores(settings, clock)
    emitter = Emitter(settings.bus, clock)
    output = MetricOutput(emitter, stores.last_values)
    lines = Occasional(clock, WAITING_LINE_SECONDS)
    until = partial(until_available, settings=settings.store, clock=clock, lines=lines)
    letters = DeadLetters(settings.ingest, clock)
    context = HandlerContext(settings.ingest, emitter, core.measures, until, clock, letters)
    makes = _collaborators(settings, core, stores, context, start)
    handlers = make_handlers(makes)
    gate = LearnGate(core.table, handlers, core.engine, core.order.learned)
    follower = Follower(settings.bus, gate, core.engine, core.table)
    topics = TopicWatcher(settings.bus, core.table, follower.follow_added)
    active = ActiveSlates(core.engine, makes.slates.encoder, makes.as_of, core.table, core.measures)
    sweep = SimilarSweep(core.engine, stores.lists, core.table, clock)
    repair = SlateRepair(settings.store, active, stores.slates, stores.markers, sweep, clock)
    owned_metrics = OwnedMetrics(core.engine, core.measures, output)
    ownership = Ownership(core.table, topics, follower, owned_metrics, repair, metrics.url)
    app = BatchApp(settings.bus, core.table.epochs, ownership, shutdown)
    pipelines = connect(app, handlers, PipelineContext(core.engine, gate, until, shutdown.fail))
    progress = Progress(core.table, follower, app.consumer)
    top_lists, similar_lists = _lists(settings, core, stores, makes, sweep)
    notes = SnapshotNotes(makes.as_of, core.order, settings.ingest.skip)
    return Parts(
        shutdown=shutdown,
        table=core.table,
        engine=core.engine,
        order=core.order,
        measures=core.measures,
        redis=stores.redis,
        emitter=emitter,
        dead_letters=letters,
        follower=follower,
        topics=topics,
        health=health,
        progress=progress,
        metrics=metrics,
        app=app,
        pipelines=pipelines,
        top_lists=top_lists,
        similar_lists=similar_lists,
        category_lists=CategoryLists(settings.store, core.engine, makes.as_of, stores.lists, core.table),
        scenario_names=ScenarioNames(core.engine, stores.lists),
        scenario_lists=ScenarioLists(settings.store, core.engine, makes.as_of, stores.lists, core.table),
        reports=MetricReports(core.engine, core.measures, progress, output, clock),
        exposure=ExposureReports(core.engine, core.measures, core.table, clock),
        repair=repair,
        removed=RemovedRepair(core.engine, stores.lists, core.table, settings.store.max_removed),
        window_moves=WindowMoves(core.engine, stores.lists, core.table, makes.touched),
        forgetting=Forgetting(
            makes.forgotten,
            core.engine,
            active,
            ForgettingStores(stores.slates, stores.receipts),
            core.table,
            clock,
        ),
        filter_moves=FilterMoves(core.engine, stores.lists, core.table),
        rules=RuleCompiler(core.engine, clock),
        renewal=SlateRenewal(settings.store, core.engine, active, stores.slates, core.table, clock),
        aging=SlateAging(settings.store, core.engine, active, stores.slates, core.table, clock),
        trial_decisions=TrialDecisions(core.engine, emitter, core.table, clock),
        drift_alarms=DriftAlarms(settings.alarm, core.engine, core.measures, emitter, core.table, clock),
        baselines=Baselines(core.engine, core.measures, emitter, core.table, clock),
        lost=makes.slates.lost,
        snapshots=Snapshots(settings, core.engine, notes, core.table, clock),
        bridge=BridgeInside(bridge),
    )


def _core(settings: Settings, counts: Mapping[TopicName, int], start: Start, clock: Clock) -> _Core:
    topic_ids = {name: log_id(settings.bus, name) for name in FOLLOWED}
    table = PartitionTable({name: counts[name] for name in FOLLOWED}, topic_ids)
    engine = start.engine
    order = LearnOrder(settings.journal, engine, start.notes, topic_ids, clock)
    measures = Measures(settings.measure, engine.sources, attribution=engine.attribution)
    return _Core(EngineThread(engine), order, measures, table)


def _stores(settings: Settings, clock: Clock) -> _Stores:
    redis = connect_redis(settings.store, clock)
    markers = Markers(redis, settings.store)
    worker = worker_name()
    return _Stores(
        redis,
        markers,
        SlateStore(redis, settings.store, markers),
        ListStore(redis, settings.store, clock),
        LastValuesStore(redis, settings.store, clock, worker=worker),
        ReceiptStore(redis, settings.store, worker=worker),
    )


def _collaborators(
    settings: Settings, core: _Core, stores: _Stores, context: HandlerContext, start: Start
) -> Collaborators:
    rules = start.engine.position.get(TopicPartition("control", 0), 0) - 1
    return Collaborators(
        context,
        SlateOutput(SlateEncoder(context.clock), stores.slates, asyncio.Event()),
        AsOfTable(core.table.topic_ids["events"], start.notes, rules),
        TouchedItems(core.table),
        EventMetrics(
            core.measures, core.table, next(iter(settings.engine.scenarios)), start.engine.event_types
        ),
        stores.lists,
        ForgottenUsers(),
    )


def _metrics_server(
    settings: Settings, measures: Measures, health: Health, bridge: Bridge | None
) -> MetricsServer:
    figures = together(measures.figures, partial(figures_of, bridge)) if bridge else measures.figures
    return MetricsServer(
        registry(figures),
        settings.measure.prometheus_host,
        settings.measure.prometheus_port,
        {"/live": health.live, "/ready": health.ready},
    )


def _lists(
    settings: Settings, core: _Core, stores: _Stores, makes: Collaborators, sweep: SimilarSweep
) -> tuple[TopLists, SimilarLists]:
    return (
        TopLists(
            settings.store.list_items,
            core.engine,
            makes.as_of,
            core.measures.served,
            stores.lists,
            core.table,
        ),
        SimilarLists(settings.store, core.engine, makes.as_of, makes.touched, sweep, stores.lists),
    )
