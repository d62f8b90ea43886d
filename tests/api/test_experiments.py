"""Experiments over HTTP: from draft to the end, with what was counted, and every refusal named."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from stream_rec.producers.experiments.experiments import Experiments
from stream_rec.schemas.records import Control
from stream_rec.settings import Settings
from stream_rec.store.last_values import LastValuesStore
from tests.reading import records
from tests.store.building import Stores, with_stores

BODY = {"arms": [{"name": "control"}, {"name": "blue", "scenario": {"k": 2}}], "layer": "ranking"}
URL = "/v1/experiments/front"


def put(http: httpx.Client, url: str = URL, **fields: Any) -> httpx.Response:
    return http.put(url, json={**BODY, **fields})


def problem(answer: httpx.Response) -> tuple[int, str, str]:
    found = answer.json()
    return answer.status_code, found["type"].rpartition(":")[2], found.get("where", "")


def test_an_experiment_lives_from_draft_to_the_end(http: httpx.Client, bus: Settings) -> None:
    assert http.get("/v1/experiments").json() == {}
    assert problem(http.get(URL)) == (404, "not-found", "path name")
    assert put(http).json() == {"offset": 0}
    assert put(http).json() == {"offset": -1}
    assert http.post(f"{URL}/ramp", params={"note": "at last"}).json() == {
        "offset": 1,
        "state": "ramping",
        "share": 0.01,
    }
    assert http.post(f"{URL}/start").json()["state"] == "running"
    assert http.post(f"{URL}/stop", params={"pause": True}).json()["state"] == "paused"
    assert problem(http.post(f"{URL}/ship", params={"arm": "bleu"})) == (422, "refused", "query arm")
    assert http.post(f"{URL}/ship", params={"arm": "blue"}).json() == {
        "offset": 4,
        "state": "shipped",
        "share": 0.0,
    }
    assert problem(http.post(f"{URL}/start")) == (409, "conflict", "")
    assert problem(put(http, mde=0.1)) == (409, "conflict", "")
    assert problem(http.post("/v1/experiments/none/start"))[1] == "not-found"
    told = http.get(URL).json()
    assert [(each["offset"], each["share"], each["note"]) for each in told["history"]] == [
        (0, 0.0, "over HTTP"),
        (1, 0.01, "at last"),
        (2, 1.0, "over HTTP"),
        (3, 0.0, "over HTTP"),
        (4, 0.0, "over HTTP"),
    ]
    assert (told["offset"], told["experiment"]["winner"], told["counted"]) == (4, "blue", None)
    assert http.get("/v1/experiments").json()["front"]["experiment"] == told["experiment"]
    assert Experiments(bus).one("front").experiment.state == "shipped"


def test_a_layer_without_room_is_a_conflict(http: httpx.Client) -> None:
    put(http, traffic=0.6)
    put(http, "/v1/experiments/back", traffic=0.6)
    http.post(f"{URL}/start")
    assert problem(http.post("/v1/experiments/back/start")) == (409, "conflict", "")
    http.post(f"{URL}/stop")
    assert http.post("/v1/experiments/back/start").json()["share"] == 0.6


def test_what_was_counted_is_what_the_worker_reports(http: httpx.Client, bus: Settings) -> None:
    put(http)
    http.post(f"{URL}/start")

    async def story(my: Stores) -> None:
        figures = {
            "experiment{experiment=front,outcome=user,variant=blue}": 120.0,
            "experiment_lift{experiment=front,figure=lift,of=ctr,variant=blue}": 0.25,
            "experiment_reading{experiment=front,figure=days_left}": 3.5,
            "experiment_obstacle{experiment=front,obstacle=no_outcome,of=ctr}": 1.0,
        }
        await LastValuesStore(my.redis, my.settings, my.clock, worker="w").write(figures)

    with_stores(bus.store, story)
    found = http.get(URL).json()["counted"]
    assert found["outcomes"] == {"blue": {"user": 120.0}}
    assert (found["lifts"][0]["lift"], found["lifts"][0]["low"], found["days_left"]) == (0.25, None, 3.5)
    (at,) = found["obstacles"]
    assert (at["obstacle"], at["metric"], at["says"][:28]) == (
        "no_outcome",
        "ctr",
        "ctr is 0 for every user of e",
    )


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"arms": [{"name": "control"}]}, "body arms"),
        ({**BODY, "primary": "crt"}, "body primary"),
        ({**BODY, "state": "running"}, "body state"),
        ({"arms": [{"name": "a"}, {"name": "b", "sources": ["sesion"]}]}, "body arms[1].sources[0]"),
        ({**BODY, "trafic": 1.0}, "body trafic"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_decided(
    http: httpx.Client, bus: Settings, body: dict[str, Any], where: str
) -> None:
    assert problem(http.put(URL, json=body)) == (422, "refused", where)
    assert problem(http.put("/v1/experiments/a%20b", json=BODY)) == (422, "refused", "path name")
    assert records(bus.bus, "control", Control) == []
