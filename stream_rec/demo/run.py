"""The demo from start to end: servers, worker, replay, live view, report."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from rich.console import Console

from stream_rec.bus.metric_points import read_points
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.demo.figures import Figures
from stream_rec.demo.replaying import Replaying
from stream_rec.demo.report import (
    SHOWN_EVENTS,
    Outcome,
    print_next,
    print_page,
    print_staying,
    print_totals,
    print_user,
)
from stream_rec.demo.view import view_on
from stream_rec.demo.watch import Watch
from stream_rec.embedded.serve import ServeProcess
from stream_rec.embedded.stack import start_stack, without_addresses
from stream_rec.embedded.worker import WorkerProcess
from stream_rec.errors import Unavailable
from stream_rec.offline.datasets.first_events import FirstEvents
from stream_rec.offline.datasets.named import load_items, open_source
from stream_rec.offline.datasets.reading import Reading, Sort
from stream_rec.page.front import is_installed, need_installed
from stream_rec.producers.feed.stopping import stop_on_signals
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.records import Item, MetricPoint
from stream_rec.serve.client import Client
from stream_rec.serve.freshness_probe import FreshnessProbe, WatchedPublisher, percentile
from stream_rec.settings import Settings
from stream_rec.telemetry.points import total
from stream_rec.telemetry.series import POPULAR_LIST, SLATE

WATCHED_PER_SECOND = 50.0
REFRESH_SECONDS = 0.5
CATCH_UP_SECONDS = 60.0
DRAIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller chose.

    Attributes:
        data: name of a data set, or a file.
        rate: events per second.
        limit: events, at most.
        lanes: users that act at a time; 1 = the log's own order.
        flags: `--config` and `--set` as given, for the worker and the page.
        shape: of the log; empty = recognised.
        sort: in which order the log is read.
        stays: whether everything goes on running after the replay, until Ctrl-C.
    """

    data: str
    rate: float
    limit: int
    lanes: int
    flags: Sequence[str] = ()
    shape: str = ""
    sort: Sort = "auto"
    stays: bool = False


class Interrupted(Exception):
    """The user stopped the demo."""


def run_demo(options: Options, settings: Settings, console: Console) -> Outcome:
    """Run the whole demo and print it.

    Raises:
        ConfigError: the log cannot be read or fetched, or the embedded servers cannot start here.
        Unavailable: the worker or a server ended or stopped answering; its log is kept and named.
        Interrupted: Ctrl-C or SIGTERM; everything is stopped.
    """
    if options.stays:
        need_installed()
    reading = Reading(options.shape, options.sort, settings.shapes)
    log = FirstEvents.of(open_source(options.data, settings.data, None, reading), options.limit)
    if options.lanes > 1:
        log = log.side_by_side(options.lanes)
    items = load_items(options.data, settings.data)
    titled = [*items, *(one.record for one in log.catalogue if isinstance(one.record, Item))]
    with stop_on_signals() as stop, start_stack(without_addresses(settings)) as stack:
        ensure_topics(stack.settings.bus)
        worker = WorkerProcess(stack.settings, options.flags)
        try:
            with console.status("starting a broker, a Redis and a worker ..."):
                worker.wait_until_ready()
            _publish_items(stack.settings, items)
            with _page(stack.settings, options.flags) as url:
                print_page(console, url)
                figures = _replay(options, stack.settings, log, worker, console, stop)
                _print_user(stack.settings, log, titled, console)
                if options.stays:
                    print_staying(console, url)
                    _stay(worker, stop)
        finally:
            exit_code = worker.stop()
        outcome = _outcome(log, figures, read_points(stack.settings.bus), exit_code)
    print_totals(console, outcome)
    print_next(console, f"http://127.0.0.1:{settings.page.port}")
    return outcome


@contextmanager
def _page(settings: Settings, flags: Sequence[str]) -> Iterator[str]:
    """The page's address; empty = it is not installed."""
    if not is_installed():
        yield ""
        return
    page = ServeProcess(settings, flags, "dashboard", _free(settings.page.port))
    try:
        yield page.url
    finally:
        page.stop()


def _free(port: int) -> int:
    """The port if nobody has it, else 0: any."""
    try:
        with socket.create_server(("127.0.0.1", port)):
            return port
    except OSError:
        return 0


def _stay(worker: WorkerProcess, stop: Callable[[], bool]) -> None:
    while not stop():
        worker.check()
        time.sleep(REFRESH_SECONDS)


def _publish_items(settings: Settings, items: Sequence[Item]) -> None:
    with Publisher(settings.bus, settings.ingest) as publisher:
        publisher.publish_all(items)


def _replay(
    options: Options,
    settings: Settings,
    log: FirstEvents,
    worker: WorkerProcess,
    console: Console,
    stop: Callable[[], bool],
) -> Figures:
    """Publish, and show what happens until the worker has handled everything.

    Returns:
        The last figures; freshness in them is that of the whole run.
    """
    with FreshnessProbe(settings.store) as probe:
        watch = Watch(settings, probe, len(log))
        replaying = Replaying(
            log,
            options.rate,
            lambda: WatchedPublisher(settings.bus, settings.ingest, probe, WATCHED_PER_SECOND),
            stop,
        )
        users = f", {options.lanes} users at a time" if options.lanes > 1 else ""
        title = f"{log.name}: {options.rate:,.0f} events/s{users}"
        with view_on(console, title) as view:
            figures = _show_until_handled(watch, replaying, worker, view.show, stop)
        probe.drain(DRAIN_SECONDS)
        seconds = probe.seconds()
        watch.close()
    return replace(
        figures,
        freshness_ms_p50=percentile(seconds, 0.5) * 1000,
        freshness_ms_p99=percentile(seconds, 0.99) * 1000,
        n_watched=len(seconds),
    )


def _show_until_handled(
    watch: Watch,
    replaying: Replaying,
    worker: WorkerProcess,
    show: Callable[[Figures], None],
    stop: Callable[[], bool],
) -> Figures:
    clock = SystemClock()
    began = over_at = clock.monotonic()
    replaying.start()
    while True:
        over = replaying.is_over()
        now = clock.monotonic()
        figures = watch.read(replaying.progress, replaying.n_bad, now - began)
        show(figures)
        if stop():
            raise Interrupted
        worker.check()
        if over and not figures.lag:
            return figures
        over_at = over_at if over else now
        if now - over_at > CATCH_UP_SECONDS:
            raise Unavailable("worker", f"still {figures.lag:,} events behind", waited_seconds=now - over_at)
        time.sleep(REFRESH_SECONDS)


def _print_user(settings: Settings, log: FirstEvents, items: Sequence[Item], console: Console) -> None:
    events = log.last_user_events(SHOWN_EVENTS)
    with Client(settings.store) as client:
        answer = client.recommendations(events[-1].user_id)
    print_user(console, events, answer, {item.item_id: item.title for item in items if item.title})


def _outcome(log: FirstEvents, figures: Figures, points: Sequence[MetricPoint], exit_code: int) -> Outcome:
    """Totals as the worker wrote them down; polled figures lag behind by a report."""

    def share(source: str) -> float:
        hits, judged = total(points, "served_hit_rate", source=source, k=str(figures.k))
        return hits / judged if judged else float("nan")

    return Outcome(
        data=log.name,
        figures=replace(
            figures,
            hit_rate=share(SLATE),
            hit_rate_popular=share(POPULAR_LIST),
            n_slates=int(total(points, "slates_written")[0]),
            n_dead_letters=int(total(points, "dead_letters")[0]),
        ),
        n_learned=int(total(points, "events_learned")[0]),
        worker_exit_code=exit_code,
    )
