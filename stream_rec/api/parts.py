"""What lives as long as the server, made in one place."""

from __future__ import annotations

from dataclasses import dataclass

from stream_rec.api.access.book import KeyBook
from stream_rec.api.answering import Answering, RedisAnswering
from stream_rec.api.ingest import Ingest
from stream_rec.api.measures import Measures
from stream_rec.api.shown import Shown
from stream_rec.clock import Clock, SystemClock
from stream_rec.producers.publisher.async_publisher import AsyncPublisher
from stream_rec.settings import Settings
from stream_rec.store.reader import AsyncReader


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes are made of.

    Attributes:
        settings: of everything.
        clock: stamps what names no time.
        measures: counts.
        reader: of Redis.
        publisher: to Kafka; None = there is none.
        answering: answers the reads.
        ingest: writes records.
        shown: writes impressions of answers.
        book: keys of those who call.
    """

    settings: Settings
    clock: Clock
    measures: Measures
    reader: AsyncReader
    publisher: AsyncPublisher | None
    answering: Answering
    ingest: Ingest
    shown: Shown
    book: KeyBook

    async def close(self) -> None:
        """Send what was promised, wait for Kafka's acknowledgements, and close the connections."""
        await self.shown.close()
        if self.publisher is not None:
            await self.publisher.close()
        await self.reader.close()


def make_parts(settings: Settings) -> Parts:
    """All of them; in the event loop that serves.

    Raises:
        ConfigError: an address is missing or wrong.
    """
    clock, measures, serve = SystemClock(), Measures(), settings.serve
    reader = AsyncReader(settings.store)
    bus = settings.bus.model_copy(update={"publish_timeout_seconds": serve.publish_timeout_seconds})
    publisher = AsyncPublisher(bus) if bus.bootstrap else None
    ingest = Ingest(publisher, measures)
    return Parts(
        settings,
        clock,
        measures,
        reader,
        publisher,
        RedisAnswering(settings.store, reader, clock),
        ingest,
        Shown(ingest, clock, serve.max_shown_later),
        KeyBook(reader, settings.store.prefix, serve.key_seconds, clock),
    )
