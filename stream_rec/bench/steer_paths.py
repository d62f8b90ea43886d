"""Every way by which an item reaches somebody: the client, and plain Redis by the recipe of docs/redis.md."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import redis

from stream_rec.clock import SystemClock
from stream_rec.errors import ConfigError
from stream_rec.serve.answers import Answers
from stream_rec.serve.client import Client
from stream_rec.serve.wishes import PageWish, Rail, SessionWish
from stream_rec.settings import StoreSettings
from stream_rec.store.reader import Reader


class Shown(NamedTuple):
    """Items that a reader gets.

    Attributes:
        path: by which, for people.
        scenario: whose rules hold; None = those that hold for everybody.
        items: ids.
        user: whose nevers hold; empty = nobody's.
    """

    path: str
    scenario: str | None
    items: list[str]
    user: str = ""


def shown(
    store: StoreSettings, users: Sequence[str], items: Sequence[str], scenarios: Sequence[str]
) -> Iterator[Shown]:
    """What everybody gets on every path, now.

    Raises:
        Unavailable: Redis does not answer.
    """
    answers = Answers(store.prefix, SystemClock(), None)
    with Client(store) as client, redis.Redis.from_url(store.url) as plain, closing(Reader(store)) as reader:
        for scenario in scenarios:
            for at, user in enumerate(users):
                session = (items[at % len(items)], items[-1 - at % len(items)])
                yield from _of_client(client, user, scenario, session)
                found = by_recipe(plain, store.prefix, user, scenario)
                yield Shown(f"recipe {user}", scenario, found, user)
            yield from _of_server(reader, answers, users, scenario, items[:3])
        for item in items:
            yield Shown(f"similar:{item}", None, [each.item_id for each in client.similar(item)])
        yield Shown("basket", None, [each.item_id for each in client.together(items[:4])])
        for tag in ("", "t0", "t1", "t2", "t3", "t4"):
            for name in ("popular", "trending", "new"):
                listed = getattr(client, name)(k=20, tag=tag)
                yield Shown(f"{name}:{tag}", None, [each.item_id for each in listed])


def _of_client(client: Client, user: str, scenario: str, session: Sequence[str]) -> Iterator[Shown]:
    for of_session in ((), session):
        try:
            answer = client.recommendations(user, scenario, session=of_session)
        except ConfigError:  # workers have not said yet that there is such a scenario
            return
        items = [each.item_id for each in answer.items]
        yield Shown(f"client {user} {answer.origin}", scenario, items, user)


def _of_server(
    reader: Reader, answers: Answers, users: Sequence[str], scenario: str, session: Sequence[str]
) -> Iterator[Shown]:
    """What the HTTP server reads besides: pages, what stands behind a slate, and sessions of nobody in particular."""
    for user in users:
        wish = PageWish(user, (Rail(scenario, 3), Rail(scenario, 5)), None, 0.0)
        try:
            rails = reader.answer(answers.page(wish))
        except ConfigError:
            return
        for rail in rails:
            yield Shown(f"page {user} {rail.origin}", scenario, [each.item_id for each in rail.items], user)
        behind = reader.answer(answers.beyond(user, scenario, 50))
        yield Shown(f"beyond {user}", scenario, [each.item_id for each in behind.items], user)
    of_session = reader.answer(answers.session(SessionWish(session, (), 20, scenario)))
    yield Shown("session", scenario, [each.item_id for each in of_session.items])


def by_recipe(plain: Any, prefix: str, user: str, scenario: str) -> list[str]:
    """Steps 1 and 2 of the recipe, with a client that knows nothing of us; a score of 0 is taken for nil."""
    names = f"rec:{scenario}:{user}", f"list:{scenario}", "popular", f"rec:_never:{user}"
    keys = [prefix + name for name in names]
    slate, listed, popular, never = (json.loads(raw) if raw else None for raw in plain.mget(keys))
    if slate and listed and slate["as_of"].get("rules", -1) < listed.get("changed", -1):
        slate = None
    if popular and scenario in popular.get("not_for", ()):
        popular = None
    found = slate or listed or popular
    nevers = {place["item_id"] for place in never["items"]} if never and not slate else set()
    ids = [place["item_id"] for place in found["items"] if place["item_id"] not in nevers] if found else []
    if not ids:
        return []
    removed = plain.zmscore(f"{prefix}removed", ids)
    stopped = plain.zmscore(f"{prefix}removed:{scenario}", ids)
    return [item for item, one, other in zip(ids, removed, stopped, strict=True) if not one and not other]
