"""What is tried on whom: experiments, read, decided and moved."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from stream_rec.api.body import read_json
from stream_rec.api.operation import Answer, Call, Caller, Example, Operation, Run, answer
from stream_rec.api.problem import Problem
from stream_rec.api.routes.scenarios import wrong
from stream_rec.producers.experiments.experiments import Experiments
from stream_rec.producers.experiments.file import draft
from stream_rec.schemas.decisions import NAME
from stream_rec.schemas.experiment import Experiment
from stream_rec.schemas.experiment_check import BadExperiment
from stream_rec.sdk.experiments import ExperimentRecord, ExperimentStatus, Moved
from stream_rec.sdk.wire import Applied
from stream_rec.serve.experiments import record, status
from stream_rec.settings import Settings
from stream_rec.store.questions import Questions
from stream_rec.store.reader import AsyncReader
from stream_rec.trials.states import Move

Note = Annotated[str, Meta(max_length=1000, description="why, for people")]


class Why(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of a decision."""

    note: Note = "over HTTP"


class HowToStop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of a stop."""

    note: Note = "over HTTP"
    pause: Annotated[bool, Meta(description="only for a while: it keeps its users")] = False


class WhatToShip(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters of a winner."""

    arm: Annotated[str, Meta(max_length=64, description="that everybody gets from now on")]
    note: Note = "over HTTP"


class ExperimentRoutes:
    """The routes. What is decided hangs on what was decided before, so one is answered at a time.

    Args:
        settings: addresses and limits.
        reader: of Redis.
    """

    def __init__(self, settings: Settings, reader: AsyncReader) -> None:
        self._settings = settings
        self._reader = reader
        self._questions = Questions(settings.store.prefix)
        self._deciding = asyncio.Lock()

    async def all_of_them(self, call: Call) -> Answer:
        """By name."""
        async with self._deciding:
            found = await self._experiments(call.caller)
        return answer({name: record(known) for name, known in found.all().items()})

    async def one(self, call: Call) -> Answer:
        """One of them, with what was counted."""
        async with self._deciding:
            found = await self._experiments(call.caller)
        name = call.path["name"]
        found.one(name)
        return answer(status(found, name, await self._reader.answer(self._questions.last_values())))

    async def put(self, call: Call) -> Answer:
        """What an experiment is from now on: a new one is a draft."""
        name, wanted = call.path["name"], _draft(read_json(call.body, _object))
        if not NAME.fullmatch(name):
            raise Problem(
                "refused", "it is no name", where="path name", fix="1 to 64 letters, digits, '.', '_', '-'"
            )
        async with self._deciding:
            found = await self._experiments(call.caller)
            applied = await asyncio.to_thread(found.apply, {name: wanted}, call.query.note)
        offset = applied[name].offset
        return answer(Applied(-1 if offset is None else offset))

    async def start(self, call: Call) -> Answer:
        """Its full traffic."""
        return await self._move(call, "start")

    async def ramp(self, call: Call) -> Answer:
        """The next share."""
        return await self._move(call, "ramp")

    async def stop(self, call: Call) -> Answer:
        """Nobody, for good or for a while."""
        return await self._move(call, "pause" if call.query.pause else "stop")

    async def ship(self, call: Call) -> Answer:
        """A winner."""
        return await self._move(call, "ship", winner=call.query.arm)

    async def _move(self, call: Call, move: Move, winner: str = "") -> Answer:
        async with self._deciding:
            found = await self._experiments(call.caller)
            name, note = call.path["name"], call.query.note
            after, ack = await asyncio.to_thread(found.move, name, move, winner=winner, note=note)
        return answer(Moved(ack.offset, after.state, after.share))

    async def _experiments(self, caller: Caller) -> Experiments:
        if not self._settings.bus.bootstrap:
            raise Problem("not-set-up", "this server has no Kafka", fix="set bus.bootstrap")
        by = f"key {caller.name}" if caller.name else ""
        return await asyncio.to_thread(Experiments, self._settings, by=by)

    def operations(self) -> Iterator[Operation]:
        """All of them."""
        problems = ("unavailable", "misconfigured", "not-set-up")
        shared: dict[str, Any] = {"scope": "admin", "is_slow": True}
        one = (*problems, "not-found")
        path = "/v1/experiments/{name}"
        yield Operation(
            "GET",
            "/v1/experiments",
            self.all_of_them,
            "All experiments, over ones included.",
            {200: Example("by name", dict[str, ExperimentRecord], {"home": _RECORD})},
            problems=problems,
            **shared,
        )
        yield Operation(
            "GET",
            path,
            self.one,
            "One experiment: what was counted, what the statistics say, and what was decided.",
            {200: Example("it", ExperimentStatus, {**_RECORD, "counted": _COUNTED, "history": [_RECORD]})},
            problems=one,
            **shared,
        )
        yield Operation(
            "PUT",
            path,
            self.put,
            "Say what an experiment is: the body is what differs from the defaults (docs/trials.md). A new one is a "
            "draft; a live one keeps its state, and what its users are in.",
            {200: Example("decided; -1 = nothing has changed", Applied, {"offset": 4})},
            query=Why,
            body=Experiment,
            body_example=_BODY,
            problems=(*problems, "conflict"),
            **shared,
        )
        moves: list[tuple[str, Run, type[msgspec.Struct], str]] = [
            ("start", self.start, Why, "Give it its full traffic."),
            (
                "ramp",
                self.ramp,
                Why,
                "Give it the first share of its ramp, or the next one; what it has after a pause.",
            ),
            ("stop", self.stop, HowToStop, "Everybody gets the control: for good, or for a while."),
            ("ship", self.ship, WhatToShip, "End it with a winner: everybody gets this arm."),
        ]
        for word, run, query, summary in moves:
            yield Operation(
                "POST",
                f"{path}/{word}",
                run,
                summary,
                {200: Example("moved", Moved, {"offset": 5, **_AFTER[word]})},
                query=query,
                problems=(*one, "conflict"),
                **shared,
            )


_BODY = {"arms": [{"name": "control"}, {"name": "trending", "scenario": {"logic": "trending"}}]}
_RECORD = {
    "offset": 4,
    "ts": 1700000000.0,
    "by": "key shop",
    "note": "",
    "share": 0.5,
    "experiment": {**_BODY, "traffic": 0.5, "state": "running", "started": 1.7e9, "since": 1.7e9},
}
_COUNTED = {
    "ts": 1700090000.0,
    "outcomes": {
        "control": {"user": 512.0, "shown": 2048.0, "click": 256.0},
        "trending": {"user": 498.0, "shown": 1992.0, "click": 279.0},
    },
    "lifts": [
        {
            "metric": "ctr",
            "variant": "trending",
            "control": 0.125,
            "value": 0.14,
            "lift": 0.12,
            "low": -0.09,
            "high": 0.33,
            "p": 0.61,
            "corrected": 0.61,
        }
    ],
    "sample_ratio": 1.0,
    "needed_users": 41000.0,
    "days_left": 41.2,
    "obstacles": [],
    "rankers": {},
}
_AFTER: Mapping[str, Mapping[str, Any]] = {
    "start": {"state": "running", "share": 0.5},
    "ramp": {"state": "ramping", "share": 0.01},
    "stop": {"state": "rolled_back", "share": 0.0},
    "ship": {"state": "shipped", "share": 0.0},
}
_object = msgspec.json.Decoder(dict[str, Any]).decode


def _draft(body: Mapping[str, Any]) -> Experiment:
    try:
        return draft(body)
    except BadExperiment as error:
        raise wrong(error.faults) from None
