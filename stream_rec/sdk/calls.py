"""Every request that can be made, for the clients with asyncio and without.

One function for each, which a test holds against the server's table of routes: one file, though a long one.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar
from urllib.parse import quote

import msgspec

from stream_rec.schemas.experiment import Experiment
from stream_rec.schemas.records import DEFAULT_SCENARIO, Impression, Interaction, Item, Vector
from stream_rec.schemas.scenario import Scenario
from stream_rec.sdk import experiments as trials
from stream_rec.sdk import wire
from stream_rec.sdk.preview import PreviewWish, Tried
from stream_rec.sdk.profile import Profile

T = TypeVar("T")
ListName = Literal["popular", "trending", "new"]

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """One request.

    Attributes:
        method: of HTTP.
        path: with its variable parts encoded.
        kind: of the answer.
        query: parameters; those that are None are not sent.
        body: JSON, whole; None = there is none.
        may_repeat: whether it does no more if it is done twice.
        waits_seconds: that the server is asked to wait, beside the time that an answer takes.
        is_slow: whether the server may take longer than for others (`serve.slow_timeout_seconds`).
    """

    method: str
    path: str
    kind: type[T]
    query: Mapping[str, Any] | None = None
    body: bytes | None = None
    may_repeat: bool = True
    waits_seconds: float = 0.0
    is_slow: bool = False

    def parameters(self) -> dict[str, str]:
        """The query as it is sent."""
        return {name: _text(value) for name, value in (self.query or {}).items() if value is not None}


class HasPosition(Protocol):
    """Where an event stands: what `track` gives, or a publisher's Ack."""

    @property
    def partition(self) -> int:
        """Of the topic `events`."""
        ...

    @property
    def offset(self) -> int:
        """In that partition."""
        ...


def after_text(after: HasPosition | None) -> str | None:
    """As a read takes it."""
    return None if after is None else f"{after.partition}:{after.offset}"


def event(of: Interaction) -> Request[wire.Written]:
    """One event, with an id by which a repeated one is known."""
    return Request("POST", "/v1/events", wire.Written, body=_encode(with_id(of)))


def with_id(of: Interaction) -> Interaction:
    """The event, with an `event_id`."""
    return of if of.event_id else msgspec.structs.replace(of, event_id=uuid.uuid4().hex)


def events(of: Sequence[Interaction]) -> Request[wire.Batch]:
    """Some events, which have ids."""
    return Request("POST", "/v1/events/batch", wire.Batch, body=_encode(of))


def impression(of: Impression) -> Request[wire.Written]:
    """What was shown. A repeated one would count twice."""
    return Request("POST", "/v1/impressions", wire.Written, body=_encode(of), may_repeat=False)


def impressions(of: Sequence[Impression]) -> Request[wire.Batch]:
    """Some of them; as `impression`."""
    return Request("POST", "/v1/impressions/batch", wire.Batch, body=_encode(of), may_repeat=False)


@dataclass(frozen=True, slots=True)
class Limits:
    """What of an answer is wanted; only live servers keep to it.

    Attributes:
        filter: CEL over an item's columns (docs/control.md): only items that it is true of; "" = all.
        exclude: ids of items that are not wanted.
        min_relevance: least share of the best item's odds, rather fewer items; 0 = any.
    """

    filter: str = ""
    exclude: Sequence[str] = ()
    min_relevance: float = 0.0

    def in_query(self) -> dict[str, Any]:
        """As parameters; what says nothing is None."""
        return {
            "filter": self.filter or None,
            "exclude": ",".join(self.exclude) or None,
            "min_relevance": self.min_relevance or None,
        }


NO_LIMITS = Limits()


def recommendations(
    user_id: str,
    scenario: str = DEFAULT_SCENARIO,
    *,
    n: int = 20,
    after: HasPosition | None = None,
    timeout: float = 1.0,
    explain: bool = False,
    shown: str | None = None,
    paged: bool = False,
    cursor: str | None = None,
    limits: Limits = NO_LIMITS,
    fields: Sequence[str] = (),
    variant: str = "",
) -> Request[wire.Recommended]:
    """A user's; see `HttpClient.recommendations`."""
    query = {
        "scenario": scenario,
        "n": n,
        "explain": explain or None,
        "shown": shown,
        "paged": paged or None,
        "cursor": cursor,
        **_read(after, timeout, fields),
        "variant": variant or None,
        **limits.in_query(),
    }
    path = f"/v1/users/{_part(user_id)}/recommendations"
    return Request(
        "GET",
        path,
        wire.Recommended,
        query=query,
        may_repeat=shown is None,
        waits_seconds=_waits(after, timeout),
    )


def session(
    items: Sequence[str],
    negatives: Sequence[str],
    n: int,
    scenario: str,
    *,
    limits: Limits,
    after: HasPosition | None,
    timeout: float,
    fields: Sequence[str],
) -> Request[wire.SessionItems]:
    """For a session."""
    wish = wire.SessionWish(
        tuple(items),
        tuple(negatives),
        n,
        scenario,
        limits.filter,
        tuple(limits.exclude),
        limits.min_relevance,
        after_text(after),
        timeout,
        tuple(fields),
    )
    path = "/v1/sessions/recommendations"
    return Request("POST", path, wire.SessionItems, body=_encode(wish), waits_seconds=_waits(after, timeout))


def page(
    user_id: str,
    rails: Sequence[wire.PageRail],
    *,
    after: HasPosition | None,
    timeout: float,
    explain: bool,
    limits: Limits,
    fields: Sequence[str],
) -> Request[wire.PageAnswer]:
    """Several slates."""
    wish = wire.PageWish(
        user_id,
        tuple(rails),
        after_text(after),
        timeout,
        explain,
        limits.filter,
        tuple(limits.exclude),
        tuple(fields),
    )
    return Request(
        "POST", "/v1/pages", wire.PageAnswer, body=_encode(wish), waits_seconds=_waits(after, timeout)
    )


def rank(
    items: Sequence[str],
    user_id: str | None,
    session: Sequence[str],
    *,
    scenario: str,
    after: HasPosition | None,
    timeout: float,
    limits: Limits,
    fields: Sequence[str],
) -> Request[wire.RankAnswer]:
    """An order."""
    wish = wire.RankWish(
        tuple(items),
        user_id,
        tuple(session),
        scenario,
        after_text(after),
        timeout,
        limits.filter,
        tuple(limits.exclude),
        limits.min_relevance,
        tuple(fields),
    )
    return Request(
        "POST", "/v1/rank", wire.RankAnswer, body=_encode(wish), waits_seconds=_waits(after, timeout)
    )


def similar(
    items: Sequence[str],
    n: int,
    user_id: str | None,
    user_impact: float,
    *,
    scenario: str,
    limits: Limits,
    after: HasPosition | None,
    timeout: float,
    fields: Sequence[str],
) -> Request[wire.Items]:
    """Neighbours of the first; the others count besides."""
    first, *also = items
    query = {
        "n": n,
        "also": ",".join(also) or None,
        "user_id": user_id,
        "scenario": scenario or None,
        **_read(after, timeout, fields),
        **limits.in_query(),
    }
    if user_id is not None:
        query["user_impact"] = user_impact
    path = f"/v1/items/{_part(first)}/similar"
    return Request("GET", path, wire.Items, query=query, waits_seconds=_waits(after, timeout))


def top(
    name: ListName, n: int, tag: str, after: HasPosition | None, timeout: float, fields: Sequence[str]
) -> Request[wire.Items]:
    """A list."""
    query = {"n": n, "tag": tag or None, **_read(after, timeout, fields)}
    path = f"/v1/lists/{name}"
    return Request("GET", path, wire.Items, query=query, waits_seconds=_waits(after, timeout))


def _read(after: HasPosition | None, timeout: float, fields: Sequence[str]) -> dict[str, Any]:
    """Parameters of every read."""
    return {"after": after_text(after), "timeout": timeout, "fields": ",".join(fields) or None}


def _waits(after: HasPosition | None, timeout: float) -> float:
    """Seconds that a server may wait for the event of a read."""
    return 0.0 if after is None else timeout


def put_item(item: Item) -> Request[wire.Written]:
    """An item, whole."""
    return Request("PUT", f"/v1/items/{_part(item.item_id)}", wire.Written, body=_encode(item))


def put_items(items: Sequence[Item]) -> Request[wire.Batch]:
    """Many of them."""
    return Request("POST", "/v1/items/batch", wire.Batch, body=_encode(items))


def patch_item(item_id: str, changes: Mapping[str, Any]) -> Request[wire.Written]:
    """Some fields."""
    path = f"/v1/items/{_part(item_id)}"
    return Request("PATCH", path, wire.Written, body=_encode(changes), is_slow=True)


def delete_item(item_id: str) -> Request[wire.Written]:
    """Gone."""
    return Request("DELETE", f"/v1/items/{_part(item_id)}", wire.Written)


def delete_items(items: Sequence[str]) -> Request[wire.Batch]:
    """Many of them gone."""
    return Request("POST", "/v1/items/batch/delete", wire.Batch, body=_encode(items))


def put_vectors(vectors: Sequence[Vector]) -> Request[wire.Batch]:
    """Some of them."""
    return Request("POST", "/v1/vectors/batch", wire.Batch, body=_encode(vectors))


def delete_vectors(names: Sequence[wire.VectorName]) -> Request[wire.Batch]:
    """Some of them gone."""
    return Request("POST", "/v1/vectors/batch/delete", wire.Batch, body=_encode(names))


def profile(
    user_id: str, n: int, after: HasPosition | None, timeout: float, fields: Sequence[str]
) -> Request[Profile]:
    """Of a user."""
    query = {"n": n, **_read(after, timeout, fields)}
    path = f"/v1/users/{_part(user_id)}/profile"
    return Request("GET", path, Profile, query=query, waits_seconds=_waits(after, timeout))


def forget(user_id: str, wait: float, *, dry_run: bool) -> Request[wire.Forgotten]:
    """A user."""
    query = {"wait": wait, "dry_run": dry_run or None}
    path = f"/v1/users/{_part(user_id)}"
    return Request("DELETE", path, wire.Forgotten, query=query, waits_seconds=wait, is_slow=True)


def merge(visitor_id: str, user_id: str) -> Request[wire.Written]:
    """A visitor into a user."""
    body = _encode(wire.MergeWish(visitor_id))
    return Request("POST", f"/v1/users/{_part(user_id)}/merge", wire.Written, body=body)


def scenarios() -> Request[dict[str, wire.InForce]]:
    """All of them."""
    return Request("GET", "/v1/scenarios", dict[str, wire.InForce], is_slow=True)


def apply_scenario(name: str, scenario: Scenario) -> Request[wire.Applied]:
    """One of them, decided."""
    path = f"/v1/scenarios/{_part(name)}"
    return Request("PUT", path, wire.Applied, body=_encode(scenario), is_slow=True)


def scenario(name: str) -> Request[wire.InForce]:
    """One of them."""
    return Request("GET", f"/v1/scenarios/{_part(name)}", wire.InForce, is_slow=True)


def delete_scenario(name: str) -> Request[wire.Applied]:
    """Taken back. Repeated, it would find nothing to take back."""
    path = f"/v1/scenarios/{_part(name)}"
    return Request("DELETE", path, wire.Applied, may_repeat=False, is_slow=True)


def preview_scenario(name: str, of: Scenario, user_id: str) -> Request[Tried]:
    """One of them, tried out."""
    body = _encode(PreviewWish(user_id, of))
    return Request("POST", f"/v1/scenarios/{_part(name)}/preview", Tried, body=body, is_slow=True)


def visitor(user_id: str | None, key_id: str | None) -> Request[wire.Visitor]:
    """A token."""
    return Request("POST", "/v1/visitors", wire.Visitor, body=_encode(wire.VisitorWish(user_id, key_id)))


def experiments() -> Request[dict[str, trials.ExperimentRecord]]:
    """All of them."""
    return Request("GET", "/v1/experiments", dict[str, trials.ExperimentRecord], is_slow=True)


def experiment(name: str) -> Request[trials.ExperimentStatus]:
    """One of them, with what was counted."""
    return Request("GET", f"/v1/experiments/{_part(name)}", trials.ExperimentStatus, is_slow=True)


def apply_experiment(name: str, of: Experiment, note: str) -> Request[wire.Applied]:
    """One of them, decided."""
    path = f"/v1/experiments/{_part(name)}"
    query = {"note": note or None}
    return Request("PUT", path, wire.Applied, query=query, body=_encode(of), is_slow=True)


def move_experiment(
    name: str, move: Literal["start", "ramp", "stop", "ship"], note: str, **more: Any
) -> Request[trials.Moved]:
    """Moved to another state. A repeated one would move it twice, or be refused."""
    path = f"/v1/experiments/{_part(name)}/{move}"
    query = {"note": note or None, **more}
    return Request("POST", path, trials.Moved, query=query, may_repeat=False, is_slow=True)


def lag() -> Request[wire.Lags]:
    """How far workers are behind."""
    return Request("GET", "/v1/lag", wire.Lags, is_slow=True)


def _part(text: str) -> str:
    return quote(text, safe="")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
