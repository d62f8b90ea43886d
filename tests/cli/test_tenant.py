"""`stream-rec tenant`: what it makes is what workers and servers of the tenant need."""

from __future__ import annotations

import json
from pathlib import Path

import httpx

from stream_rec.bus.topics import partition_counts
from stream_rec.schemas.records import Interaction
from stream_rec.schemas.topics import TOPICS
from stream_rec.settings import Settings, load
from stream_rec.settings.tenants import of_tenant
from tests.api.serving import served
from tests.cli.running import addresses, run
from tests.reading import records


def test_a_tenant_has_topics_keys_and_settings_of_its_own(tansu_settings: Settings, tmp_path: Path) -> None:
    here = addresses(tansu_settings)
    made = run("tenant", "create", "shop", "--json", environment=here, folder=tmp_path, deadline_seconds=300)
    assert made.returncode == 0, made.stderr
    found = json.loads(made.stdout)
    its, _ = load(file=tmp_path / found["settings"], environment={})
    assert its.bus.prefix == f"{tansu_settings.bus.prefix}shop-"
    assert its.store.prefix == f"{tansu_settings.store.prefix}shop:"
    assert its.bus.group == f"{its.bus.prefix}{tansu_settings.bus.group}"
    assert set(partition_counts(its.bus)) == set(TOPICS)

    serve = tansu_settings.serve.model_copy(update={"tenants": ("shop",)})
    key = {"authorization": f"Bearer {found['keys']['read, publish']}"}
    with served(tansu_settings.model_copy(update={"serve": serve})) as url:
        event = {"user_id": "ann", "item_id": "i1", "event_type": "view"}
        assert httpx.post(f"{url}/v1/events", json=event, headers=key).status_code == 202
    assert [each.user_id for each in records(its.bus, "events", Interaction)] == ["ann"]


def test_a_file_that_is_there_is_kept_and_no_tenant_is_made(tansu_settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text("# mine\n")
    here = addresses(tansu_settings)
    refused = run("tenant", "create", "shop", environment=here, folder=tmp_path, deadline_seconds=300)
    assert (refused.returncode, "is there already" in refused.stderr) == (2, True)
    assert (tmp_path / "shop.toml").read_text() == "# mine\n"
    assert not partition_counts(of_tenant(tansu_settings, "shop").bus)
