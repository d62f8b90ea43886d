"""The topic `control`, followed for the bridge's book of merges: others write it, too."""

from __future__ import annotations

import threading
from contextlib import closing

from stream_rec.bus.batch import Fetched
from stream_rec.bus.decisions import TOPIC
from stream_rec.bus.lag import OffsetReader
from stream_rec.bus.reader import Reader, Start, following
from stream_rec.bus.stretches import read_through
from stream_rec.consumers.bridge.merges import Merges
from stream_rec.errors import StreamRecError
from stream_rec.schemas.decisions import decode_control
from stream_rec.schemas.partition import TopicPartition
from stream_rec.settings import Settings

_LEAVE_SECONDS = 1.0


class ControlFollower:
    """Reads all of `control`, then what comes, in a thread.

    Args:
        settings: addresses, bounds and rules.
        merges: learns every decision.

    Attributes:
        failure: what it cannot go on with.
    """

    def __init__(self, settings: Settings, merges: Merges) -> None:
        self.failure: StreamRecError | None = None
        self._bus, self._rules = settings.bus, settings.ingest
        self._merges = merges
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._ends: dict[TopicPartition, Start] = {}

    def read(self) -> None:
        """Learn what is there. Who does not stay needs no more.

        Raises:
            ConfigError: the topic is missing, or the broker refuses us.
            Unavailable: the broker does not answer.
        """
        bounds = OffsetReader(self._bus).bounds([TOPIC])
        for batch in read_through(self._bus, bounds):
            self._learn(batch)
        self._ends = {tp: Start(end) for tp, (_, end) in bounds.items()}

    def start(self) -> None:
        """Learn what is there, and follow. Raises as `read`."""
        self.read()
        self._thread = threading.Thread(target=self._follow, name="bridge-control", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it, within a second."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_LEAVE_SECONDS)

    def _follow(self) -> None:
        try:
            with closing(Reader(self._bus, following(self._bus, gather_seconds=0.0))) as reader:
                reader.begin(self._ends)
                while not self._stopping.is_set():
                    for each in reader.read():
                        self._learn(each.batch)
        except StreamRecError as error:
            self.failure = error

    def _learn(self, batch: Fetched) -> None:
        for decision in decode_control(batch, batch.span(), self._rules).batch.decisions:
            self._merges.learn(decision)
