"""What the bridge waits for: told when it begins and when it is over, and in between once a minute."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException

from stream_rec import logs
from stream_rec.bus.clients import is_silence, translated
from stream_rec.clock import Clock
from stream_rec.errors import ConfigError, StreamRecError
from stream_rec.settings import BusSettings

FIRST_SECONDS = 0.1
"""Of waiting before a server is asked again; doubled every time."""


def kafka(bus: BusSettings) -> str:
    """What a cluster is called: there may be two."""
    return f"kafka at {bus.bootstrap}"


class Outages:
    """Servers that do not answer. One thread at a time.

    Args:
        clock: processing time.
        longest_seconds: between two attempts.

    Attributes:
        failure: what a client has heard that no waiting mends.
    """

    def __init__(self, clock: Clock, longest_seconds: float) -> None:
        self._clock = clock
        self._longest_seconds = longest_seconds
        self.failure: StreamRecError | None = None
        self._since: dict[str, float] = {}
        self._n_tries: dict[str, int] = {}
        self._lines = logs.Occasional(clock)
        self._log = logs.get("ingest")

    def note(self, service: str, why: str) -> float:
        """It did not answer. How long to wait before it is asked again."""
        self._since.setdefault(service, self._clock.monotonic())
        n = self._n_tries.get(service, 0)
        self._n_tries[service] = n + 1
        if self._lines.note(service):
            self._log.warning(
                "server does not answer: the bridge waits, and goes on by itself", service=service, why=why
            )
        return min(self._longest_seconds, FIRST_SECONDS * 2.0 ** min(n, 20))

    def heard(self, error: KafkaError, bus: BusSettings) -> None:
        """A client has trouble with a broker."""
        if not is_silence(error):
            ours = translated(KafkaException(error), bus, 0.0)
            if isinstance(ours, ConfigError) or error.fatal():
                self.failure = self.failure or ours
                return
        self.note(kafka(bus), error.str())

    def over(self, service: str) -> None:
        """It answers."""
        since = self._since.pop(service, None)
        if since is not None:
            self._n_tries.pop(service, None)
            waited = round(self._clock.monotonic() - since, 1)
            self._log.info("server answered again", service=service, after_seconds=waited)

    @property
    def waiting_for(self) -> dict[str, float]:
        """Seconds since each service that does not answer was first silent."""
        now = self._clock.monotonic()
        return {service: now - since for service, since in self._since.items()}
