"""The client of the HTTP server, for asyncio.

One class of the same methods as `client`, and so one file, though a long one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from stream_rec.clock import Clock, SystemClock
from stream_rec.schemas.experiment import Experiment
from stream_rec.schemas.records import DEFAULT_SCENARIO, Impression, Interaction, Item, Vector
from stream_rec.schemas.scenario import Scenario
from stream_rec.sdk import calls
from stream_rec.sdk.calls import NO_LIMITS, HasPosition, Limits, Request
from stream_rec.sdk.exchange import At, Send, Steps, Wait, exchange, exchange_batch, vectors_at_a_time
from stream_rec.sdk.experiments import ExperimentRecord, ExperimentStatus, Moved
from stream_rec.sdk.options import HttpOptions
from stream_rec.sdk.preview import Tried
from stream_rec.sdk.profile import Profile
from stream_rec.sdk.servers import Servers
from stream_rec.sdk.wire import (
    Applied,
    Batch,
    Forgotten,
    InForce,
    Items,
    Lags,
    PageRail,
    RankAnswer,
    Recommended,
    SessionItems,
    VectorName,
    Visitor,
    Written,
)

T = TypeVar("T")


class AsyncHttpClient:
    """An `HttpClient` for asyncio: the same methods, answers and errors. Use it in one event loop.

    Example:
        async with AsyncHttpClient("http://localhost:8474", key="srk_...") as client:
            done = await client.track(Interaction("ann", "item-7", "view", time.time()))
            answer = await client.recommendations("ann", after=done)

    Args:
        url: of the server.
        key: as `HttpClient`.
        options: as `HttpClient`.
        clock: as `HttpClient`.
    """

    def __init__(
        self,
        url: str | Sequence[str],
        *,
        key: str = "",
        options: HttpOptions | None = None,
        clock: Clock | None = None,
    ) -> None:
        options = options or HttpOptions()
        self._at = At(Servers(url), options.retries, clock or SystemClock())
        self._options = options
        self._http = httpx.AsyncClient(**options.of_httpx(key))

    async def track(self, event: Interaction) -> Written:
        """As `HttpClient.track`."""
        return await self._do(calls.event(event))

    async def track_many(self, events: Sequence[Interaction]) -> Batch:
        """As `HttpClient.track_many`."""
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
        variant: str = "",
    ) -> Recommended:
        """As `HttpClient.recommendations`."""
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
            variant=variant,
        )
        return await self._do(call)

    async def next(
        self,
        page: Recommended,
        *,
        n: int = 20,
        shown: str | None = None,
        limits: Limits = NO_LIMITS,
        fields: Sequence[str] = (),
        variant: str = "",
    ) -> Recommended | None:
        """As `HttpClient.next`."""
        if page.cursor is None:
            return None
        call = calls.recommendations(
            page.user_id,
            page.scenario,
            n=n,
            shown=shown,
            cursor=page.cursor,
            limits=limits,
            fields=fields,
            variant=variant,
        )
        return await self._do(call)

    async def explain(self, user_id: str, scenario: str = DEFAULT_SCENARIO, *, n: int = 20) -> Recommended:
        """As `HttpClient.explain`."""
        return await self._do(calls.recommendations(user_id, scenario, n=n, explain=True))

    async def session(
        self,
        items: Sequence[str],
        *,
        negatives: Sequence[str] = (),
        n: int = 20,
        scenario: str = DEFAULT_SCENARIO,
        limits: Limits = NO_LIMITS,
        after: HasPosition | None = None,
        timeout: float = 1.0,
        fields: Sequence[str] = (),
    ) -> SessionItems:
        """As `HttpClient.session`."""
        call = calls.session(
            items, negatives, n, scenario, limits=limits, after=after, timeout=timeout, fields=fields
        )
        return await self._do(call)

    async def page(
        self,
        user_id: str,
        rails: Sequence[PageRail],
        *,
        after: HasPosition | None = None,
        timeout: float = 1.0,
        explain: bool = False,
        limits: Limits = NO_LIMITS,
        fields: Sequence[str] = (),
    ) -> Sequence[Recommended]:
        """As `HttpClient.page`."""
        call = calls.page(
            user_id, rails, after=after, timeout=timeout, explain=explain, limits=limits, fields=fields
        )
        return (await self._do(call)).rails

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
        fields: Sequence[str] = (),
    ) -> RankAnswer:
        """As `HttpClient.rank`."""
        call = calls.rank(
            items,
            user_id,
            session,
            scenario=scenario,
            after=after,
            timeout=timeout,
            limits=limits,
            fields=fields,
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
        scenario: str = "",
        limits: Limits = NO_LIMITS,
        after: HasPosition | None = None,
        timeout: float = 1.0,
        fields: Sequence[str] = (),
    ) -> Items:
        """As `HttpClient.similar`."""
        call = calls.similar(
            [item_id, *also],
            n,
            user_id,
            user_impact,
            scenario=scenario,
            limits=limits,
            after=after,
            timeout=timeout,
            fields=fields,
        )
        return await self._do(call)

    async def popular(
        self,
        *,
        n: int = 20,
        tag: str = "",
        after: HasPosition | None = None,
        timeout: float = 1.0,
        fields: Sequence[str] = (),
    ) -> Items:
        """As `HttpClient.popular`."""
        return await self._do(calls.top("popular", n, tag, after, timeout, fields))

    async def trending(
        self,
        *,
        n: int = 20,
        tag: str = "",
        after: HasPosition | None = None,
        timeout: float = 1.0,
        fields: Sequence[str] = (),
    ) -> Items:
        """As `HttpClient.trending`."""
        return await self._do(calls.top("trending", n, tag, after, timeout, fields))

    async def new(
        self,
        *,
        n: int = 20,
        tag: str = "",
        after: HasPosition | None = None,
        timeout: float = 1.0,
        fields: Sequence[str] = (),
    ) -> Items:
        """As `HttpClient.new`."""
        return await self._do(calls.top("new", n, tag, after, timeout, fields))

    async def impression(self, shown: Impression) -> Written:
        """As `HttpClient.impression`."""
        return await self._do(calls.impression(shown))

    async def impressions(self, shown: Sequence[Impression]) -> Batch:
        """As `HttpClient.impressions`."""
        return await self._run(exchange_batch(calls.impressions, shown, self._at))

    async def visitor(self, user_id: str | None = None, *, key_id: str | None = None) -> Visitor:
        """As `HttpClient.visitor`."""
        return await self._do(calls.visitor(user_id, key_id))

    async def put_item(self, item: Item) -> Written:
        """As `HttpClient.put_item`."""
        return await self._do(calls.put_item(item))

    async def put_items(self, items: Sequence[Item]) -> Batch:
        """As `HttpClient.put_items`."""
        return await self._run(exchange_batch(calls.put_items, items, self._at))

    async def patch_item(self, item_id: str, changes: Mapping[str, Any]) -> Written:
        """As `HttpClient.patch_item`."""
        return await self._do(calls.patch_item(item_id, changes))

    async def delete_item(self, item_id: str) -> Written:
        """As `HttpClient.delete_item`."""
        return await self._do(calls.delete_item(item_id))

    async def delete_items(self, item_ids: Sequence[str]) -> Batch:
        """As `HttpClient.delete_items`."""
        return await self._run(exchange_batch(calls.delete_items, item_ids, self._at))

    async def put_vectors(self, vectors: Sequence[Vector]) -> Batch:
        """As `HttpClient.put_vectors`."""
        steps = exchange_batch(calls.put_vectors, vectors, self._at, vectors_at_a_time(vectors))
        return await self._run(steps)

    async def delete_vectors(self, space: str, item_ids: Sequence[str]) -> Batch:
        """As `HttpClient.delete_vectors`."""
        names = [VectorName(space, item_id) for item_id in item_ids]
        return await self._run(exchange_batch(calls.delete_vectors, names, self._at))

    async def profile(
        self,
        user_id: str,
        *,
        n: int = 20,
        after: HasPosition | None = None,
        timeout: float = 1.0,
        fields: Sequence[str] = (),
    ) -> Profile:
        """As `HttpClient.profile`."""
        return await self._do(calls.profile(user_id, n, after, timeout, fields))

    async def forget(self, user_id: str, *, wait: float = 5.0, dry_run: bool = False) -> Forgotten:
        """As `HttpClient.forget`."""
        return await self._do(calls.forget(user_id, wait, dry_run=dry_run))

    async def merge(self, visitor_id: str, *, into: str) -> Written:
        """As `HttpClient.merge`."""
        return await self._do(calls.merge(visitor_id, into))

    async def scenarios(self) -> Mapping[str, InForce]:
        """As `HttpClient.scenarios`."""
        return await self._do(calls.scenarios())

    async def apply_scenario(self, name: str, scenario: Scenario) -> Applied:
        """As `HttpClient.apply_scenario`."""
        return await self._do(calls.apply_scenario(name, scenario))

    async def scenario(self, name: str) -> InForce:
        """As `HttpClient.scenario`."""
        return await self._do(calls.scenario(name))

    async def preview_scenario(self, name: str, scenario: Scenario, *, user_id: str) -> Tried:
        """As `HttpClient.preview_scenario`."""
        return await self._do(calls.preview_scenario(name, scenario, user_id))

    async def delete_scenario(self, name: str) -> Applied:
        """As `HttpClient.delete_scenario`."""
        return await self._do(calls.delete_scenario(name))

    async def apply_experiment(self, name: str, experiment: Experiment, *, note: str = "") -> Applied:
        """As `HttpClient.apply_experiment`."""
        return await self._do(calls.apply_experiment(name, experiment, note))

    async def experiments(self) -> Mapping[str, ExperimentRecord]:
        """As `HttpClient.experiments`."""
        return await self._do(calls.experiments())

    async def experiment(self, name: str) -> ExperimentStatus:
        """As `HttpClient.experiment`."""
        return await self._do(calls.experiment(name))

    async def ramp_experiment(self, name: str, *, note: str = "") -> Moved:
        """As `HttpClient.ramp_experiment`."""
        return await self._do(calls.move_experiment(name, "ramp", note))

    async def start_experiment(self, name: str, *, note: str = "") -> Moved:
        """As `HttpClient.start_experiment`."""
        return await self._do(calls.move_experiment(name, "start", note))

    async def stop_experiment(self, name: str, *, pause: bool = False, note: str = "") -> Moved:
        """As `HttpClient.stop_experiment`."""
        return await self._do(calls.move_experiment(name, "stop", note, pause=pause))

    async def ship_experiment(self, name: str, arm: str, *, note: str = "") -> Moved:
        """As `HttpClient.ship_experiment`."""
        return await self._do(calls.move_experiment(name, "ship", note, arm=arm))

    async def lag(self) -> Lags:
        """As `HttpClient.lag`."""
        return await self._do(calls.lag())

    async def close(self) -> None:
        """As `HttpClient.close`."""
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
                given = await self._send(step)

    async def _send(self, step: Send) -> httpx.Response | httpx.HTTPError:
        request = step.request
        try:
            return await self._http.request(
                request.method,
                step.url + request.path,
                params=request.parameters(),
                content=request.body,
                timeout=self._options.until(request.waits_seconds, is_slow=request.is_slow),
            )
        except httpx.HTTPError as error:
            return error
