"""Producers that have lost sight of a cluster which others reach."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException

from stream_rec import logs
from stream_rec.bus.clients import admin
from stream_rec.clock import Clock
from stream_rec.settings import BusSettings

PURGED = (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT)
"""How a producer that is given up reports what it had not delivered."""
_PROBE_SECONDS = 1.0
_PROBE_EVERY_SECONDS = 10.0


class Stall:
    """Tells when a producer should be made anew: nothing is acknowledged, but the cluster answers another client.

    Seen with librdkafka 2.16: a producer that connects to a cluster of one broker just as that comes back from a pause
    may be told that there is no broker, forgets the one it has, and never looks for it again. For one thread.

    Args:
        bus: the cluster; how long a record may wait.
        clock: processing time.
    """

    def __init__(self, bus: BusSettings, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._since: float | None = None
        self._progress: object = None
        self._next_probe = 0.0
        self._log = logs.get("bus")

    def is_one(self, *, is_waiting: bool, progress: object) -> bool:
        """Ask it often; from time to time it asks the cluster, which takes a second at most.

        Args:
            is_waiting: is there anything to be acknowledged?
            progress: equals what it was the last time only if nothing was acknowledged since.
        """
        now = self._clock.monotonic()
        if not is_waiting or progress != self._progress or self._since is None:
            self._progress, self._since = progress, now if is_waiting else None
            return False
        if now - self._since < self._bus.publish_timeout_seconds or now < self._next_probe:
            return False
        self._next_probe = now + min(_PROBE_EVERY_SECONDS, self._bus.publish_timeout_seconds)
        if not self._is_reached():
            return False
        self._log.warning(
            "nothing is acknowledged, though Kafka answers: the producer is made anew",
            service=f"kafka at {self._bus.bootstrap}",
            after_seconds=round(now - self._since, 1),
        )
        self._since = None
        return True

    def _is_reached(self) -> bool:
        try:
            return bool(admin(self._bus).list_topics(timeout=_PROBE_SECONDS).brokers)
        except KafkaException:
            return False
