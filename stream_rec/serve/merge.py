"""A visitor who has signed in is a user from now on: the record on `control`, and what the workers say of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from stream_rec.clock import Clock, SystemClock
from stream_rec.errors import ConfigError
from stream_rec.producers.decisions.said import who
from stream_rec.producers.publisher.publisher import Publisher
from stream_rec.schemas.decisions import merge_of
from stream_rec.schemas.validation import required
from stream_rec.serve.workers import wait_for_workers
from stream_rec.settings import Settings
from stream_rec.store.forgotten import WorkerReceipt
from stream_rec.store.keys import NEVER
from stream_rec.store.reader import Reader


class Merged(NamedTuple):
    """What became of a merge.

    Attributes:
        visitor_hash: the name that the decision has.
        offset: of the decision on `control`.
        ts: when it was decided, seconds since the epoch.
        workers: receipts, by worker.
        silent: live workers that have not answered in time.
    """

    visitor_hash: str
    offset: int
    ts: float
    workers: Mapping[str, WorkerReceipt]
    silent: tuple[str, ...]


def merge(
    settings: Settings,
    reader: Reader,
    visitor_id: str,
    user_id: str,
    *,
    wait_seconds: float,
    note: str = "",
    clock: Clock | None = None,
) -> Merged:
    """Decide that a visitor is a user, and wait for the workers: histories are joined, the visitor is forgotten.

    Args:
        settings: addresses and limits.
        reader: of Redis.
        visitor_id: who was not known by name.
        user_id: who that is.
        wait_seconds: so long the workers are waited for, at most.
        note: why, kept with the decision: no personal data.
        clock: stamps the decision.

    Raises:
        ContractError: one of them cannot be an id.
        ConfigError: they are the same, or a server refuses us.
        Unavailable: a server does not answer; do it again, it is harmless.
    """
    required("user_id", visitor_id, settings.ingest)
    required("user_id", user_id, settings.ingest)
    if visitor_id == user_id:
        raise ConfigError(f"{user_id} is the same user already", fix="give the visitor's id, then the user's")
    clock = clock or SystemClock()
    record = merge_of(visitor_id, user_id, clock.now(), by=who(), note=note)
    with Publisher(settings.bus, settings.ingest) as publisher:
        ack = publisher.publish(record)
    workers, silent = wait_for_workers(reader, clock, record.name, ack.offset, wait_seconds)
    reader.delete_slates(visitor_id, sorted({*settings.engine.scenarios, *reader.scenarios(), NEVER}))
    return Merged(record.name, ack.offset, record.ts, workers, silent)
