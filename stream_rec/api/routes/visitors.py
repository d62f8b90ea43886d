"""Tokens for the visitors of a browser key."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from math import ceil

import msgspec

from stream_rec.api.access.book import KeyBook
from stream_rec.api.access.visitor import sign
from stream_rec.api.body import read_json
from stream_rec.api.ids import must_be_id
from stream_rec.api.operation import Answer, Call, Example, Operation, answer
from stream_rec.api.problem import Problem
from stream_rec.clock import Clock
from stream_rec.sdk.wire import Visitor, VisitorWish
from stream_rec.settings import Settings

_ID_BYTES = 16


class Visitors:
    """The route.

    Args:
        settings: limits.
        book: the keys.
        clock: when a token ends.
    """

    def __init__(self, settings: Settings, book: KeyBook, clock: Clock) -> None:
        self._settings = settings
        self._book = book
        self._clock = clock
        self._read = msgspec.json.Decoder(VisitorWish).decode

    async def create(self, call: Call) -> Answer:
        """A browser gets a new visitor; a program with another key says who it is."""
        named = read_json(call.body, self._read) if call.body else VisitorWish()
        is_browser = call.caller.visitor is not None
        if is_browser and (named.user_id is not None or named.key_id not in (None, call.caller.key_id)):
            raise Problem(
                "forbidden",
                "a browser key cannot say who its visitor is",
                where="body",
                fix="ask from a server, with a key that may publish",
            )
        key = await self._book.find(call.caller.key_id if is_browser else named.key_id or "")
        if key is None or not key.visitor_secret:
            raise Problem("refused", "it is no browser key", where="body key_id", fix="`stream-rec key list`")
        user_id = f"v-{secrets.token_urlsafe(_ID_BYTES)}" if is_browser else named.user_id or ""
        must_be_id(user_id, "body user_id", self._settings.ingest)
        until = ceil(self._clock.now() + self._settings.serve.visitor_seconds)
        return answer(Visitor(user_id, sign(user_id, until, key.visitor_secret), until), 201)

    def operations(self) -> Iterator[Operation]:
        """It."""
        given = {"user_id": "ann", "token": "YW5u.1702592000.9w3n...", "until": 1702592000}
        yield Operation(
            "POST",
            "/v1/visitors",
            self.create,
            "A token for the visitor of a browser key: a new visitor, or, asked by a server, a user who has signed in.",
            {201: Example("a token", Visitor, given)},
            scope="publish",
            body=VisitorWish,
            body_example={"user_id": "ann", "key_id": "0c1d2e3f4a5b"},
            problems=("unavailable", "misconfigured"),
            browser="new visitor",
        )
