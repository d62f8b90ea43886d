"""What is decided about users: forgotten, or found to be a visitor of before."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from stream_rec.api.body import read_json
from stream_rec.api.ids import must_be_id
from stream_rec.api.ingest import Ingest, Wanted
from stream_rec.api.operation import Answer, Call, Example, Operation, answer
from stream_rec.api.problem import Problem
from stream_rec.api.routes.events import PROBLEMS
from stream_rec.clock import Clock
from stream_rec.schemas.codec import encode
from stream_rec.schemas.decisions import merge_of
from stream_rec.schemas.topics import check, key_of
from stream_rec.sdk.wire import Forgotten, ForgottenStore, MergeWish, Written
from stream_rec.serve.forget import Forgetter, IsAUserNow, Receipt
from stream_rec.settings import Settings
from stream_rec.store.reader import Reader


class HowToForget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of forgetting."""

    wait: Annotated[float, Meta(ge=0, le=30, description="seconds that workers are waited for")] = 5.0
    dry_run: Annotated[bool, Meta(description="say what would be done; change nothing")] = False


class Users:
    """The routes.

    Args:
        settings: addresses and limits.
        ingest: writes.
        clock: stamps decisions.
    """

    def __init__(self, settings: Settings, ingest: Ingest, clock: Clock) -> None:
        self._settings = settings
        self._ingest = ingest
        self._clock = clock
        self._forgetting = asyncio.Lock()
        self._read = msgspec.json.Decoder(MergeWish).decode

    async def forget(self, call: Call) -> Answer:
        """Forget a user. One at a time: each reads the log."""
        if not self._settings.bus.bootstrap:
            raise Problem("not-set-up", "this server has no Kafka", fix="set bus.bootstrap")
        must_be_id(call.path["user_id"], "path user_id", self._settings.ingest)
        query: HowToForget = call.query
        async with self._forgetting:
            receipt = await asyncio.to_thread(self._forget, call.path["user_id"], query, call.caller.name)
        return answer(_wire(receipt))

    async def merge(self, call: Call) -> Answer:
        """A visitor is this user."""
        user_id, visitor_id = call.path["user_id"], read_json(call.body, self._read).visitor_id
        must_be_id(user_id, "path user_id", self._settings.ingest)
        must_be_id(visitor_id, "body visitor_id", self._settings.ingest)
        if user_id == visitor_id:
            raise Problem(
                "refused", "a user is no visitor of himself", where="body visitor_id", fix="name two ids"
            )
        record = merge_of(visitor_id, user_id, self._clock.now(), by=call.caller.name)
        check(record, self._settings.ingest)
        return answer(await self._ingest.one("control", Wanted(key_of(record), encode(record))), 202)

    def _forget(self, user_id: str, query: HowToForget, by: str) -> Receipt:
        reader = Reader(self._settings.store)
        try:
            forgetter = Forgetter(self._settings, reader)
            if query.dry_run:
                return forgetter.plan(user_id)
            return forgetter.forget(
                user_id, wait_seconds=query.wait, note=f"over HTTP, key {by}" if by else "over HTTP"
            )
        except IsAUserNow as error:
            raise Problem("refused", error.message, where="path user_id", fix=error.fix) from None
        finally:
            reader.close()

    def operations(self) -> Iterator[Operation]:
        """All of them."""
        shared: dict[str, Any] = {"problems": PROBLEMS}
        store = {"name": "redis", "removed": "2 slates", "waits": "", "until": 0.0}
        receipt = {
            "user_hash": "50cff9bf5b19b2d5",
            "offset": 7,
            "ts": 1700000000.0,
            "workers": 2,
            "silent": [],
            "stores": [store],
        }
        yield Operation(
            "DELETE",
            "/v1/users/{user_id:id}",
            self.forget,
            "Forget a user everywhere; the receipt says what was removed, and what waits until when.",
            {200: Example("a receipt", Forgotten, receipt)},
            scope="admin",
            query=HowToForget,
            is_slow=True,
            **shared,
        )
        yield Operation(
            "POST",
            "/v1/users/{user_id:id}/merge",
            self.merge,
            "A visitor has signed in: the visitor's history becomes the user's, and the visitor is forgotten.",
            {202: Example("Kafka has acknowledged it", Written, {"partition": 0, "offset": 7})},
            scope="publish",
            body=MergeWish,
            body_example={"visitor_id": "v-17"},
            **shared,
        )


def _wire(of: Receipt) -> Forgotten:
    stores = [ForgottenStore(*each) for each in of.stores]
    return Forgotten(of.user_hash, of.offset, of.ts, len(of.workers), of.silent, stores)
