"""Tenants by name: what is whose."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from stream_rec.errors import ConfigError
from stream_rec.settings import BusSettings, ServeSettings, Settings, SnapshotSettings
from stream_rec.settings.tenants import of_tenant


def test_everything_of_a_tenants_begins_with_its_name() -> None:
    bus, snapshot = BusSettings(prefix="eu-", group="workers"), SnapshotSettings(url="s3://bucket/all/")
    its = of_tenant(Settings(bus=bus, snapshot=snapshot), "shop")
    assert (its.bus.prefix, its.bus.group) == ("eu-shop-", "eu-shop-workers")
    assert (its.store.prefix, its.snapshot.url) == ("shop:", "s3://bucket/all/shop")


@pytest.mark.parametrize("name", ["", "Shop", "-shop", "shop-", "a" * 33, "sh op", "popular", "api-keys"])
def test_what_cannot_be_a_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the name of a tenant"):
        of_tenant(Settings(), name)
    with pytest.raises(ValidationError, match="tenant's name"):
        ServeSettings(tenants=(name,))
