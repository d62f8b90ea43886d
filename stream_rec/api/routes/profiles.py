"""What is known of a user."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from stream_rec.api.answering import Answering
from stream_rec.api.ids import must_be_id
from stream_rec.api.operation import Answer, Call, Example, Operation, answer
from stream_rec.api.routes.reading import FieldsText, place, split
from stream_rec.sdk.profile import Profile
from stream_rec.sdk.wire import After, Length, Timeout
from stream_rec.serve.wishes import ProfileWish
from stream_rec.settings import IngestSettings

_HISTORY = {
    "n_events": 7,
    "n_session": 2,
    "n_items": 2,
    "items": [
        {"item_id": "tea", "event_types": ["purchase", "view"], "times": 3},
        {"item_id": "cup", "event_types": ["view"], "times": 4},
    ],
    "interests": [{"tag": "drinks", "share": 0.4286}],
    "last_seen": 1700000000.0,
}
_SLATE = {
    "scenario": "default",
    "slate_id": "50cff9bf5b19b2d5-0",
    "n_items": 20,
    "created_ts": 1700000001.0,
    "age_seconds": 12.5,
}
_EXAMPLE = {"user_id": "ann", "slates": [_SLATE], "arms": [], "nevers": ["coffee"], "history": _HISTORY}


class OfProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of a profile."""

    n: Length = 20
    after: After | None = None
    timeout: Timeout = 1.0
    fields: FieldsText = ""


class Profiles:
    """The route.

    Args:
        answering: reads.
        rules: what an id may be.
    """

    def __init__(self, answering: Answering, rules: IngestSettings) -> None:
        self._answering = answering
        self._rules = rules

    async def profile(self, call: Call) -> Answer:
        """Of one user."""
        query: OfProfile = call.query
        user_id = call.path["user_id"]
        must_be_id(user_id, "path user_id", self._rules)
        wish = ProfileWish(user_id, query.n, place(query.after), query.timeout)
        found = await self._answering.profile(wish)
        if fields := split(query.fields):
            ids = [each.item_id for each in found.history.items] if found.history else []
            known = await self._answering.properties(ids, fields)
            found = msgspec.structs.replace(found, properties=dict(known))
        return answer(found)

    def operations(self) -> Iterator[Operation]:
        """It."""
        yield Operation(
            "GET",
            "/v1/users/{user_id:id}/profile",
            self.profile,
            "What is known of a user: slates and nevers; from a live server also history and interests.",
            {200: Example("what is known; of an unknown user little", Profile, _EXAMPLE)},
            scope="read",
            query=OfProfile,
            problems=("unavailable", "misconfigured", "needs-live"),
        )
