"""Follows the topics `items` and `metrics` while the page runs: titles, and figures by window."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing

from stream_rec import logs
from stream_rec.bus.batch import Fetched
from stream_rec.bus.lag import OffsetReader
from stream_rec.bus.reader import Fetching, Reader, Start
from stream_rec.clock import Clock
from stream_rec.errors import StreamRecError
from stream_rec.logs import Occasional
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import TopicName
from stream_rec.settings import BusSettings

_FETCHING = Fetching(max_records=5_000, max_bytes=8 << 20, wait_seconds=0.25)
_AGAIN_SECONDS = 2.0

Take = Callable[[Fetched], None]

log = logs.get("page")


class Follower:
    """Reads topics in a thread of its own, and goes on where it was after an outage.

    Args:
        bus: addresses.
        takes: what to do with a batch, by topic; called in the thread.
        backward: so many records of a topic, at most, are read from before; of the others all.
        clock: bounds what is logged.
    """

    def __init__(
        self, bus: BusSettings, takes: dict[TopicName, Take], backward: dict[TopicName, int], clock: Clock
    ) -> None:
        self._said = Occasional(clock)
        self._bus = bus
        self._takes = takes
        self._backward = backward
        self._next: dict[TopicPartition, Start] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="page-follower", daemon=True)

    def start(self) -> None:
        """Begin; harmless to repeat."""
        if self._thread.ident is None:
            self._thread.start()

    def close(self) -> None:
        """End; returns when the present read is over."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._follow()
            except StreamRecError as error:
                if n := self._said.note(str(error)):
                    log.warning("the page does not follow the log", n=n, why=str(error))
                self._stopped.wait(_AGAIN_SECONDS)

    def _follow(self) -> None:
        if not self._next:
            bounds = OffsetReader(self._bus).bounds(list(self._takes))
            for tp, (start, end) in bounds.items():
                most = self._backward.get(tp.topic, end)
                self._next[tp] = Start(max(start, end - most))
        with closing(Reader(self._bus, _FETCHING)) as reader:
            reader.begin(self._next)
            while not self._stopped.is_set():
                for read in reader.read():
                    self._takes[read.batch.tp.topic](read.batch)
                    self._next[read.batch.tp] = Start(read.batch.next)
