"""What the page asks of an installation, and does to it: one for all who look."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from stream_rec.api.ingest import Wanted
from stream_rec.api.parts import Parts
from stream_rec.bus.dead_letters import TOPIC as LETTERS
from stream_rec.bus.dead_letters import read_letters
from stream_rec.bus.lag import OffsetReader
from stream_rec.errors import ConfigError, StreamRecError
from stream_rec.page.catalogue import Catalogue
from stream_rec.page.follower import Follower
from stream_rec.page.metric_log import BACKWARD, MetricLog
from stream_rec.page.user_log import Done, Exposure, UserLog
from stream_rec.page.watcher import Watcher
from stream_rec.producers.experiments.experiments import Experiments
from stream_rec.producers.scenarios.apply import Scenarios
from stream_rec.schemas.codec import encode
from stream_rec.schemas.experiment import Experiment
from stream_rec.schemas.hints import hint
from stream_rec.schemas.records import DeadLetter, Interaction, PublishedRecord, SlateItem
from stream_rec.schemas.scenario import Scenario
from stream_rec.schemas.topics import Ack, check, key_of, topic_of
from stream_rec.sdk.preview import ScenarioPreview
from stream_rec.sdk.profile import History, Profile
from stream_rec.sdk.wire import Written
from stream_rec.serve import engine_answers
from stream_rec.serve.forget import Forgetter, Receipt
from stream_rec.serve.wishes import Position, ProfileWish, Recommendations, SimilarWish, Wish
from stream_rec.store.reader import Reader
from stream_rec.trials.states import Move

SLATE_ITEMS = 12
"""Shown of a slate."""


class ReadOnly(StreamRecError):
    """The page only shows: `page.read_only`."""


@dataclass(frozen=True, slots=True)
class Felt:
    """A click, and what became of it.

    Attributes:
        written: where it stands.
        answer: the slate afterwards.
        ms: from handing it over to a slate that knows it; the whole wait if that did not come.
    """

    written: Written
    answer: Recommendations
    ms: float


class Desk:
    """Asks and does.

    Args:
        parts: of a server.

    Attributes:
        settings: of everything.
        watcher: live figures.
        catalogue: items.
        metrics: figures by window.
        beside: asks an engine in a process of its own.
    """

    def __init__(self, parts: Parts) -> None:
        settings = parts.settings
        self.settings = settings
        self.clock = parts.clock
        self.watcher = Watcher(settings, parts.clock)
        self.catalogue = Catalogue(settings.ingest, settings.engine.max_items)
        self.metrics = MetricLog()
        self.follower = Follower(
            settings.bus,
            {"items": self.catalogue.take, "metrics": self.metrics.take},
            {"metrics": BACKWARD},
            parts.clock,
        )
        self._parts = parts
        self.beside = parts.beside
        self._user_log = UserLog(settings.bus)
        self._reading = asyncio.Lock()

    def start(self) -> None:
        """Begin to follow."""
        self.follower.start()

    async def close(self) -> None:
        """End the threads."""
        await asyncio.gather(asyncio.to_thread(self.watcher.close), asyncio.to_thread(self.follower.close))

    def need_writable(self) -> None:
        """Refuse to change anything if the page only shows.

        Raises:
            ReadOnly: it does.
        """
        if self.settings.page.read_only:
            raise ReadOnly("the page is read-only (page.read_only)")

    async def scenarios(self) -> list[str]:
        """Names of those that there are slates of."""
        return await self._parts.answering.scenarios()

    async def slate(self, user_id: str, scenario: str, after: Position | None = None) -> Recommendations:
        """What the user is shown now; with `after`, as soon as it knows that event."""
        seconds = self.settings.page.timeout_seconds if after else 0.0
        wish = Wish(user_id, scenario, SLATE_ITEMS, after, seconds, ())
        return await self._parts.answering.recommendations(wish)

    async def profile(self, user_id: str) -> Profile:
        """What is known of the user; of a server that is not live, what Redis holds."""
        return await self._parts.answering.profile(ProfileWish(user_id, SLATE_ITEMS))

    async def history_known(self, user_id: str) -> History:
        """What an engine knows of what the user did: it learns the log for it."""
        found = await self.beside.ask(engine_answers.profile, user_id=user_id, n=SLATE_ITEMS)
        return msgspec.convert(found, History)

    async def preview(self, user_id: str, wanted: Mapping[str, Scenario]) -> list[ScenarioPreview]:
        """What scenarios would do for a user, by an engine of its own."""
        told = await self.beside.ask(engine_answers.preview, user_id=user_id, scenarios=wanted)
        return msgspec.convert(told["scenarios"], list[ScenarioPreview])

    async def click(self, user_id: str, item_id: str, event_type: str, scenario: str) -> Felt:
        """Do something as this user, and wait until the slate knows it.

        Raises:
            ReadOnly: see `need_writable`.
            Problem, StreamRecError: it was not written, or Redis does not answer.
        """
        self.need_writable()
        began = self.clock.monotonic()
        written = await self._publish(Interaction(user_id, item_id, event_type, self.clock.now()))
        answer = await self.slate(user_id, scenario, written)
        return Felt(written, answer, (self.clock.monotonic() - began) * 1000)

    async def history(self, user_id: str, partition: int | None, most: int) -> list[Done]:
        """As `UserLog.history`."""
        async with self._reading:
            return await asyncio.to_thread(self._user_log.history, user_id, partition, most)

    async def similar(self, item_id: str, most: int) -> Sequence[SlateItem]:
        """As `Client.similar`."""
        return (await self._parts.answering.similar(SimilarWish((item_id,), most))).items

    async def exposure(self, item_id: str) -> Exposure:
        """As `UserLog.exposure`."""
        async with self._reading:
            return await asyncio.to_thread(self._user_log.exposure, item_id)

    async def hide(self, item_id: str, *, is_hidden: bool) -> None:
        """Decide that an item is never shown, or that it may be again; the rest of its record stays.

        Raises:
            ReadOnly: see `need_writable`.
            ConfigError: no record says what it is.
            Problem, StreamRecError: it was not written.
        """
        self.need_writable()
        item = self.catalogue.find(item_id)
        if item is None:
            raise ConfigError(f"no record says what {item_id} is", fix="publish it first")
        await self._publish(replace(item, hidden=is_hidden))

    async def decided(self, by: str) -> Scenarios:
        """The scenarios as they are now, for reading and for deciding in somebody's name."""
        async with self._reading:
            return await asyncio.to_thread(Scenarios, self.settings, self.clock, by=by)

    async def experiments(self, by: str) -> Experiments:
        """The experiments as they are now, for reading and for deciding in somebody's name."""
        async with self._reading:
            return await asyncio.to_thread(Experiments, self.settings, self.clock, by=by)

    async def move(
        self, by: str, name: str, move: Move, *, winner: str = "", note: str = ""
    ) -> tuple[Experiment, Ack]:
        """As `Experiments.move`, in somebody's name.

        Raises:
            ReadOnly: see `need_writable`.
            StreamRecError: as `Experiments.move`.
        """
        self.need_writable()
        found = await self.experiments(by)
        return await asyncio.to_thread(found.move, name, move, winner=winner, note=note)

    async def in_force(self) -> dict[str, Scenario | None]:
        """By name."""
        return {name: each.scenario for name, each in (await self.decided("")).in_force().items()}

    async def last_letters(self, most: int) -> list[tuple[DeadLetter, str]]:
        """The last dead letters, newest first, and what their producers probably did."""
        async with self._reading:
            return await asyncio.to_thread(self._last_letters, most)

    def _last_letters(self, most: int) -> list[tuple[DeadLetter, str]]:
        bus = self.settings.bus
        bounds = {
            tp: (max(start, end - most), end)
            for tp, (start, end) in OffsetReader(bus).bounds([LETTERS]).items()
        }
        found = list(read_letters(bus, bounds))[: -most - 1 : -1]
        shapes = self.settings.bridge.shapes
        return [
            (
                each,
                hint(
                    each.topic, each.reason, each.detail, each.raw, each.key, shapes.get(each.topic, "NAME")
                ),
            )
            for each in found
        ]

    async def forget(self, user_id: str, by: str, *, dry_run: bool) -> Receipt:
        """Forget a user everywhere; a dry run says what would be done.

        Raises:
            ReadOnly: see `need_writable`.
            StreamRecError: as `Forgetter`.
        """
        self.need_writable()
        async with self._reading:
            return await asyncio.to_thread(self._forget, user_id, by, dry_run)

    def _forget(self, user_id: str, by: str, dry_run: bool) -> Receipt:
        reader = Reader(self.settings.store)
        try:
            forgetter = Forgetter(self.settings, reader, self.clock)
            if dry_run:
                return forgetter.plan(user_id)
            note = f"on the page, {by}" if by else "on the page"
            return forgetter.forget(user_id, wait_seconds=self.settings.page.timeout_seconds, note=note)
        finally:
            reader.close()

    async def recent_users(self, most: int) -> list[str]:
        """As `UserLog.recent_users`."""
        async with self._reading:
            return await asyncio.to_thread(self._user_log.recent_users, most)

    async def _publish(self, record: PublishedRecord) -> Written:
        check(record, self.settings.ingest)
        return await self._parts.ingest.one(topic_of(record), Wanted(key_of(record), encode(record)))
