"""Looks at Redis and Kafka twice a second, while somebody has the page open."""

from __future__ import annotations

import threading

from stream_rec import logs
from stream_rec.bus.lag import OffsetReader
from stream_rec.clock import Clock
from stream_rec.errors import StreamRecError
from stream_rec.page.figures import Recent
from stream_rec.settings import Settings
from stream_rec.store.reader import Reader

LOOK_SECONDS = 0.5
REST_SECONDS = 120.0
"""Nobody has asked for so long: looking stops until somebody asks."""
_PAUSE_SECONDS = 2.0
"""After a look that failed."""

log = logs.get("page")


class Watcher:
    """Looks in a thread of its own, which begins at the first question.

    Args:
        settings: addresses.
        clock: stamps.

    Attributes:
        recent: what was seen.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.recent = Recent()
        self._settings = settings
        self._clock = clock
        self._asked_at = clock.monotonic()
        self._wanted = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="page-watcher", daemon=True)

    def ask(self) -> Recent:
        """What was seen; looking goes on for a while."""
        self._asked_at = self._clock.monotonic()
        self._wanted.set()
        if self._thread.ident is None and not self._stopped.is_set():
            self._thread.start()
        return self.recent

    def close(self) -> None:
        """End; returns when the present look is over."""
        self._stopped.set()
        self._wanted.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        reader, offsets = Reader(self._settings.store), OffsetReader(self._settings.bus)
        try:
            while not self._stopped.is_set():
                self._wanted.wait()
                self._stopped.wait(self._look(reader, offsets))
                if self._clock.monotonic() - self._asked_at > REST_SECONDS:
                    self._wanted.clear()
        finally:
            reader.close()

    def _look(self, reader: Reader, offsets: OffsetReader) -> float:
        """One look; how long to wait for the next."""
        began = self._clock.monotonic()
        try:
            workers, lags = reader.last_values(), offsets.lag()
        except StreamRecError as error:
            self.recent.note(str(error))
            return _PAUSE_SECONDS
        self.recent.add(self._clock.now(), workers, lags)
        return max(0.05, LOOK_SECONDS - (self._clock.monotonic() - began))
