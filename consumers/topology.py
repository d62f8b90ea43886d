"""Which topic goes to which handler, what that writes and publishes, and who learns it. Read this first.

Every worker learns every topic of the table; the owner of a partition serves it, too. Partitions that others own are
learned by the follower (consumers/replication/follower.py), which writes nothing.

Beside the batches, from time to time (consumers/periodic/): `popular`, `trending`, `new`, `similar:*` (item_lists.py),
slates that Redis has lost (slate_repair.py), whose rules have changed (slate_renewal.py) or whose users have been away
(slate_aging.py), `metrics:*` and the topic `metrics` (metric_reports.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stream_rec.bus.batch_app import BatchApp
from stream_rec.consumers.handlers.as_of_table import AsOfTable
from stream_rec.consumers.handlers.base import Handler, HandlerContext, Handlers
from stream_rec.consumers.handlers.control import ControlHandler, ForgottenUsers
from stream_rec.consumers.handlers.event_metrics import EventMetrics
from stream_rec.consumers.handlers.events import EventsHandler
from stream_rec.consumers.handlers.impressions import ImpressionsHandler
from stream_rec.consumers.handlers.items import ItemsHandler
from stream_rec.consumers.handlers.touched_items import TouchedItems
from stream_rec.consumers.handlers.vectors import VectorsHandler
from stream_rec.consumers.output.slate_encoder import SlateOutput
from stream_rec.consumers.pipeline import BatchPipeline, PipelineContext
from stream_rec.schemas.records import TopicName
from stream_rec.schemas.topics import FOLLOWED, full_name
from stream_rec.store.lists import ListStore


@dataclass(frozen=True, slots=True)
class Collaborators:
    """What handlers are made from; each takes what it needs.

    Attributes:
        context: what every handler works with.
        slates: how slates leave the worker.
        as_of: the last event learned from each partition.
        touched: items whose neighbours have changed.
        event_metrics: figures of the topic `events`.
        lists: where `removed` is.
        forgotten: users whose traces in Redis are to be removed.
    """

    context: HandlerContext
    slates: SlateOutput
    as_of: AsOfTable
    touched: TouchedItems
    event_metrics: EventMetrics
    lists: ListStore
    forgotten: ForgottenUsers


def _events(at: Collaborators) -> EventsHandler:
    return EventsHandler(at.context, at.slates, at.as_of, at.touched, at.event_metrics, at.forgotten)


def _items(at: Collaborators) -> ItemsHandler:
    return ItemsHandler(at.context, at.lists, at.touched)


def _control(at: Collaborators) -> ControlHandler:
    return ControlHandler(at.context, at.as_of, at.forgotten)


def _impressions(at: Collaborators) -> ImpressionsHandler:
    return ImpressionsHandler(at.context)


@dataclass(frozen=True, slots=True)
class Route:
    """What happens to the records of one topic.

    Attributes:
        handler: makes the handler.
        teaches: methods of the engine that the handler calls.
        writes: keys in Redis.
        publishes: topics.
        learned_by: who learns the records; `every worker` = owners serve them, others follow.
        whole_before_joining: a worker learns the topic to its end before it joins the group; else only up to what the
            group has committed.
        first: a worker learns the topic to its end before it learns anything else, and later batches of it before those
            of others that are queued.
    """

    handler: Callable[[Collaborators], Handler[Any, Any, Any]]
    teaches: tuple[str, ...]
    writes: tuple[str, ...]
    publishes: tuple[TopicName, ...]
    learned_by: str = "every worker"
    whole_before_joining: bool = False
    first: bool = False


ROUTES: dict[TopicName, Route] = {
    "control": Route(
        handler=_control,
        teaches=("learn_control",),
        writes=("rec:*", "forgotten:*"),
        publishes=("dead-letters",),
        whole_before_joining=True,
        first=True,
    ),
    "events": Route(
        handler=_events,
        teaches=("learn", "recommend"),
        writes=("rec:*", "marker:*"),
        publishes=("slates", "dead-letters"),
    ),
    "items": Route(
        handler=_items,
        teaches=("upsert_items",),
        writes=("removed",),
        publishes=("dead-letters",),
        whole_before_joining=True,
    ),
    "vectors": Route(
        handler=lambda at: VectorsHandler(at.context),
        teaches=("learn_vectors",),
        writes=(),
        publishes=("dead-letters",),
        whole_before_joining=True,
    ),
    "impressions": Route(
        handler=_impressions,
        teaches=("learn_impressions",),
        writes=(),
        publishes=("dead-letters",),
    ),
}

WHOLE_BEFORE_JOINING = frozenset(name for name, route in ROUTES.items() if route.whole_before_joining)
FIRST = frozenset(name for name, route in ROUTES.items() if route.first)


def make_handlers(collaborators: Collaborators) -> Handlers:
    """A handler for every topic that workers read."""
    return {name: ROUTES[name].handler(collaborators) for name in FOLLOWED}


def connect(
    app: BatchApp, handlers: Handlers, context: PipelineContext
) -> tuple[BatchPipeline[Any, Any, Any], ...]:
    """Give the Faust app an agent for every topic, which feeds the topic's pipeline.

    Returns:
        The pipelines.
    """
    pipelines = []
    for name, handler in handlers.items():
        pipeline = BatchPipeline(handler, context, urgent=name in FIRST)
        app.batches(full_name(app.bus.prefix, name), pipeline.take)
        pipelines.append(pipeline)
    return tuple(pipelines)
