"""Before a worker joins the group, it learns what the group has served, and the whole catalogue."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from functools import partial

from stream_rec import logs
from stream_rec.bus.lag import OffsetReader, PartitionLag
from stream_rec.consumers.replication.follower import Follower
from stream_rec.consumers.runtime.background import in_background
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.errors import Unavailable
from stream_rec.schemas.partition import TopicPartition
from stream_rec.schemas.records import TopicName
from stream_rec.settings import BusSettings

_FIRST_PAUSE_SECONDS = 0.05


async def catch_up(
    bus: BusSettings,
    engine: EngineThread[Engine],
    follower: Follower,
    whole: Collection[TopicName],
    first: Collection[TopicName] = (),
) -> None:
    """Return when the worker may join: then the stretches that it must learn at its first assignment are short.

    What nobody has served yet is left to the agents: they learn it as they serve it, and only so it is measured. While
    Kafka does not answer, it waits.

    Args:
        bus: addresses, and the number of records that are little enough.
        engine: asked for its positions.
        follower: learns; it is running.
        whole: topics that are learned to their ends as of each look; the others up to what the group has committed.
        first: of these, topics of which nothing may be missing when others are learned.

    Raises:
        ConfigError: a topic is missing, or security is wrong.
    """
    offsets = OffsetReader(bus)
    pause = _FIRST_PAUSE_SECONDS
    tried: dict[TopicPartition, int] = {}
    while True:
        try:
            found = await in_background(offsets.lag)
        except Unavailable:
            await asyncio.sleep(pause)
            pause = min(2 * pause, bus.backoff_max_seconds)
            continue
        missing, worst = await engine.ask(partial(_missing, found, whole))
        if missing:
            logs.get("learn").info(
                "catching up with the committed offsets", partitions=len(missing), most_records=worst
            )
            before = {tp: until for tp, until in missing.items() if tp.topic in first}
            if before and before != tried:
                tried = before
                await follower.learn(before)
                continue
            await follower.learn(missing)
        if worst <= bus.ready_within_records:
            return


def _missing(
    found: Iterable[PartitionLag], whole: Collection[TopicName], engine: Engine
) -> tuple[dict[TopicPartition, int], int]:
    """Up to where to learn, by partition; and the longest way there, in records."""
    missing, worst = {}, 0
    for at in found:
        until = at.end if at.topic in whole else at.committed or 0
        tp = TopicPartition(at.topic, at.partition)
        position = max(at.start, engine.position.get(tp, 0))
        if position < until:
            missing[tp] = until
            worst = max(worst, until - position)
    return missing, worst
