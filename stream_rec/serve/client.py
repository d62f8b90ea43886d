"""Reading recommendations from one's own code, with asyncio or without.

docs/sdk.md is made from these docstrings, and a test runs their examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from stream_rec.clock import Clock, SystemClock
from stream_rec.schemas.records import SlateItem
from stream_rec.serve.answers import Answers
from stream_rec.serve.wishes import Position, Recommendations, TopWish, Wish
from stream_rec.settings import StoreSettings
from stream_rec.store.reader import AsyncReader, Reader


class Client:
    """Reads slates and lists of one tenant from Redis. Thread-safe; make one per process, and close it.

    Example:
        with Client.at("redis://localhost:6379/0") as client:
            for item in client.recommendations("ann").items:
                print(item.item_id, item.score, item.reason.source)

    Every reading method raises Unavailable when Redis does not answer within `store.timeout_seconds`, and
    ConfigError when it refuses us.

    Args:
        settings: of the store; `url` and `prefix` as the workers have them.
        clock: for timeouts.
        log: incarnation of the topic `events` that acks come from (`as_of.log`). Give it if the topic may
            have been deleted and recreated while Redis kept slates of the old one: offsets begin at 0 again, and
            an old slate would look new.

    Raises:
        ConfigError: the URL is missing or wrong.
    """

    def __init__(
        self, settings: StoreSettings, *, clock: Clock | None = None, log: str | None = None
    ) -> None:
        self._reader = Reader(settings)
        self._answers = Answers(settings.prefix, clock or SystemClock(), log)

    @classmethod
    def at(cls, url: str, *, prefix: str = "") -> Client:
        """With default settings.

        Args:
            url: of Redis, as `store.url`.
            prefix: of the tenant's keys, as `store.prefix`.
        """
        return cls(StoreSettings(url=url, prefix=prefix))

    def recommendations(
        self,
        user_id: str,
        scenario: str = "default",
        *,
        k: int = 20,
        after: Position | None = None,
        timeout_seconds: float = 1.0,
        session: Sequence[str] = (),
    ) -> Recommendations:
        """The user's recommendations; for a user without a slate from the session, else what is popular.

        Args:
            user_id: the user.
            scenario: which of the user's slates.
            k: items, at most.
            after: an event that the slate should know; waits for such a slate.
            timeout_seconds: of that wait; afterwards the present slate is returned, marked stale.
            session: items of the running session, latest last: for users without a slate, and so that the item just
                clicked does not lead.

        Raises:
            ConfigError: workers write slates, but none of this scenario; the message names those there are.

        Example:
            answer = client.recommendations("ann", k=12, session=["tea"])
            print(answer.origin, [item.item_id for item in answer.items])
        """
        wish = Wish(user_id, scenario, k, after, timeout_seconds, session)
        return self._reader.answer(self._answers.recommendations(wish))

    def similar(self, item_id: str, *, k: int = 20) -> tuple[SlateItem, ...]:
        """Items like this one, best first; empty = it is unknown or removed, or nothing connects it with others yet.

        Args:
            item_id: the item.
            k: items, at most.

        Example:
            print([item.item_id for item in client.similar("tea", k=5)])
        """
        return self._reader.answer(self._answers.similar(item_id, k)).items

    def together(self, item_ids: Sequence[str], *, k: int = 20) -> tuple[SlateItem, ...]:
        """What goes with all the items of a basket, best first, without them; empty = nothing is connected with any.

        Args:
            item_ids: the basket; of a longer one the last 10 count, all alike.
            k: items, at most.

        Example:
            print(client.together(["tea", "cup"]))
        """
        return self._reader.answer(self._answers.together(item_ids, k))

    def popular(self, *, k: int = 20, tag: str = "") -> tuple[SlateItem, ...]:
        """The popular items; empty = nothing has been learned yet.

        Args:
            k: items, at most.
            tag: only items with it; empty = it is not among the `store.category_tags` tags used most.

        Example:
            print(client.popular(k=5), client.popular(tag="drinks"))
        """
        return self._reader.answer(self._answers.top(TopWish("popular", k, tag))).items

    def trending(self, *, k: int = 20, tag: str = "") -> tuple[SlateItem, ...]:
        """Items that are gaining interactions; empty = there are none.

        Args:
            k: items, at most.
            tag: as of `popular`.

        Example:
            print(client.trending(k=5))
        """
        return self._reader.answer(self._answers.top(TopWish("trending", k, tag))).items

    def new(self, *, k: int = 20, tag: str = "") -> tuple[SlateItem, ...]:
        """The latest additions to the catalogue; empty = there are none.

        Args:
            k: items, at most.
            tag: as of `popular`.

        Example:
            print(client.new(k=5))
        """
        return self._reader.answer(self._answers.top(TopWish("new", k, tag))).items

    def close(self) -> None:
        """Close the connections; `with` does it, too."""
        self._reader.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient:
    """A `Client` for asyncio: the same answers and errors. Use it in one event loop, by `async with`.

    Args:
        settings: as `Client`.
        clock: as `Client`.
        log: as `Client`.

    Raises:
        ConfigError: the URL is missing or wrong.
    """

    def __init__(
        self, settings: StoreSettings, *, clock: Clock | None = None, log: str | None = None
    ) -> None:
        self._reader = AsyncReader(settings)
        self._answers = Answers(settings.prefix, clock or SystemClock(), log)

    @classmethod
    def at(cls, url: str, *, prefix: str = "") -> AsyncClient:
        """With default settings."""
        return cls(StoreSettings(url=url, prefix=prefix))

    async def recommendations(
        self,
        user_id: str,
        scenario: str = "default",
        *,
        k: int = 20,
        after: Position | None = None,
        timeout_seconds: float = 1.0,
        session: Sequence[str] = (),
    ) -> Recommendations:
        """As `Client.recommendations`."""
        wish = Wish(user_id, scenario, k, after, timeout_seconds, session)
        return await self._reader.answer(self._answers.recommendations(wish))

    async def similar(self, item_id: str, *, k: int = 20) -> tuple[SlateItem, ...]:
        """As `Client.similar`."""
        return (await self._reader.answer(self._answers.similar(item_id, k))).items

    async def together(self, item_ids: Sequence[str], *, k: int = 20) -> tuple[SlateItem, ...]:
        """As `Client.together`."""
        return await self._reader.answer(self._answers.together(item_ids, k))

    async def popular(self, *, k: int = 20, tag: str = "") -> tuple[SlateItem, ...]:
        """As `Client.popular`."""
        return (await self._reader.answer(self._answers.top(TopWish("popular", k, tag)))).items

    async def trending(self, *, k: int = 20, tag: str = "") -> tuple[SlateItem, ...]:
        """As `Client.trending`."""
        return (await self._reader.answer(self._answers.top(TopWish("trending", k, tag)))).items

    async def new(self, *, k: int = 20, tag: str = "") -> tuple[SlateItem, ...]:
        """As `Client.new`."""
        return (await self._reader.answer(self._answers.top(TopWish("new", k, tag)))).items

    async def close(self) -> None:
        """Close the connections."""
        await self._reader.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
