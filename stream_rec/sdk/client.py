"""The client of the HTTP server, without asyncio."""

from __future__ import annotations

import time
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


class HttpClient:
    """Talks to `stream-rec serve`. Thread-safe; make one per process, and close it.

        with HttpClient("http://localhost:8474", key="srk_...") as client:
            done = client.track(Interaction("ann", "item-7", "view", time.time()))
            for item in client.recommendations("ann", after=done).items:
                print(item.item_id)

    Every method raises HttpProblem if the server refuses, and Unavailable if it does not answer within the bounds.

    Args:
        url: of the server.
        key: `stream-rec key create` makes one; empty = the server asks for none.
        options: timeouts, connections and retries.
        clock: measures the time of retries.
    """

    def __init__(
        self, url: str, *, key: str = "", options: HttpOptions | None = None, clock: Clock | None = None
    ) -> None:
        options = options or HttpOptions()
        self._at = At(url, options.retries, clock or SystemClock())
        self._http = httpx.Client(**options.of_httpx(url, key))

    def track(self, event: Interaction) -> Written:
        """Publish what a user did; where it stands, to be given to a read as `after`.

        Without an `event_id` it gets one, so that sending it again does not count it twice.
        """
        return self._do(calls.event(event))

    def track_many(self, events: Sequence[Interaction]) -> Batch:
        """Publish many, in requests of 500 each, in order; what the server could not take is sent again.

        Of each event the result says whether it was acknowledged; `status` 422 = refused, with the reason.
        """
        wanted = [calls.with_id(each) for each in events]
        return self._run(exchange_batch(calls.events, wanted, self._at))

    def recommendations(
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
        return self._do(call)

    def next(self, page: Recommended, *, n: int = 20, limits: Limits = NO_LIMITS) -> Recommended | None:
        """The page after one that was `paged`, without anything of those before; None = there is none.

        Args:
            page: the one before.
            n: items, at most.
            limits: what is wanted, as of the page before.
        """
        if page.cursor is None:
            return None
        return self._do(
            calls.recommendations(page.user_id, page.scenario, n=n, cursor=page.cursor, limits=limits)
        )

    def explain(self, user_id: str, scenario: str = DEFAULT_SCENARIO, *, n: int = 20) -> Recommended:
        """The same, with what it was made from."""
        return self._do(calls.recommendations(user_id, scenario, n=n, explain=True))

    def session(
        self,
        items: Sequence[str],
        *,
        negatives: Sequence[str] = (),
        n: int = 20,
        scenario: str = DEFAULT_SCENARIO,
        limits: Limits = NO_LIMITS,
    ) -> SessionItems:
        """What fits a session: items that it was about, latest last, and such that it was not about."""
        return self._do(calls.session(items, negatives, n, scenario, limits))

    def page(
        self,
        user_id: str,
        rails: Sequence[PageRail],
        *,
        after: HasPosition | None = None,
        timeout: float = 1.0,
    ) -> Sequence[Recommended]:
        """Several slates of a user; no item is in two of them."""
        return (self._do(calls.page(user_id, rails, after, timeout))).rails

    def rank(
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
        return self._do(call)

    def similar(
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
        return (self._do(call)).items

    def popular(self, *, n: int = 20, tag: str = "") -> Sequence[SlateItem]:
        """What is popular now, of all items or of a tag's."""
        return (self._do(calls.top("popular", n, tag))).items

    def trending(self, *, n: int = 20, tag: str = "") -> Sequence[SlateItem]:
        """Items that are gaining interactions."""
        return (self._do(calls.top("trending", n, tag))).items

    def new(self, *, n: int = 20, tag: str = "") -> Sequence[SlateItem]:
        """The latest additions to the catalogue."""
        return (self._do(calls.top("new", n, tag))).items

    def impression(self, shown: Impression) -> Written:
        """Publish what was shown. It is sent again only if the server certainly did not take it."""
        return self._do(calls.impression(shown))

    def put_item(self, item: Item) -> Written:
        """Say what an item is from now on."""
        return self._do(calls.put_item(item))

    def put_items(self, items: Sequence[Item]) -> Batch:
        """Say what many items are; the results as of `track_many`."""
        return self._run(exchange_batch(calls.put_items, items, self._at))

    def patch_item(self, item_id: str, changes: Mapping[str, Any]) -> Written:
        """Change some fields of an item; None unsets."""
        return self._do(calls.patch_item(item_id, changes))

    def delete_item(self, item_id: str) -> Written:
        """Take an item out of the catalogue."""
        return self._do(calls.delete_item(item_id))

    def forget(self, user_id: str, *, wait: float = 5.0, dry_run: bool = False) -> Forgotten:
        """Forget a user; the receipt says what was removed, and what waits until when."""
        return self._do(calls.forget(user_id, wait, dry_run=dry_run))

    def merge(self, visitor_id: str, *, into: str) -> Written:
        """A visitor has signed in: the visitor's history becomes the user's."""
        return self._do(calls.merge(visitor_id, into))

    def scenarios(self) -> Mapping[str, InForce]:
        """All scenarios in force, by name."""
        return self._do(calls.scenarios())

    def apply_scenario(self, name: str, scenario: Scenario) -> Applied:
        """Put a scenario in force."""
        return self._do(calls.apply_scenario(name, scenario))

    def lag(self) -> Lags:
        """How far the workers are behind."""
        return self._do(calls.lag())

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _do(self, request: Request[T]) -> T:
        return self._run(exchange(request, self._at))

    def _run(self, steps: Steps[T]) -> T:
        given: Any = None
        while True:
            try:
                step = steps.send(given)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            if isinstance(step, Wait):
                time.sleep(step.seconds)
            else:
                given = self._send(step.request)

    def _send(self, request: Request[Any]) -> httpx.Response | httpx.HTTPError:
        try:
            return self._http.request(
                request.method, request.path, params=request.parameters(), content=request.body
            )
        except httpx.HTTPError as error:
            return error
