"""docs/sdk.md is what the docstrings of the clients say, and their examples do what they show."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from stream_rec import Client, HttpClient, Impression, Interaction, Item
from stream_rec.bus.topics import ensure_topics
from stream_rec.schemas.experiment import Arm, Experiment
from stream_rec.schemas.records import Vector
from stream_rec.schemas.scenario import Scenario
from stream_rec.sdk.errors import HttpProblem
from stream_rec.sdk.options import HttpOptions
from stream_rec.sdk.wire import PageRail
from stream_rec.settings import Settings
from tests.api.serving import served
from tests.store.building import Stores, as_of, slate, with_stores
from tests.store.test_lists import Row

SCRIPTS = Path(__file__).parents[2] / "scripts"
NAMES = {
    "time": time,
    "Interaction": Interaction,
    "Vector": Vector,
    "Item": Item,
    "Impression": Impression,
    "Scenario": Scenario,
    "Arm": Arm,
    "Experiment": Experiment,
    "PageRail": PageRail,
}
PATIENCE_SECONDS = 280.0
"""A preview starts an engine, beside other tests."""
PROBLEMS = {"HttpClient.rank": "needs-live", "HttpClient.visitor": "refused"}
"""Examples that only a live server can answer, or one with a browser key."""


def test_the_reference_is_the_docstrings() -> None:
    checked = subprocess.run(
        [sys.executable, str(SCRIPTS / "sdk_doc.py"), "--check"], check=False, timeout=60
    )
    assert checked.returncode == 0, "docs/sdk.md is stale: run `make docs`"


def test_every_method_has_an_example_that_runs(
    tansu_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(SCRIPTS)
    told: Any = importlib.import_module("sdk_doc")
    ensure_topics(tansu_settings.bus)

    async def story(my: Stores) -> None:
        await my.slates.write([slate("ann", as_of(5), ["tea", "cup", "pot"])])
        await my.lists.write_similar({"tea": Row(["cup"])}, as_of=as_of(5), model="m")

    with_stores(tansu_settings.store, story)
    shown = set()
    patient = tansu_settings.serve.model_copy(update={"slow_timeout_seconds": PATIENCE_SECONDS})
    options = HttpOptions(slow_timeout_seconds=PATIENCE_SECONDS)
    with (
        served(tansu_settings.model_copy(update={"serve": patient})) as url,
        HttpClient(url, options=options) as over_http,
        Client(tansu_settings.store) as over_redis,
    ):
        clients = {"HttpClient": over_http, "Client": over_redis}
        for each in told.examples():
            shown.add(each.of)
            try:
                exec(each.code, {**NAMES, "client": clients[each.of.partition(".")[0]]})
            except HttpProblem as error:
                assert error.kind == PROBLEMS.get(each.of), each.of
    public = {
        f"{name}.{method}"
        for name, of in (("HttpClient", HttpClient), ("Client", Client))
        for method in vars(of)
        if not method.startswith("_")
    }
    assert public - shown == {"HttpClient.close", "Client.close", "Client.at"}
