"""One thing the doctor found, and how what goes wrong while looking becomes one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from confluent_kafka import KafkaException
from redis.exceptions import RedisError

from stream_rec.errors import ConfigError, StreamRecError, Unavailable
from stream_rec.settings import Settings


class Finding(NamedTuple):
    """Attributes.

    status: `ok`; `warn` = works, but not as it should; `fail` = a worker cannot run, or runs wrongly.
    what: what was found, and what it costs.
    fix: what to do; empty for `ok`.
    command: does it, as it stands; empty = there is no one command.
    """

    status: Literal["ok", "warn", "fail"]
    what: str
    fix: str = ""
    command: str = ""


def start_a_worker(settings: Settings) -> tuple[str, str]:
    """A fix, and its command, where none has shown itself."""
    fix = "start one; one that was started a moment ago may still compile: its log says so"
    bridges = settings.bridge.inputs and not settings.bridge.in_worker
    if bridges:
        return f"{fix}; with --bridge unless `stream-rec bridge` runs beside it", "stream-rec worker --bridge"
    return fix, "stream-rec worker"


def attempted(area: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What a look finds. Whatever it raises is the last finding, so that others still look."""
    try:
        yield from look()
    except Exception as error:  # noqa: BLE001 - a doctor that falls ill has no patients
        yield _finding(area, error)


def _finding(area: str, error: Exception) -> Finding:
    if isinstance(error, ConfigError):
        return Finding("fail", error.message, error.fix)
    if isinstance(error, Unavailable):
        return Finding("fail", str(error), f"start it, or correct the address ({area})")
    text = f"{type(error).__name__}: {_first_line(error)}"
    if isinstance(error, RedisError):
        return Finding(
            "fail", f"it does not answer as Redis does: {text}", "correct store.url, or see Redis' log"
        )
    if isinstance(error, KafkaException):
        return Finding("fail", f"Kafka refuses a question: {_first_line(error)}", "see the broker's log")
    if isinstance(error, (OSError, MemoryError, StreamRecError)):
        return Finding("fail", f"could not be looked at: {text}", "see what the system says")
    return Finding(
        "fail",
        f"could not be looked at: {text}",
        "this is a bug of stream-rec: please report it with this line",
    )


def _first_line(error: Exception) -> str:
    said = error.args[0].str() if isinstance(error, KafkaException) else str(error)
    return said.partition("\n")[0][:300]
