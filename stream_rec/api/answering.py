"""What answers reads: the seam between the routes and what they are answered from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from stream_rec.clock import Clock
from stream_rec.errors import StreamRecError
from stream_rec.schemas.records import SlateItem
from stream_rec.sdk.profile import Profile
from stream_rec.sdk.wire import Properties, Why
from stream_rec.serve.answers import Answers
from stream_rec.serve.wishes import (
    Limits,
    PageWish,
    ProfileWish,
    Ranking,
    RankWish,
    Recommendations,
    SessionWish,
    SimilarWish,
    TopWish,
    Wish,
)
from stream_rec.settings import StoreSettings
from stream_rec.store.questions import Questions
from stream_rec.store.reader import AsyncReader


class NeedsLive(StreamRecError):
    """Only a server that holds the engine can answer this."""


class Answering(Protocol):
    """Answers the reads of one tenant.

    Raises (all methods):
        Unavailable: what it reads from does not answer.
        ConfigError: there is no such scenario; or what it reads from refuses us.
        NeedsLive: it cannot answer this.
        Busy: it cannot answer this now.
    """

    async def recommendations(self, wish: Wish) -> Recommendations:
        """As `Client.recommendations`."""
        ...

    async def session(self, wish: SessionWish) -> Recommendations:
        """What fits a session of nobody in particular."""
        ...

    async def page(self, wish: PageWish) -> list[Recommendations]:
        """Several slates of one user; no item is in two of them."""
        ...

    async def similar(self, wish: SimilarWish) -> Ranking:
        """As `Client.similar`."""
        ...

    async def top(self, wish: TopWish) -> Ranking:
        """As `Client.popular` and so on."""
        ...

    async def beyond(self, wish: Wish) -> Sequence[SlateItem]:
        """What stands behind the user's own slate, k at most: what the scenario shows whoever has none."""
        ...

    async def rank(self, wish: RankWish) -> Ranking:
        """These items, best first, for a user, or for a session of nobody in particular."""
        ...

    async def profile(self, wish: ProfileWish) -> Profile:
        """What is known of a user, without properties of items."""
        ...

    async def properties(self, item_ids: Sequence[str], fields: Sequence[str]) -> Mapping[str, Properties]:
        """These fields of items, by item; what an item's record does not say is left out."""
        ...

    async def scenarios(self) -> list[str]:
        """Names of the scenarios that there are slates of."""
        ...

    async def why(self, user_id: str, items: Sequence[str], scenario: str) -> Sequence[Why]:
        """Of these items of a user's answer, what made their scores; empty = that is not known here."""
        ...

    async def check(self) -> None:
        """Can it answer now?"""
        ...


class RedisAnswering:
    """Answers from what workers wrote to Redis.

    Args:
        settings: of the store.
        reader: of it.
        clock: for waits.
    """

    def __init__(self, settings: StoreSettings, reader: AsyncReader, clock: Clock) -> None:
        self._reader = reader
        self._answers = Answers(settings.prefix, clock, None)
        self._questions = Questions(settings.prefix)

    async def recommendations(self, wish: Wish) -> Recommendations:
        """As in `Answering`."""
        _refuse(wish.limits)
        if wish.variant:
            raise NeedsLive("to name an arm needs the engine: " + _REDIS)
        return await self._reader.answer(self._answers.recommendations(wish))

    async def session(self, wish: SessionWish) -> Recommendations:
        """As in `Answering`."""
        _refuse(wish.limits)
        return await self._reader.answer(self._answers.session(wish))

    async def page(self, wish: PageWish) -> list[Recommendations]:
        """As in `Answering`."""
        _refuse(wish.limits)
        return await self._reader.answer(self._answers.page(wish))

    async def similar(self, wish: SimilarWish) -> Ranking:
        """As in `Answering`."""
        if not wish.is_plain:
            raise NeedsLive("several items, a user's taste, scenarios and filters need the engine: " + _REDIS)
        asked = self._answers.similar(wish.items[0], wish.k, wish.after, wish.timeout_seconds)
        return await self._reader.answer(asked)

    async def top(self, wish: TopWish) -> Ranking:
        """As in `Answering`."""
        return await self._reader.answer(self._answers.top(wish))

    async def beyond(self, wish: Wish) -> Sequence[SlateItem]:
        """As in `Answering`."""
        return (await self._reader.answer(self._answers.beyond(wish.user_id, wish.scenario, wish.k))).items

    async def rank(self, wish: RankWish) -> Ranking:  # noqa: ARG002 - what a live one ranks
        """Raises NeedsLive: Redis has slates, not scores of any item for any user."""
        raise NeedsLive("ranking given items needs the engine: " + _REDIS)

    async def profile(self, wish: ProfileWish) -> Profile:
        """As in `Answering`: slates and nevers; Redis has no histories."""
        return await self._reader.answer(self._answers.profile(wish))

    async def properties(
        self,
        item_ids: Sequence[str],  # noqa: ARG002 - what a live one looks up
        fields: Sequence[str],  # noqa: ARG002
    ) -> Mapping[str, Properties]:
        """Raises NeedsLive: Redis has ids."""
        raise NeedsLive("fields of items are the engine's to know, and this server answers from Redis alone")

    async def scenarios(self) -> list[str]:
        """As in `Answering`."""
        return await self._reader.answer(self._questions.scenarios())

    async def why(
        self,
        user_id: str,  # noqa: ARG002 - what a live one explains
        items: Sequence[str],  # noqa: ARG002
        scenario: str,  # noqa: ARG002
    ) -> Sequence[Why]:
        """As in `Answering`: slates have reasons, not the parts of their scores."""
        return ()

    async def check(self) -> None:
        """As in `Answering`."""
        await self.scenarios()


def _refuse(limits: Limits) -> None:
    if limits:
        raise NeedsLive("filter, exclude and min_relevance need the engine: " + _REDIS)


_REDIS = "this server answers from Redis alone"
