"""The client of the HTTP server, for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from stream_rec.clock import Clock, SystemClock
from stream_rec.schemas.records import DEFAULT_SCENARIO, Impression, Interaction, Item, SlateItem
from stream_rec.schemas.scenario import Scenario
from stream_rec.sdk import calls
from stream_rec.sdk.calls import NO_LIMITS, HasPosition, Limits, Request
from stream_rec.sdk.exchange import At, Steps, Wait, exchange, exchange_batch
from stream_rec.sdk.options import HttpOptions
from stream_rec.sdk.wire import (
    Applied,
    Batch,
    Forgotten,
    InForce,
    Lags,
    PageRail,
    RankAnswer,
    Recommended,
    SessionItems,
    Written,
)

T = TypeVar("T")


class AsyncHttpClient:
    """An `HttpClient` for asyncio: the same methods, answers and errors. Use it in one event loop.

    Args:
        url: of the server.
        key: as `HttpClient`.
        options: as `HttpClient`.
        clock: as `HttpClient`.
    """

    def __init__(
        self, url: str, *, key: str = "", options: HttpOptions | None = None, clock: Clock | None = None
    ) -> None:
        options = options or HttpOptions()
        self._at = At(url, options.retries, clock or SystemClock())
        self._http = httpx.AsyncClient(**options.of_httpx(url, key))

    async def track(self, event: Interaction) -> Written:
        """Publish what a user did; where it stands, to be given to a read as `after`.

        Without an `event_id` it gets one, so that sending it again does not count it twice.
        """
        return await self._do(calls.event(event))

    async def track_many(self, events: Sequence[Interaction]) -> Batch:
        """Publish many, in requests of 500 each, in order; what the server could not take is sent again.

        Of each event the result says whether it was acknowledged; `status` 422 = refused, with the reason.
        """
        wanted = [calls.with_id(each) for each in events]
        return await self._run(exchange_batch(calls.events, wanted, self._at))

    async def recommendations(
        self,
        user_id: str,
        scenario: str = DEFAULT_SCENARIO,
        *,
        n: int = 20,
        after: HasPosition | None = None,
        timeout: float = 1.0,
        shown: str | None = None,
        paged: bool = False,
        limits: Limits = NO_LIMITS,
        fields: Sequence[str] = (),
    ) -> Recommended:
        """What to show to a user.

        Args:
            user_id: the user.
            scenario: which of the user's slates.
            n: items, at most.
            after: an event that the answer should know, as `track` gave it.
            timeout: seconds that it is waited for; afterwards the present answer is given, marked stale.
            shown: `now` or `after:N`: publish that the answer is shown, now or N seconds later.
            paged: also a cursor, for `next`.
            limits: what is wanted; only a live server keeps to it.
            fields: of items, to be given too (`properties`); only a live server can.
        """
        call = calls.recommendations(
            user_id,
            scenario,
            n=n,
            after=after,
            timeout=timeout,
            shown=shown,
            paged=paged,
            limits=limits,
            fields=fields,
        )
        return await self._do(call)

    async def next(self, page: Recommended, *, n: int = 20, limits: Limits = NO_LIMITS) -> Recommended | None:
        """The page after one that was `paged`, without anything of those before; None = there is none.

        Args:
            page: the one before.
            n: items, at most.
            limits: what is wanted, as of the page before.
        """
        if page.cursor is None:
            return None
        return await self._do(
            calls.recommendations(page.user_id, page.scenario, n=n, cursor=page.cursor, limits=limits)
        )

    async def explain(self, user_id: str, scenario: str = DEFAULT_SCENARIO, *, n: int = 20) -> Recommended:
        """The same, with what it was made from."""
        return await self._do(calls.recommendations(user_id, scenario, n=n, explain=True))

    async def session(
        self,
        items: Sequence[str],
        *,
        negatives: Sequence[str] = (),
        n: int = 20,
        scenario: str = DEFAULT_SCENARIO,
        limits: Limits = NO_LIMITS,
    ) -> SessionItems:
        """What fits a session: items that it was about, latest last, and such that it was not about."""
        return await self._do(calls.session(items, negatives, n, scenario, limits))

    async def page(
        self,
        user_id: str,
        rails: Sequence[PageRail],
        *,
        after: HasPosition | None = None,
        timeout: float = 1.0,
    ) -> Sequence[Recommended]:
        """Several slates of a user; no item is in two of them."""
        return (await self._do(calls.page(user_id, rails, after, timeout))).rails

    async def rank(
        self,
        items: Sequence[str],
        *,
        user_id: str | None = None,
        session: Sequence[str] = (),
        scenario: str = DEFAULT_SCENARIO,
        after: HasPosition | None = None,
        timeout: float = 1.0,
        limits: Limits = NO_LIMITS,
    ) -> RankAnswer:
        """These items, best first, for a user or a session. Only a live server can."""
        call = calls.rank(
            items, user_id, session, scenario=scenario, after=after, timeout=timeout, limits=limits
        )
        return await self._do(call)

    async def similar(
        self,
        item_id: str,
        *,
        n: int = 20,
        also: Sequence[str] = (),
        user_id: str | None = None,
        user_impact: float = 0.5,
        limits: Limits = NO_LIMITS,
    ) -> Sequence[SlateItem]:
        """Items like this one, best first.

        Args:
            item_id: the item.
            n: items, at most.
            also: further items that they should be like; only a live server can.
            user_id: whose taste counts too; only a live server can.
            user_impact: how much, from 0 (the item alone) to 1 (the user alone).
            limits: what is wanted; only a live server keeps to it.
        """
        call = calls.similar([item_id, *also], n, user_id, user_impact, limits)
        return (await self._do(call)).items

    async def popular(self, *, n: int = 20, tag: str = "") -> Sequence[SlateItem]:
        """What is popular now, of all items or of a tag's."""
        return (await self._do(calls.top("popular", n, tag))).items

    async def trending(self, *, n: int = 20, tag: str = "") -> Sequence[SlateItem]:
        """Items that are gaining interactions."""
        return (await self._do(calls.top("trending", n, tag))).items

    async def new(self, *, n: int = 20, tag: str = "") -> Sequence[SlateItem]:
        """The latest additions to the catalogue."""
        return (await self._do(calls.top("new", n, tag))).items

    async def impression(self, shown: Impression) -> Written:
        """Publish what was shown. It is sent again only if the server certainly did not take it."""
        return await self._do(calls.impression(shown))

    async def put_item(self, item: Item) -> Written:
        """Say what an item is from now on."""
        return await self._do(calls.put_item(item))

    async def put_items(self, items: Sequence[Item]) -> Batch:
        """Say what many items are; the results as of `track_many`."""
        return await self._run(exchange_batch(calls.put_items, items, self._at))

    async def patch_item(self, item_id: str, changes: Mapping[str, Any]) -> Written:
        """Change some fields of an item; None unsets."""
        return await self._do(calls.patch_item(item_id, changes))

    async def delete_item(self, item_id: str) -> Written:
        """Take an item out of the catalogue."""
        return await self._do(calls.delete_item(item_id))

    async def forget(self, user_id: str, *, wait: float = 5.0, dry_run: bool = False) -> Forgotten:
        """Forget a user; the receipt says what was removed, and what waits until when."""
        return await self._do(calls.forget(user_id, wait, dry_run=dry_run))

    async def merge(self, visitor_id: str, *, into: str) -> Written:
        """A visitor has signed in: the visitor's history becomes the user's."""
        return await self._do(calls.merge(visitor_id, into))

    async def scenarios(self) -> Mapping[str, InForce]:
        """All scenarios in force, by name."""
        return await self._do(calls.scenarios())

    async def apply_scenario(self, name: str, scenario: Scenario) -> Applied:
        """Put a scenario in force."""
        return await self._do(calls.apply_scenario(name, scenario))

    async def lag(self) -> Lags:
        """How far the workers are behind."""
        return await self._do(calls.lag())

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _do(self, request: Request[T]) -> T:
        return await self._run(exchange(request, self._at))

    async def _run(self, steps: Steps[T]) -> T:
        given: Any = None
        while True:
            try:
                step = steps.send(given)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            if isinstance(step, Wait):
                await asyncio.sleep(step.seconds)
            else:
                given = await self._send(step.request)

    async def _send(self, request: Request[Any]) -> httpx.Response | httpx.HTTPError:
        try:
            return await self._http.request(
                request.method, request.path, params=request.parameters(), content=request.body
            )
        except httpx.HTTPError as error:
            return error
