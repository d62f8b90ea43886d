"""What has changed for good is said on `control`, so that every worker hears of it and does the same."""

from __future__ import annotations

from functools import partial

import msgspec
from msgspec.structs import replace

from stream_rec import logs
from stream_rec.clock import Clock
from stream_rec.consumers.output.emitter import Emitter, Outgoing
from stream_rec.consumers.replication.partition_table import PartitionTable
from stream_rec.consumers.runtime.engine_thread import EngineThread
from stream_rec.engine.engine import Engine
from stream_rec.engine.steering.alarms import AGAIN_MS, Alarms
from stream_rec.feedback.measures import Measures
from stream_rec.feedback.watches import Change
from stream_rec.schemas.alarm import Alarm
from stream_rec.schemas.codec import encode
from stream_rec.schemas.decisions import ALARM
from stream_rec.schemas.records import Control, TopicName
from stream_rec.schemas.topics import key_of
from stream_rec.schemas.validation import TS_END
from stream_rec.settings import AlarmSettings

_TOPIC: TopicName = "control"
BY = "drift"
"""Who has decided, in the records."""
BY_FLOOR, QUALITY = "floor", "quality"
"""The same for the floor under quality, and the name of its alarm."""
ATTEMPTS = 3
"""To post an alarm to the webhook."""


class DriftAlarms:
    """Publishes changes that this worker has found, and takes alarms back when their time is over.

    A worker judges what it serves, so several find the same: who is late sees the alarm of another, and says nothing.
    The worker that owns `control` takes back, and holds the floor under quality, which all workers know alike.

    Args:
        settings: what is to be done about an alarm.
        engine: knows which are in force.
        measures: has found what has changed.
        emitter: takes the records.
        table: is `control` ours?
        clock: stamps them.
    """

    def __init__(
        self,
        settings: AlarmSettings,
        engine: EngineThread[Engine],
        measures: Measures,
        emitter: Emitter,
        table: PartitionTable,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._measures = measures
        self._emitter = emitter
        self._table = table
        self._clock = clock
        self._floor_moved = 0.0
        self._log = logs.get("measure")

    async def look(self) -> int:
        """Publish what was found, and take back what is over; how many records. Call every second or so."""
        owns = self._table.owns(_TOPIC, 0)
        said, over = await self._engine.ask(partial(self._news, self._clock.now(), owns))
        for record in said:
            await self._raise(record)
        for name in over:
            await self._emitter.send([Outgoing(_TOPIC, f"{ALARM}/{name}".encode(), None)], f"{ALARM}/{name}")
            self._log.info("an alarm is over", metric=name)
        for record in said:  # last: a webhook that hangs holds up no record
            await self._post(record)
        return len(said) + len(over)

    def _news(self, now: float, owns: bool, engine: Engine) -> tuple[list[Control], list[str]]:
        """What nobody has said yet, and alarms that are over, if `control` is owned. Engine's thread."""
        alarms = engine.decisions.alarms
        said = [
            record_of(self._settings, change, now)
            for change in self._measures.take_changes()
            if change.metric.partition(".")[0] in self._settings.raised_by
            and now * 1000 - alarms.raised.get(change.metric, float("-inf")) > AGAIN_MS
            and not is_told(change, alarms.in_force.get(change.metric))
        ]
        if not owns:
            return said, []
        over = [name for name, alarm in alarms.in_force.items() if alarm.until < now]
        below, above = self._hold_floor(now, alarms)
        return [*said, *below], [*over, *above]

    def _hold_floor(self, now: float, alarms: Alarms) -> tuple[list[Control], list[str]]:
        """Slates are too bad, so what is popular takes over; or good enough again."""
        floor, seconds = self._settings.floor, 60 * self._settings.floor_minutes
        stands_in = QUALITY in alarms.in_force
        if not floor:
            return [], [QUALITY] if stands_in else []
        level = self._measures.quality.level(self._settings.floor_minutes)
        last = max(self._floor_moved, alarms.raised.get(QUALITY, 0) / 1000)
        if level is None or stands_in == (level < floor) or now - last < seconds:
            return [], []
        self._floor_moved = now
        if stands_in:
            return [], [QUALITY]
        alarm = Alarm(QUALITY, "drop", now - seconds, level, floor, until=TS_END, popular=True)
        why = f"the fresh hit-rate was {level:.3f}, the floor is {floor:.3f}: what is popular takes over"
        return [Control(ALARM, QUALITY, now, msgspec.to_builtins(alarm), by=BY_FLOOR, note=why)], []

    async def _raise(self, record: Control) -> None:
        await self._emitter.send([Outgoing(_TOPIC, key_of(record), encode(record))], f"{ALARM}/{record.name}")
        self._log.warning(
            "a metric has changed for good",
            metric=record.name,
            why=record.note,
            since=record.body["since"],
            fix="docs/alarms.md says what was done about it, and what to look at",
        )

    async def _post(self, record: Control) -> None:
        """To the webhook; a failure is logged, and nothing hangs on it."""
        if not self._settings.webhook_url:
            return
        import httpx  # a tenth of a second of a worker's start, and most have no webhook

        failure = ""
        async with httpx.AsyncClient(timeout=self._settings.webhook_timeout_seconds) as client:
            for _ in range(ATTEMPTS):
                try:
                    answer = await client.post(self._settings.webhook_url, json=msgspec.to_builtins(record))
                    answer.raise_for_status()
                    return
                except httpx.HTTPError as error:
                    failure = str(error) or type(error).__name__
        self._log.error(
            "an alarm was not posted",
            metric=record.name,
            why=failure,
            fix="see alarm.webhook_url; the alarm itself is on `control`",
        )


def is_told(change: Change, alarm: Alarm | None) -> bool:
    """Is it what an alarm in force says?

    A worker whose partitions are quiet finds hours later what a busy one has found. It is another change if it goes the
    other way, or begins where the alarm's has ended.
    """
    if alarm is None or change.direction != alarm.direction:
        return False
    return abs(change.normal - alarm.normal) <= abs(change.normal - alarm.level)


def record_of(settings: AlarmSettings, change: Change, now: float) -> Control:
    """What is said on `control` of a change, at a time (seconds)."""
    alarm = Alarm(
        metric=change.metric,
        direction=change.direction,
        since=change.since_ms / 1000,
        level=change.level,
        normal=change.normal,
        until=now + settings.lasts_seconds,
    )
    if change.metric.partition(".")[0] in settings.acts_on:
        alarm = replace(
            alarm,
            learning_rate=settings.learning_rate,
            exploration=settings.exploration,
            reset=settings.reset,
        )
    verb = "fallen" if change.direction == "drop" else "risen"
    why = f"{change.metric} has {verb} from {change.normal:.3f} to {change.level:.3f}"
    return Control(ALARM, change.metric, now, msgspec.to_builtins(alarm), by=BY, note=why)
