"""What users did and what they were shown: events and impressions, one or many."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import msgspec

from stream_rec.api.body import bounded, read_json
from stream_rec.api.ingest import Ingest, RecordReader
from stream_rec.api.operation import Answer, Call, Caller, Example, Operation, answer
from stream_rec.api.problem import Problem
from stream_rec.clock import Clock
from stream_rec.schemas.reading import Reader
from stream_rec.schemas.records import Impression, Interaction, TopicName
from stream_rec.schemas.validation import check_impression, check_interaction
from stream_rec.sdk.wire import Batch, Written
from stream_rec.settings import Settings

R = TypeVar("R", Interaction, Impression)

EVENT = {"user_id": "ann", "item_id": "item-7", "event_type": "view", "ts": 1700000000.0, "event_id": "e-1"}
SHOWN = {
    "slate_id": "50cff9bf5b19b2d5-0",
    "user_id": "ann",
    "ts": 1700000001.0,
    "items": ["milk", "bread"],
}
PROBLEMS = ("refused", "queue-full", "unavailable", "not-set-up", "misconfigured")

_RESULTS = [
    {"status": 202, "partition": 0, "offset": 5},
    {"status": 422, "reason": "empty_id", "detail": "item_id is empty"},
]
BATCH = {
    202: Example(
        "what became of each record; at least one was acknowledged, or none was sent",
        Batch,
        {"accepted": 1, "refused": 1, "results": _RESULTS},
    ),
    422: Example("not one can be used", Batch, {"accepted": 0, "refused": 1, "results": _RESULTS[1:]}),
}

read_batch = msgspec.json.Decoder(list[msgspec.Raw]).decode


class _Records(Generic[R]):
    """The two routes of one topic.

    Args:
        topic: that takes the records.
        reader: of the topic's records.
        ingest: writes them.
        max_batch: of one request.
    """

    def __init__(self, topic: TopicName, reader: RecordReader[R], ingest: Ingest, max_batch: int) -> None:
        self._topic = topic
        self._reader: RecordReader[R] = reader
        self._ingest = ingest
        self._max_batch = max_batch

    async def one(self, call: Call) -> Answer:
        """One record."""
        wanted = self._reader.read(call.body, _own(call.caller))
        return answer(await self._ingest.one(self._topic, wanted), 202)

    async def many(self, call: Call) -> Answer:
        """A list of records."""
        found = bounded(read_json(call.body, read_batch), "records", self._max_batch)
        judge = _own(call.caller)
        batch = await self._ingest.many(self._topic, [self._reader.read(bytes(raw), judge) for raw in found])
        return answer(batch, 202 if batch.accepted or not batch.results else 422)

    def operations(self, kind: type[R], many: Any, example: Any) -> Iterator[Operation]:
        """Both routes, for a record and for a list of them."""
        written = Example("Kafka has acknowledged it", Written, {"partition": 0, "offset": 5})
        shared: dict[str, Any] = {"scope": "publish", "problems": PROBLEMS, "browser": "visitor"}
        name = self._topic
        yield Operation(
            "POST",
            f"/v1/{name}",
            self.one,
            f"Publish one of the topic `{name}`; `ts` may be left out: then it is now.",
            {202: written},
            body=kind,
            body_example=example,
            **shared,
        )
        yield Operation(
            "POST",
            f"/v1/{name}/batch",
            self.many,
            f"Publish many of the topic `{name}`; what is refused says why, and the rest goes on.",
            BATCH,
            body=many,
            body_example=[example],
            **shared,
        )


def operations(settings: Settings, ingest: Ingest, clock: Clock) -> Iterator[Operation]:
    """The routes for events and impressions."""
    rules, most = settings.ingest, settings.serve.max_batch
    events = RecordReader("events", Reader(Interaction, check_interaction), rules, clock)
    shown = RecordReader("impressions", Reader(Impression, check_impression), rules, clock)
    yield from _Records("events", events, ingest, most).operations(Interaction, list[Interaction], EVENT)
    yield from _Records("impressions", shown, ingest, most).operations(Impression, list[Impression], SHOWN)


def _own(caller: Caller) -> Callable[[Interaction | Impression], None]:
    """Refuses what a browser key says of others than its visitor."""

    def judge(record: Interaction | Impression) -> None:
        if caller.visitor is not None and record.user_id != caller.visitor:
            raise Problem(
                "forbidden",
                "a browser key speaks of its own visitor only",
                where="body user_id",
                fix="send the user_id that the visitor token was made for",
            )

    return judge
