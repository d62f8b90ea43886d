"""The demo's producer: the log at a steady rate, and a few bad messages in between, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

from stream_rec.errors import StreamRecError
from stream_rec.offline.datasets.first_events import FirstEvents
from stream_rec.producers.feed.feed import Progress
from stream_rec.producers.feed.pace import PerSecond
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.producers.replay.replay import replay
from stream_rec.producers.simulate.bad_messages import bad_messages

N_BAD = 10
SEED = 7


class Replaying:
    """Publishes a log once. The publisher is used in this thread only.

    Args:
        log: what.
        rate: events per second.
        publish: makes the publisher, inside the thread.
        stop: asked before every event.

    Attributes:
        progress: of the replay; changes while it runs.
        n_bad: bad messages sent so far.
    """

    def __init__(
        self, log: FirstEvents, rate: float, publish: Callable[[], Publisher], stop: Callable[[], bool]
    ) -> None:
        self.progress = Progress()
        self.n_bad = 0
        self._log = log
        self._rate = rate
        self._publish = publish
        self._stop = stop
        self._bad = bad_messages(N_BAD, SEED)
        self._failure: StreamRecError | None = None
        self._thread = threading.Thread(target=self._run, name="replay", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def is_over(self) -> bool:
        """Is everything published.

        Raises:
            StreamRecError: what ended it.
        """
        if self._failure is not None:
            raise self._failure
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            with self._publish() as publisher:

                def show(progress: Progress) -> None:
                    self.progress = progress
                    self._send_bad(publisher, progress.n_sent * N_BAD // len(self._log))

                replay(self._log, publisher, pace=PerSecond(self._rate), stop=self._stop, on_progress=show)
        except StreamRecError as error:
            self._failure = error

    def _send_bad(self, publisher: Publisher, until: int) -> None:
        for message in self._bad[self.n_bad : until]:
            publisher.send_raw("events", message.key, message.value)
            self.n_bad += 1
