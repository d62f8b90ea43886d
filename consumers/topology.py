"""Which topic goes to which agent, and what that agent may publish. Read this first.

| topic | agent | teaches the engine | writes to Redis | may publish |
|---|---|---|---|---|
| `events` | EventsHandler | learn, recommend | `rec:*`, `marker:*` | `slates`, `dead-letters` |
| `items` | ItemsHandler | upsert_items | `removed` | `dead-letters` |
| `impressions` | ImpressionsHandler | learn_impressions | | `dead-letters` |

Partitions that others own are learned by the follower (consumers/replication/follower.py), which writes nothing.

Beside the agents, from time to time (consumers/periodic/): `popular`, `trending`, `new`, `similar:*` (item_lists.py),
slates that Redis has lost (slate_repair.py), `metrics:*` and the topic `metrics` (metric_reports.py).
"""

from __future__ import annotations

from collections.abc import Callable

from stream_rec.bus.batch_app import BatchApp
from stream_rec.bus.transport import Owner
from stream_rec.consumers.handlers.base import Handlers
from stream_rec.consumers.pipeline import Line, Surroundings
from stream_rec.schemas.topics import full_name
from stream_rec.settings import BusSettings


def make_app(
    bus: BusSettings,
    handlers: Handlers,
    around: Surroundings,
    owner: Owner,
    end_process: Callable[[BaseException], None],
) -> tuple[BatchApp, list[Line[object]]]:
    """The Faust app with one agent per topic, each feeding its line.

    Args:
        bus: addresses, limits, group.
        handlers: by topic.
        around: what the lines work with.
        owner: gets ready for partitions.
        end_process: called with a bug.

    Returns:
        The app, not started, and its lines.
    """
    app = BatchApp(bus, owner, end_process)
    lines = []
    for name, handler in handlers.items():
        line = Line(handler, around)
        app.batches(full_name(bus.prefix, name), line.take)
        lines.append(line)
    return app, lines
