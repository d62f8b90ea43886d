"""The client of the HTTP server, without asyncio.

docs/sdk.md is made from these docstrings, and a test runs their examples; so the file is long, and stays one.
"""

from __future__ import annotations

import time
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


class HttpClient:
    """Talks to `stream-rec serve`. Thread-safe; make one per process, and close it.

    Every method raises HttpProblem if the server refuses, and Unavailable if it does not answer within the bounds.

    Example:
        with HttpClient("http://localhost:8474", key="srk_...") as client:
            done = client.track(Interaction("ann", "item-7", "view", time.time()))
            for item in client.recommendations("ann", after=done).items:
                print(item.item_id)

    Args:
        url: of the server; or of several that answer alike: when one does not answer, the next is asked.
        key: `stream-rec key create` makes one; empty = the server asks for none.
        options: timeouts, connections and retries.
        clock: measures the time of retries.
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
        self._http = httpx.Client(**options.of_httpx(key))

    def track(self, event: Interaction) -> Written:
        """Publish what a user did; where it stands, to be given to a read as `after`.

        Args:
            event: what was done; `ts` in seconds since the epoch. Without an `event_id` it gets one, so that sending it
                again does not count it twice.

        Example:
            done = client.track(Interaction("ann", "tea", "view", time.time()))
            answer = client.recommendations("ann", after=done)
        """
        return self._do(calls.event(event))

    def track_many(self, events: Sequence[Interaction]) -> Batch:
        """Publish many, in requests of 500 each, in order; what the server could not take is sent again.

        Of each event the result says whether it was acknowledged; `status` 422 = refused, with the reason. If a request
        fails whole, its error is raised; those before it were answered.

        Args:
            events: any number of them; ids as of `track`.

        Example:
            told = client.track_many([Interaction("ann", item, "view", time.time()) for item in ("tea", "cup")])
            print(told.accepted, [each.reason for each in told.results if each.status != 202])
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
        variant: str = "",
    ) -> Recommended:
        """What to show to a user; for a user without a slate, what the scenario shows to newcomers, or what is popular.

        Args:
            user_id: the user.
            scenario: which of the user's slates.
            n: items, at most; 1 to 200.
            after: an event that the answer should know, as `track` gave it.
            timeout: seconds that it is waited for, 0 to 5; afterwards the present answer is given, marked stale.
            shown: `now` or `after:N`: publish that the answer is shown, now or N seconds later.
            paged: also a cursor, for `next`.
            limits: what is wanted; only a live server keeps to it.
            fields: of items, to be given too (`properties`); only a live server can.
            variant: arm of an experiment, `<arm>` or `<experiment>/<arm>`, whoever the user is; only a live server can.

        Example:
            answer = client.recommendations("ann", n=12, shown="now")
            for item in answer.items:
                print(item.item_id, item.score, item.reason.source)
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
            variant=variant,
        )
        return self._do(call)

    def next(
        self,
        page: Recommended,
        *,
        n: int = 20,
        shown: str | None = None,
        limits: Limits = NO_LIMITS,
        fields: Sequence[str] = (),
        variant: str = "",
    ) -> Recommended | None:
        """The page after one that was `paged`, without anything of those before; None = there is none.

        Args:
            page: the one before.
            n: items, at most; 1 to 200.
            shown: `now` or `after:N`, as of `recommendations`.
            limits: what is wanted, as of the page before.
            fields: of items, to be given too; only a live server can.
            variant: as of the page before.

        Example:
            page = client.recommendations("ann", n=5, paged=True)
            while page is not None:
                print([item.item_id for item in page.items])
                page = client.next(page, n=5)
        """
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
        return self._do(call)

    def explain(self, user_id: str, scenario: str = DEFAULT_SCENARIO, *, n: int = 20) -> Recommended:
        """As `recommendations`, with what the answer was made from (`made`), and of a live server each score (`why`).

        Args:
            user_id: the user.
            scenario: which of the user's slates.
            n: items, at most; 1 to 200.

        Example:
            for why in client.explain("ann").why:
                print(why.item_id, why.by_source, why.rules)
        """
        return self._do(calls.recommendations(user_id, scenario, n=n, explain=True))

    def session(
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
        """What fits a session: items that it was about, and such that it was not about. Nothing of it is stored.

        Args:
            items: ids, latest last; up to 200.
            negatives: ids that were turned down; neither they nor what is like them is wanted; up to 200.
            n: items, at most; 1 to 200.
            scenario: whose rules hold.
            limits: what is wanted; only a live server keeps to it.
            after: an event that the answer should know, as `track` gave it.
            timeout: seconds that it is waited for, 0 to 5; afterwards the present answer is given, marked stale.
            fields: of items, to be given too (`properties`); only a live server can.

        Example:
            print(client.session(["tea", "cup"], negatives=["coffee"]).items)
        """
        call = calls.session(
            items, negatives, n, scenario, limits=limits, after=after, timeout=timeout, fields=fields
        )
        return self._do(call)

    def page(
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
        """Several slates of a user; no item is in two of them.

        Args:
            user_id: the user.
            rails: from the top, 20 at most: an item stands where it comes first.
            after: an event that all of them should know, as `track` gave it.
            timeout: seconds that it is waited for, 0 to 5; afterwards the present slates are given, marked stale.
            explain: also what the slates were made from.
            limits: what is wanted, but for `min_relevance`; only a live server keeps to it.
            fields: of items, to be given too (`properties`); only a live server can.

        Example:
            for rail in client.page("ann", [PageRail("default", n=10), PageRail(n=20)]):
                print(rail.scenario, len(rail.items))
        """
        call = calls.page(
            user_id, rails, after=after, timeout=timeout, explain=explain, limits=limits, fields=fields
        )
        return (self._do(call)).rails

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
        fields: Sequence[str] = (),
    ) -> RankAnswer:
        """These items, best first, for a user or a session. Only a live server can (HttpProblem `needs-live`).

        Args:
            items: ids, 1 to 1,000: what a search found, say.
            user_id: for whom; None = for the session.
            session: ids that the session was about, latest last; up to 200.
            scenario: whose filter and boosts hold.
            after: an event that the order should know, as `track` gave it.
            timeout: seconds that it is waited for, 0 to 5; afterwards the present order is given, marked stale.
            limits: what is wanted.
            fields: of items, to be given too (`properties`).

        Example:
            print(client.rank(["tea", "cup", "pot"], user_id="ann").items)
        """
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
        return self._do(call)

    def similar(
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
        """Items like this one, best first; empty = nothing connects it with others yet.

        Args:
            item_id: the item.
            n: items, at most; 1 to 200.
            also: further items that they should be like; only a live server can.
            user_id: whose taste counts too; only a live server can.
            user_impact: how much, from 0 (the item alone) to 1 (the user alone).
            scenario: whose filter holds, too; only a live server keeps to it.
            limits: what is wanted; only a live server keeps to it.
            after: an event that the answer should know, as `track` gave it.
            timeout: seconds that it is waited for, 0 to 5; afterwards the present answer is given, marked stale.
            fields: of items, to be given too (`properties`); only a live server can.

        Example:
            print([item.item_id for item in client.similar("tea", n=5)])
        """
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
        return self._do(call)

    def popular(
        self,
        *,
        n: int = 20,
        tag: str = "",
        after: HasPosition | None = None,
        timeout: float = 1.0,
        fields: Sequence[str] = (),
    ) -> Items:
        """What is popular now, of all items or of a tag's.

        Args:
            n: items, at most; 1 to 200.
            tag: only items with this tag; one of those used most (`store.category_tags`).
            after: an event that the list should know, as `track` gave it; workers write lists anew from time to time.
            timeout: seconds that it is waited for, 0 to 5; afterwards the present list is given, marked stale.
            fields: of items, to be given too (`properties`); only a live server can.

        Example:
            print(client.popular(n=5), client.popular(tag="drinks"))
        """
        return self._do(calls.top("popular", n, tag, after, timeout, fields))

    def trending(
        self,
        *,
        n: int = 20,
        tag: str = "",
        after: HasPosition | None = None,
        timeout: float = 1.0,
        fields: Sequence[str] = (),
    ) -> Items:
        """Items that are gaining interactions, of all or of a tag's.

        Args:
            n: items, at most; 1 to 200.
            tag: only items with this tag; one of those used most (`store.category_tags`).
            after: an event that the list should know, as `track` gave it; workers write lists anew from time to time.
            timeout: seconds that it is waited for, 0 to 5; afterwards the present list is given, marked stale.
            fields: of items, to be given too (`properties`); only a live server can.

        Example:
            print(client.trending(n=5), client.trending(tag="drinks"))
        """
        return self._do(calls.top("trending", n, tag, after, timeout, fields))

    def new(
        self,
        *,
        n: int = 20,
        tag: str = "",
        after: HasPosition | None = None,
        timeout: float = 1.0,
        fields: Sequence[str] = (),
    ) -> Items:
        """The latest additions to the catalogue, or to a tag.

        Args:
            n: items, at most; 1 to 200.
            tag: only items with this tag; one of those used most (`store.category_tags`).
            after: an event that the list should know, as `track` gave it; workers write lists anew from time to time.
            timeout: seconds that it is waited for, 0 to 5; afterwards the present list is given, marked stale.
            fields: of items, to be given too (`properties`); only a live server can.

        Example:
            print(client.new(n=5), client.new(tag="drinks"))
        """
        return self._do(calls.top("new", n, tag, after, timeout, fields))

    def impression(self, shown: Impression) -> Written:
        """Publish what was shown. It is sent again only if the server certainly did not take it.

        Args:
            shown: the slate's id, the user, the items in the order shown; `ts` in seconds since the epoch.

        Example:
            client.impression(Impression("slate-1", "ann", time.time(), ("tea", "cup")))
        """
        return self._do(calls.impression(shown))

    def impressions(self, shown: Sequence[Impression]) -> Batch:
        """Publish what was shown, many times, in requests of 500 each; the results as of `track_many`.

        What was certainly not taken is sent again, and nothing else: of a result with `status` 503 it is not known.

        Args:
            shown: any number of them, as of `impression`.

        Example:
            shown = [Impression(f"slate-{n}", "ann", time.time(), ("tea", "cup")) for n in range(2)]
            print(client.impressions(shown).accepted)
        """
        return self._run(exchange_batch(calls.impressions, shown, self._at))

    def visitor(self, user_id: str | None = None, *, key_id: str | None = None) -> Visitor:
        """A token for the visitor of a browser key, with which a page tracks and reads as this user, and no other.

        Args:
            user_id: a user who has signed in; None = a new visitor, which only the browser key itself may ask for.
            key_id: of the browser key (`stream-rec key list`); None = the client's own key is it. HttpProblem `refused`
                if it is none.

        Example:
            given = client.visitor("ann", key_id="0c1d2e3f4a5b")
            print(given.token, given.until)  # for the page: X-Visitor-Token
        """
        return self._do(calls.visitor(user_id, key_id))

    def put_item(self, item: Item) -> Written:
        """Say what an item is from now on: what the record does not say is unset.

        Args:
            item: all that is known of it.

        Example:
            client.put_item(Item("tea", "Green tea", ("drinks",), price=4.5))
        """
        return self._do(calls.put_item(item))

    def put_items(self, items: Sequence[Item]) -> Batch:
        """Say what many items are, in requests of 500 each; the results as of `track_many`.

        Args:
            items: any number of them.

        Example:
            told = client.put_items([Item("cup", "Cup", ("kitchen",)), Item("pot", "Teapot", ("kitchen",))])
            print(told.accepted, told.refused)
        """
        return self._run(exchange_batch(calls.put_items, items, self._at))

    def patch_item(self, item_id: str, changes: Mapping[str, Any]) -> Written:
        """Change some fields of an item. The server reads the item's partition for it: send whole items where you can.

        Args:
            item_id: the item; HttpProblem `not-found` if it has no record.
            changes: by field; None unsets.

        Example:
            client.patch_item("tea", {"price": 3.9, "description": None})
        """
        return self._do(calls.patch_item(item_id, changes))

    def delete_item(self, item_id: str) -> Written:
        """Take an item out of the catalogue; what was learned of it stays.

        Args:
            item_id: the item.

        Example:
            client.delete_item("pot")
        """
        return self._do(calls.delete_item(item_id))

    def delete_items(self, item_ids: Sequence[str]) -> Batch:
        """Take many items out of the catalogue, in requests of 500 each; the results as of `track_many`.

        Args:
            item_ids: any number of them.

        Example:
            print(client.delete_items(["cup", "pot"]).accepted)
        """
        return self._run(exchange_batch(calls.delete_items, item_ids, self._at))

    def put_vectors(self, vectors: Sequence[Vector]) -> Batch:
        """Put vectors of items into their spaces, each in place of the one before; the results as of `track_many`.

        A vector that is not as long as the others of its space is acknowledged, and set aside by the workers.

        Args:
            vectors: any number of them.

        Example:
            told = client.put_vectors([Vector("text", "tea", (0.12, -0.7)), Vector("text", "cup", (0.3, 0.1))])
            print(told.accepted, told.refused)
        """
        steps = exchange_batch(calls.put_vectors, vectors, self._at, vectors_at_a_time(vectors))
        return self._run(steps)

    def delete_vectors(self, space: str, item_ids: Sequence[str]) -> Batch:
        """Take items out of a vector space; the results as of `track_many`.

        Args:
            space: of vectors.
            item_ids: any number of them.

        Example:
            print(client.delete_vectors("text", ["tea", "cup"]).accepted)
        """
        names = [VectorName(space, item_id) for item_id in item_ids]
        return self._run(exchange_batch(calls.delete_vectors, names, self._at))

    def profile(
        self,
        user_id: str,
        *,
        n: int = 20,
        after: HasPosition | None = None,
        timeout: float = 1.0,
        fields: Sequence[str] = (),
    ) -> Profile:
        """What is known of a user: slates, nevers, arms; from a live server also history and interests.

        Args:
            user_id: the user.
            n: items of the history, at most; 1 to 200.
            after: an event that the profile should know, as `track` gave it.
            timeout: seconds that it is waited for, 0 to 5; afterwards the present profile is given, marked stale.
            fields: of the history's items, to be given too (`properties`); only a live server can.

        Example:
            known = client.profile("ann")
            for slate in known.slates:
                print(slate.scenario, slate.age_seconds)
            if known.history is not None:  # a live server
                print(known.history.last_seen, [each.tag for each in known.history.interests])
        """
        return self._do(calls.profile(user_id, n, after, timeout, fields))

    def forget(self, user_id: str, *, wait: float = 5.0, dry_run: bool = False) -> Forgotten:
        """Forget a user everywhere; the receipt says what was removed, and what waits until when.

        Args:
            user_id: the user.
            wait: seconds that workers are waited for, 0 to 30; who has not answered by then is `silent`.
            dry_run: only say what would be done.

        Example:
            for store in client.forget("visitor-17", dry_run=True).stores:
                print(store.name, store.removed, store.waits)
        """
        return self._do(calls.forget(user_id, wait, dry_run=dry_run))

    def merge(self, visitor_id: str, *, into: str) -> Written:
        """A visitor has signed in: the visitor's history becomes the user's, and the visitor is forgotten.

        Args:
            visitor_id: the user_id of before.
            into: the user.

        Example:
            client.merge("visitor-18", into="ann")
        """
        return self._do(calls.merge(visitor_id, into))

    def scenarios(self) -> Mapping[str, InForce]:
        """All scenarios in force, by name, with those of the settings.

        Example:
            for name, each in client.scenarios().items():
                print(name, each.by, each.note, each.scenario)
        """
        return self._do(calls.scenarios())

    def apply_scenario(self, name: str, scenario: Scenario) -> Applied:
        """Put a scenario in force, on every worker within seconds.

        Args:
            name: of the scenario.
            scenario: what slates for this place are (docs/control.md); HttpProblem `refused` names what is wrong in it.

        Example:
            client.apply_scenario("home", Scenario(k=12, filter="price < 100.0"))
        """
        return self._do(calls.apply_scenario(name, scenario))

    def scenario(self, name: str) -> InForce:
        """One scenario that is in force.

        Args:
            name: of the scenario; HttpProblem `not-found` if there is none.

        Example:
            print(client.scenario("home").scenario)
        """
        return self._do(calls.scenario(name))

    def preview_scenario(self, name: str, scenario: Scenario, *, user_id: str) -> Tried:
        """What a scenario would do to a user's slate: before, after, and what each rule does. Nothing is applied.

        The server rebuilds an engine for it, one at a time: it takes seconds, without a snapshot of a long log minutes.

        Args:
            name: of the scenario, which need not be there yet.
            scenario: as of `apply_scenario`.
            user_id: whose slate.

        Example:
            tried = client.preview_scenario("home", Scenario(k=8), user_id="ann")
            print(tried.changes, tried.before, tried.after)
            for effect in tried.effects:
                print(effect.rule, effect.says, effect.moved)
        """
        return self._do(calls.preview_scenario(name, scenario, user_id))

    def delete_scenario(self, name: str) -> Applied:
        """Take a scenario's record back: the one of the settings is in force again, or none.

        Args:
            name: of the scenario; HttpProblem `not-found` if no record has it. It is sent again only if the server
                certainly did not take it.

        Example:
            client.delete_scenario("home")
        """
        return self._do(calls.delete_scenario(name))

    def apply_experiment(self, name: str, experiment: Experiment, *, note: str = "") -> Applied:
        """Say what an experiment is: a new one is a draft; a live one keeps its state, and what its users are in.

        Args:
            name: of the experiment.
            experiment: what is tried on whom (docs/trials.md); HttpProblem `refused` names what is wrong in it,
                `conflict` what cannot change while it lives.
            note: why, for people.

        Example:
            arms = (Arm("control"), Arm("trending", scenario={"logic": "trending"}))
            client.apply_experiment("front", Experiment(arms, traffic=0.5), note="what sells now")
        """
        return self._do(calls.apply_experiment(name, experiment, note))

    def experiments(self) -> Mapping[str, ExperimentRecord]:
        """All experiments by name, over ones included.

        Example:
            for name, each in client.experiments().items():
                print(name, each.experiment.state, each.share)
        """
        return self._do(calls.experiments())

    def experiment(self, name: str) -> ExperimentStatus:
        """One experiment: what was counted, what the statistics say, and what was decided.

        Args:
            name: of the experiment; HttpProblem `not-found` if there is none.

        Example:
            told = client.experiment("front")
            for each in told.counted.lifts if told.counted else ():
                print(each.metric, each.variant, each.lift, each.low, each.high)
        """
        return self._do(calls.experiment(name))

    def ramp_experiment(self, name: str, *, note: str = "") -> Moved:
        """Give it the first share of its ramp, or the next one; after a pause, the one that it had.

        Args:
            name: of the experiment; HttpProblem `conflict` if it is over, or its layer has no room.
            note: why, for people.

        Example:
            print(client.ramp_experiment("front").share)
        """
        return self._do(calls.move_experiment(name, "ramp", note))

    def start_experiment(self, name: str, *, note: str = "") -> Moved:
        """Give it its full traffic at once.

        Args:
            name: of the experiment; as of `ramp_experiment`.
            note: why, for people.

        Example:
            print(client.start_experiment("front").state)
        """
        return self._do(calls.move_experiment(name, "start", note))

    def stop_experiment(self, name: str, *, pause: bool = False, note: str = "") -> Moved:
        """Everybody gets the control.

        Args:
            name: of the experiment; HttpProblem `conflict` if it is not live.
            pause: only for a while: it keeps its users; False = for good.
            note: why, for people.

        Example:
            client.stop_experiment("front", pause=True, note="a sale is on")
        """
        return self._do(calls.move_experiment(name, "stop", note, pause=pause))

    def ship_experiment(self, name: str, arm: str, *, note: str = "") -> Moved:
        """Everybody gets the arm, for good.

        Args:
            name: of the experiment; HttpProblem `conflict` if it is not live.
            arm: the winner; HttpProblem `refused` if it is none of its arms.
            note: why, for people.

        Example:
            client.ship_experiment("front", "trending", note="3 % more clicks")
        """
        return self._do(calls.move_experiment(name, "ship", note, arm=arm))

    def lag(self) -> Lags:
        """How far the workers are behind, by partition.

        Example:
            print(client.lag().total)
        """
        return self._do(calls.lag())

    def close(self) -> None:
        """Close the connections; `with` does it, too."""
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
                given = self._send(step)

    def _send(self, step: Send) -> httpx.Response | httpx.HTTPError:
        request = step.request
        try:
            return self._http.request(
                request.method,
                step.url + request.path,
                params=request.parameters(),
                content=request.body,
                timeout=self._options.until(request.waits_seconds, is_slow=request.is_slow),
            )
        except httpx.HTTPError as error:
            return error
