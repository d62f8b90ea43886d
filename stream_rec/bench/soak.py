"""`stream-rec bench soak`: one worker under steady traffic for long. Does anything grow that should not?

Before it is watched, the worker handles `PRELOAD_EVENTS` and as many impressions as its ring holds, so that every bound
that this traffic can reach is reached. Then shoppers act at a steady rate, look at their slates and click, and every
`SAMPLE_SECONDS` memory, descriptors, threads, Redis' memory and every gauge of /metrics are written down.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import psutil
import redis
from scipy import stats

from stream_rec.bench.harness import Figures, Say
from stream_rec.bench.scrape import Scrape
from stream_rec.bus.lag import lag
from stream_rec.bus.topics import ensure_topics
from stream_rec.clock import SystemClock
from stream_rec.embedded.server import free_port
from stream_rec.embedded.stack import Broker, Stack, start_stack, without_addresses
from stream_rec.embedded.worker import WorkerProcess
from stream_rec.errors import ConfigError, Unavailable
from stream_rec.producers.feed.pace import EventTime, FullSpeed
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.producers.simulate.shop import ShopPlan
from stream_rec.producers.simulate.simulator import ending_at, simulate
from stream_rec.schemas.records import Impression
from stream_rec.serve.client import Client
from stream_rec.settings import Settings

PRELOAD_EVENTS = 400_000
SAMPLE_SECONDS = 5.0
MOST_DRIFT = 0.02
"""What counts as flat: the trend over the whole time, as a share of the median."""
WARM_UP_SHARE, LEAST_WARM_UP_SECONDS = 0.2, 60.0
RESOURCES = ("rss_mib", "descriptors", "threads", "redis_mib")
_NO_LEVELS = ("engine{'stat': 'events_learned'}", "engine{'stat': 'loudest_user_share'}")
"""Gauges that say how many since the start, which are to grow, or what the traffic was like."""
_PAUSE_SECONDS = 5.0
"""Between two events of a shopper: short, so that a few thousand make the rate, and all of them are met early."""
_USERS_PER_OPEN_SESSION = 4
_DRAIN_SECONDS = 600.0
_MIB = float(1 << 20)


@dataclass(frozen=True, slots=True)
class Soak:
    """What is done.

    Attributes:
        minutes: watched, the warm-up in it.
        rate: events per second.
        broker: which.
        plot: PNG to be drawn; None = none.
    """

    minutes: float
    rate: float
    broker: Broker
    plot: Path | None = None


@dataclass(slots=True)
class Samples:
    """Series over time.

    Attributes:
        seconds: of each sample, since the beginning.
        values: by name; a series that came later, or went, has NaN where it was not.
    """

    seconds: list[float] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, at: float, found: dict[str, float]) -> None:
        """One moment."""
        for name in found.keys() - self.values.keys():
            self.values[name] = [float("nan")] * len(self.seconds)
        self.seconds.append(at)
        for name, series in self.values.items():
            series.append(found.get(name, float("nan")))


@dataclass(frozen=True, slots=True)
class Trend:
    """Theil-Sen's slope over the time watched, as a share of the median (Sen 1968).

    Attributes:
        drift: the slope.
        low, high: its 95 % interval.
    """

    drift: float
    low: float
    high: float

    @property
    def grows(self) -> bool:
        """Is the whole interval beyond what counts as flat, to either side?"""
        return self.low > MOST_DRIFT or self.high < -MOST_DRIFT


def trend(seconds: Sequence[float], values: Sequence[float]) -> Trend:
    """The trend of a series; 0 where it has fewer than three values, or its median is 0."""
    at, series = np.asarray(seconds), np.asarray(values)
    known = np.isfinite(series)
    at, series = at[known], series[known]
    if len(series) < 3 or not (middle := float(np.median(np.abs(series)))):
        return Trend(0.0, 0.0, 0.0)
    slope, _, low, high = stats.theilslopes(series, at)
    scale = float(at[-1] - at[0]) / middle
    return Trend(float(slope) * scale, float(low) * scale, float(high) * scale)


def run(settings: Settings, say: Say, what: Soak) -> Figures:
    """Soak one worker on a stack of its own.

    Args:
        settings: as for a worker; addresses in it are not used, snapshots and the journal go to a temporary folder.
        say: takes progress.
        what: how long, how fast, on what.

    Returns:
        Medians and drifts of the resources, the gauges that grow, and whether all is flat and the worker ended well.

    Raises:
        ConfigError: a plot is asked for, and matplotlib is missing.
        Unavailable: the worker does not catch up.
        ChildExited: it ended by itself.
    """
    if what.plot is not None:
        _need_matplotlib()
    with (
        tempfile.TemporaryDirectory(prefix="stream-rec-soak-") as folder,
        start_stack(without_addresses(settings), broker=what.broker) as stack,
    ):
        kept = _keeping(stack.settings, Path(folder))
        ensure_topics(kept.bus)
        port = free_port()
        worker = WorkerProcess(kept, [*_flags(kept), "--set", f"measure.prometheus_port={port}"])
        try:
            samples = _watched(Stack(kept, stack.broker, stack.redis), worker, port, what, say)
        finally:
            exit_code = worker.stop()
    figures = _figures(samples, what, exit_code)
    if what.plot is not None:
        _draw(what.plot, samples, what)
    return figures


def _keeping(settings: Settings, folder: Path) -> Settings:
    """With snapshots and a journal: they are part of what may grow."""
    return settings.model_copy(
        update={
            "snapshot": settings.snapshot.model_copy(
                update={"url": str(folder / "snapshots"), "every_events": 50_000, "min_seconds": 60.0}
            ),
            "journal": settings.journal.model_copy(update={"folder": str(folder / "journal")}),
        }
    )


def _flags(settings: Settings) -> list[str]:
    flags = []
    for key, value in (
        ("snapshot.url", settings.snapshot.url),
        ("snapshot.every_events", settings.snapshot.every_events),
        ("snapshot.min_seconds", settings.snapshot.min_seconds),
        ("journal.folder", settings.journal.folder),
    ):
        flags += ["--set", f"{key}={value}"]
    return flags


def _watched(stack: Stack, worker: WorkerProcess, port: int, what: Soak, say: Say) -> Samples:
    settings, clock = stack.settings, SystemClock()
    plan = ShopPlan(
        n_users=max(1000, int(what.rate * _PAUSE_SECONDS * _USERS_PER_OPEN_SESSION)),
        events_per_second=what.rate,
        pause_seconds=_PAUSE_SECONDS,
    )
    say(f"preloading {PRELOAD_EVENTS:,} events and {settings.measure.max_open_impressions:,} impressions ...")
    with Publisher(settings.bus, settings.ingest) as publisher:
        before = ending_at(plan, clock.now(), PRELOAD_EVENTS)
        simulate(publisher, before, n_events=PRELOAD_EVENTS, pace=FullSpeed())
        for n in range(settings.measure.max_open_impressions):
            publisher.send(Impression(f"preload-{n}", f"preload-{n % 1000}", clock.now(), ("item-1",)))
        publisher.flush()
    _wait_until_served(worker, settings)
    samples = Samples()
    process = psutil.Process(worker.pid)
    with redis.Redis.from_url(settings.store.url) as client, _traffic(settings, plan) as check:
        began = said = clock.monotonic()
        while (at := clock.monotonic() - began) < what.minutes * 60:
            worker.check()
            check()
            samples.add(at, _sample(process, client, port))
            if clock.monotonic() - said >= 60:
                said = clock.monotonic()
                now = {name: samples.values[name][-1] for name in RESOURCES}
                say(f"{at / 60:.0f} min: " + ", ".join(f"{name} {value:,.1f}" for name, value in now.items()))
            time.sleep(SAMPLE_SECONDS)
    return samples


def _wait_until_served(worker: WorkerProcess, settings: Settings) -> None:
    worker.wait_until_ready()
    clock = SystemClock()
    deadline = clock.monotonic() + _DRAIN_SECONDS
    while any(line.lag for line in lag(settings.bus)):
        worker.check()
        if clock.monotonic() > deadline:
            raise Unavailable("worker", "it does not catch up", waited_seconds=_DRAIN_SECONDS)
        time.sleep(1.0)


@contextmanager
def _traffic(settings: Settings, plan: ShopPlan) -> Iterator[Callable[[], None]]:
    """Shoppers in a thread, who look at their slates; yields what raises when they cannot go on."""
    stop, failed = threading.Event(), []

    def shop() -> None:
        clock = SystemClock()
        try:
            with Client(settings.store) as client, Publisher(settings.bus, settings.ingest) as publisher:
                simulate(
                    publisher,
                    replace(plan, start_ts=clock.now()),
                    pace=EventTime(1.0),
                    recommend=lambda user: client.recommendations(user).as_shown(),
                    stop=stop.is_set,
                )
        except Exception as error:  # noqa: BLE001 - raised where it is watched
            failed.append(error)

    def check() -> None:
        if failed:
            raise failed[0]

    thread = threading.Thread(target=shop, name="shoppers", daemon=True)
    thread.start()
    try:
        yield check
    finally:
        stop.set()
        thread.join(timeout=_DRAIN_SECONDS)


def _sample(process: psutil.Process, client: redis.Redis, port: int) -> dict[str, float]:
    gauges = Scrape(port).gauges()
    return {
        "rss_mib": process.memory_info().rss / _MIB,
        "descriptors": float(process.num_fds()),
        "threads": float(process.num_threads()),
        "redis_mib": float(client.info("memory")["used_memory"]) / _MIB,
        **gauges,
    }


def _after_warm_up(samples: Samples, what: Soak) -> int:
    """Index of the first sample that counts."""
    warm = max(LEAST_WARM_UP_SECONDS, WARM_UP_SHARE * what.minutes * 60)
    return int(np.searchsorted(samples.seconds, min(warm, what.minutes * 30)))


def _figures(samples: Samples, what: Soak, exit_code: int) -> Figures:
    first = _after_warm_up(samples, what)
    at = samples.seconds[first:]
    trends = {name: trend(at, series[first:]) for name, series in samples.values.items()}
    gauges = trends.keys() - {*RESOURCES, *_NO_LEVELS}
    growing = sorted(name for name in gauges if trends[name].grows)
    figures: Figures = {"minutes": what.minutes, "rate": what.rate, "broker": what.broker, "samples": len(at)}
    for name in RESOURCES:
        figures[name] = float(np.median(samples.values[name][first:]))
        figures[f"{name}_drift"] = trends[name].drift
    flat = all(abs(trends[name].drift) <= MOST_DRIFT for name in RESOURCES) and not growing
    return {
        **figures,
        "gauges": len(gauges),
        "gauges_growing": ", ".join(growing),
        "exit_code": exit_code,
        "flat": flat and exit_code == 0,
    }


def _need_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"--plot: {error}", fix="pip install 'stream-rec[plot]'") from error


def _draw(path: Path, samples: Samples, what: Soak) -> None:
    """One panel a resource, over minutes; the warm-up is shaded."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    minutes = np.asarray(samples.seconds) / 60
    figure = Figure(figsize=(10.0, 8.0), layout="constrained")
    panels = figure.subplots(len(RESOURCES), 1, sharex=True)
    first = _after_warm_up(samples, what)
    for panel, name in zip(panels, RESOURCES, strict=True):
        panel.plot(minutes, samples.values[name], linewidth=1.2)
        panel.axvspan(0, minutes[first], alpha=0.15)
        panel.set_ylabel(name)
        panel.set_ylim(bottom=0.0)
        panel.grid(alpha=0.3)
    panels[0].set_title(f"soak: {what.rate:g} events/s, {what.minutes:g} minutes, {what.broker}")
    panels[-1].set_xlabel("minutes")
    FigureCanvasAgg(figure).print_png(path, metadata={"Software": "stream-rec bench soak"})
