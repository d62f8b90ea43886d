"""What slates are: scenarios, read and decided."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from stream_rec.api.body import read_json
from stream_rec.api.ids import must_be_id
from stream_rec.api.operation import Answer, Call, Caller, Example, Operation, answer
from stream_rec.api.problem import Problem
from stream_rec.producers.scenarios.apply import Scenarios, Version
from stream_rec.schemas.decisions import NAME
from stream_rec.schemas.faults import Fault, dotted
from stream_rec.schemas.scenario import Scenario
from stream_rec.schemas.scenario_check import BadScenario, scenario_of
from stream_rec.sdk.preview import PreviewWish, Tried
from stream_rec.sdk.wire import Applied, Id, InForce
from stream_rec.serve import engine_answers
from stream_rec.serve.engine_process import EngineProcess
from stream_rec.serve.rule_warnings import known_names, warnings
from stream_rec.settings import Settings


class ScenarioRoutes:
    """The routes. Each reads the log, so one is answered at a time.

    Args:
        settings: addresses and limits.
        beside: tries scenarios out.
    """

    def __init__(self, settings: Settings, beside: EngineProcess) -> None:
        self._settings = settings
        self._beside = beside
        self._asking = asyncio.Lock()

    async def all_of_them(self, call: Call) -> Answer:
        """By name."""
        found = (await self._scenarios(call.caller)).in_force()
        return answer({name: _wire(version) for name, version in found.items()})

    async def one(self, call: Call) -> Answer:
        """One of them."""
        found = (await self._scenarios(call.caller)).in_force()
        name = call.path["name"]
        if name not in found:
            raise Problem("not-found", "no scenario has this name", where="path name", fix=_known(found))
        return answer(_wire(found[name]))

    async def put(self, call: Call) -> Answer:
        """What a scenario is from now on."""
        name, wanted = call.path["name"], _scenario(read_json(call.body, _object))
        _check_name(name)
        scenarios = await self._scenarios(call.caller)
        known = await asyncio.to_thread(known_names, self._settings.store)
        in_vain = tuple(warnings({name: wanted}, known).get(name, ()))
        if not list(scenarios.changed({name: wanted})):
            return answer(Applied(-1, in_vain))
        (ack,) = await asyncio.to_thread(scenarios.apply, {name: wanted}, "over HTTP")
        return answer(Applied(ack.offset, in_vain))

    async def delete(self, call: Call) -> Answer:
        """The settings' scenario is in force again, or none."""
        scenarios, name = await self._scenarios(call.caller), call.path["name"]
        if scenarios.in_force().get(name, _NONE).offset < 0:
            raise Problem("not-found", "no record has this name", where="path name", fix="GET /v1/scenarios")
        ack = await asyncio.to_thread(scenarios.take_back, name)
        return answer(Applied(ack.offset))

    async def preview(self, call: Call) -> Answer:
        """What a scenario would do for a user, by an engine of its own."""
        self._need_kafka()
        if not self._settings.serve.previews:
            raise Problem(
                "not-set-up",
                "scenarios are not tried out on this server",
                fix="set serve.previews, and give it a worker's memory besides; or `stream-rec scenario preview`",
            )
        name, wish = call.path["name"], read_json(call.body, _wish)
        _check_name(name)
        must_be_id(wish.user_id, "body user_id", self._settings.ingest)
        wanted = {name: _scenario(wish.scenario, "scenario")}
        told = await self._beside.ask(engine_answers.preview, user_id=wish.user_id, scenarios=wanted)
        (found,) = told["scenarios"]
        tried = {**found, "user_id": wish.user_id, "engine": told["engine"]}
        return answer(msgspec.convert(tried, Tried))

    def _need_kafka(self) -> None:
        if not self._settings.bus.bootstrap:
            raise Problem("not-set-up", "this server has no Kafka", fix="set bus.bootstrap")

    async def _scenarios(self, caller: Caller) -> Scenarios:
        self._need_kafka()
        async with self._asking:
            by = f"key {caller.name}" if caller.name else ""
            return await asyncio.to_thread(Scenarios, self._settings, by=by)

    def operations(self) -> Iterator[Operation]:
        """All of them."""
        problems = ("unavailable", "misconfigured", "not-set-up")
        shared: dict[str, Any] = {"is_slow": True, "problems": problems}
        one: dict[str, Any] = {**shared, "problems": (*problems, "not-found")}
        found = {"offset": 3, "ts": 1700000000.0, "by": "key shop", "note": "", "scenario": {"k": 12}}
        decided = {200: Example("decided", Applied, {"offset": 4})}
        path = "/v1/scenarios/{name}"
        yield Operation(
            "GET",
            "/v1/scenarios",
            self.all_of_them,
            "All scenarios in force, with those of the settings.",
            {200: Example("by name", dict[str, InForce], {"home": found})},
            scope="read",
            **shared,
        )
        yield Operation(
            "GET", path, self.one, "One scenario.", {200: Example("it", InForce, found)}, scope="read", **one
        )
        yield Operation(
            "PUT",
            path,
            self.put,
            "Put a scenario in force: the body is what differs from the defaults (docs/control.md).",
            decided,
            scope="admin",
            body=Scenario,
            body_example={"k": 12, "filter": "price < 100.0"},
            **shared,
        )
        yield Operation(
            "POST",
            f"{path}/preview",
            self.preview,
            "Try a scenario on a user: both slates, and what each rule and change does. Nothing is applied.",
            {200: Example("before and after", Tried, _TRIED)},
            scope="admin",
            body=PreviewWish,
            body_example={"user_id": "ann", "scenario": {"k": 2, "filter": "price < 100.0"}},
            **shared,
        )
        yield Operation(
            "DELETE",
            path,
            self.delete,
            "Take a scenario's record back: the settings' one is in force again, or none.",
            decided,
            scope="admin",
            **one,
        )


_TRIED = {
    "scenario": "home",
    "is_on": True,
    "changes": ["k: 20 -> 2", 'filter: "" -> "price < 100.0"'],
    "before": ["ring", "milk", "bread"],
    "after": ["milk", "bread"],
    "moved": [
        {"item_id": "milk", "was": 2, "now": 1},
        {"item_id": "bread", "was": 3, "now": 2},
        {"item_id": "ring", "was": 1, "now": None},
    ],
    "explained": [
        {
            "item_id": "milk",
            "place": 1,
            "score": 1.25,
            "reason": {"source": "popularity"},
            "by_source": {"popularity": 1.25},
            "rules": ["filter: it goes through"],
            "absent": None,
        }
    ],
    "effects": [
        {"rule": "k", "says": "20 -> 2", "moved": []},
        {"rule": "filter", "says": "price < 100.0", "moved": [{"item_id": "ring", "was": 1, "now": None}]},
    ],
    "user_id": "ann",
    "engine": "as of 1,204 records of the log",
}
_NONE = Version(-1, 0.0, "", "", None)
_object = msgspec.json.Decoder(dict[str, Any]).decode


class _Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A `PreviewWish` whose scenario is read as that of a decision is, so that mistakes are told alike."""

    user_id: Id
    scenario: dict[str, Any]


_wish = msgspec.json.Decoder(_Wish).decode


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise Problem(
            "refused", "it is no name", where="path name", fix="1 to 64 letters, digits, '.', '_', '-'"
        )


def _scenario(body: Mapping[str, Any], *at: str) -> Scenario:
    """A scenario of a body, which stands there in it."""
    try:
        return scenario_of(body)
    except BadScenario as error:
        raise wrong([each._replace(path=(*at, *each.path)) for each in error.faults]) from None


def wrong(faults: Sequence[Fault]) -> Problem:
    """What is wrong in a decision's body: the first fault, and how many there are."""
    first, more = faults[0], f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return Problem(
        "refused", f"{first.said}{more}", where=f"body {dotted(first.path)}".strip(), fix=first.fix
    )


def _wire(of: Version) -> InForce:
    return InForce(of.offset, of.ts, of.by, of.note, of.scenario)


def _known(names: Mapping[str, Version]) -> str:
    return f"one of {', '.join(sorted(names))}"
