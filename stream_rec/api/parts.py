"""What lives as long as the server, made in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stream_rec.api.access.book import KeyBook
from stream_rec.api.answering import Answering, RedisAnswering
from stream_rec.api.ingest import Ingest
from stream_rec.api.measures import Measures
from stream_rec.api.shown import Shown
from stream_rec.clock import Clock, SystemClock
from stream_rec.errors import ConfigError
from stream_rec.producers.publisher.async_publisher import AsyncPublisher
from stream_rec.serve.engine_process import EngineProcess, Turns
from stream_rec.settings import Settings
from stream_rec.settings.tenants import of_tenant
from stream_rec.store.reader import AsyncReader

if TYPE_CHECKING:
    from stream_rec.api.live.following import Following


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
        following: the engine of a live server; None = it is not live.
        ingest: writes records.
        shown: writes impressions of answers.
        book: keys of those who call.
        turns: of all that need an engine of their own.
        beside: asks such an engine.
    """

    settings: Settings
    clock: Clock
    measures: Measures
    reader: AsyncReader
    publisher: AsyncPublisher | None
    answering: Answering
    following: Following | None
    ingest: Ingest
    shown: Shown
    book: KeyBook
    turns: Turns
    beside: EngineProcess

    async def close(self) -> None:
        """Send what was promised, wait for Kafka's acknowledgements, and close the connections."""
        await self.shown.close()
        if self.following is not None:
            await self.following.close()
        if self.publisher is not None:
            await self.publisher.close()
        await self.reader.close()


def make_all_parts(settings: Settings, on_failure: Callable[[], None]) -> dict[str, Parts]:
    """Those of the settings' own tenant, named "", and of each of `serve.tenants`. Arguments as of `make_parts`.

    Raises:
        ConfigError: as `make_parts`; or it would hold more engines than it may.
    """
    serve = settings.serve
    if serve.live and 1 + len(serve.tenants) > serve.max_live_engines:
        raise ConfigError(
            f"a live server of {len(serve.tenants)} tenants beside its own holds {1 + len(serve.tenants)} engines, "
            f"and may hold {serve.max_live_engines}",
            fix="raise serve.max_live_engines (each needs a worker's memory), or spread the tenants over servers",
        )
    own = make_parts(settings, on_failure)
    others = {name: make_parts(of_tenant(settings, name), on_failure, own, name) for name in serve.tenants}
    return {"": own, **others}


def make_parts(
    settings: Settings,
    on_failure: Callable[[], None] = lambda: None,
    own: Parts | None = None,
    tenant: str = "",
) -> Parts:
    """All of them; in the event loop that serves.

    Args:
        settings: of everything.
        on_failure: called when a live server cannot go on.
        own: those of the server's own tenant, which shares what there is one of; None = it is this.
        tenant: whose they are, for figures; "" = the server's own.

    Raises:
        ConfigError: an address is missing or wrong.
    """
    clock, serve = SystemClock(), settings.serve
    measures = own.measures if own else Measures()
    turns = own.turns if own else Turns(serve.max_engine_waiting)
    reader = AsyncReader(settings.store)
    bus = settings.bus.model_copy(update={"publish_timeout_seconds": serve.publish_timeout_seconds})
    publisher = AsyncPublisher(bus) if bus.bootstrap else None
    ingest = Ingest(publisher, measures)
    from_redis = RedisAnswering(settings.store, reader, clock)
    following, answering = (
        _live(settings, from_redis, clock, on_failure) if serve.live else (None, from_redis)
    )
    if following is not None:
        measures.follow(tenant, following.n_learned, following.n_behind, following.n_reranked)
    return Parts(
        settings,
        clock,
        measures,
        reader,
        publisher,
        answering,
        following,
        ingest,
        Shown(ingest, clock, serve.max_shown_later),
        KeyBook(reader, settings.store.prefix, serve.key_seconds, clock),
        turns,
        EngineProcess(settings, turns),
    )


def _live(
    settings: Settings, lists: RedisAnswering, clock: Clock, on_failure: Callable[[], None]
) -> tuple[Following, Answering]:
    if not settings.bus.bootstrap:
        raise ConfigError("a live server follows Kafka, and has no address of it", fix="set bus.bootstrap")
    # A server that is not live needs none of what an engine is made of.
    from stream_rec.api.live.answering import LiveAnswering
    from stream_rec.api.live.following import Following

    following = Following(settings, on_failure)
    return following, LiveAnswering(following, lists, clock)
