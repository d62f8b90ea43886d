"""Events published beside what is measured: a bench whose feed has died, or ran dry, has measured something else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

from stream_rec.errors import ConfigError
from stream_rec.producers.feed.feed import Feed, Progress, Row
from stream_rec.producers.feed.pace import PerSecond
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.settings import Settings


class Learning:
    """Rows of a log at a steady rate, from where the last time ended.

    Args:
        settings: of the stack.
        rows: of the log.
        fed: how many of them were published before.
        rate: events per second.
    """

    def __init__(self, settings: Settings, rows: Sequence[Row], fed: int, rate: float) -> None:
        self._settings = settings
        self._rows = rows
        self._fed = fed
        self._rate = rate

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Publish, in a thread, until the block is left.

        Raises:
            ConfigError: the log ended before.
            Unavailable: the bus did not take an event in time. Whatever else ends the thread is raised, too.
        """
        stop = Event()
        with ThreadPoolExecutor(1, "feed") as pool:
            feeding = pool.submit(self._feed, stop)
            try:
                yield
            finally:
                stop.set()
            done = feeding.result()
        self._fed += done.n_sent + done.n_bad
        if not done.stopped:
            raise ConfigError(
                f"the log ended after {done.n_sent} events: what was measured then was measured without learning",
                fix="measure for a shorter time, or from a longer log",
            )

    def _feed(self, stop: Event) -> Progress:
        with Publisher(self._settings.bus, self._settings.ingest) as publisher:
            feed = Feed(publisher, pace=PerSecond(self._rate), stop=stop.is_set)
            return feed.run(self._rows[self._fed :])
