"""Tenants that share Kafka and Redis: which topics, keys, group and snapshots are whose, by the tenant's name."""

from __future__ import annotations

from stream_rec.errors import ConfigError
from stream_rec.settings.serve import is_tenant
from stream_rec.settings.tree import Settings


def of_tenant(settings: Settings, name: str) -> Settings:
    """The settings of a tenant on the same servers; all else as it is.

    Topics `<name>-events` and so on, the group `<name>-<group>`, Redis keys `<name>:...`, and folders for snapshots
    and the sink, if there are any: each behind the prefix that the settings have already. So one rule for each server
    gives a user what begins with the name (docs/security.md).

    Raises:
        ConfigError: it cannot be the name of a tenant.
    """
    if not is_tenant(name):
        raise ConfigError(
            f"{name!a} cannot be the name of a tenant",
            fix="1 to 32 lower-case letters, digits and '-', and none of the names of our own Redis keys",
        )
    bus, store, snapshot = settings.bus, settings.store, settings.snapshot
    prefix = f"{bus.prefix}{name}-"
    return settings.model_copy(
        update={
            "bus": bus.model_copy(update={"prefix": prefix, "group": f"{prefix}{bus.group}"}),
            "store": store.model_copy(update={"prefix": f"{store.prefix}{name}:"}),
            "snapshot": snapshot.model_copy(update={"url": _within(snapshot.url, name)}),
            "sink": settings.sink.model_copy(update={"url": _within(settings.sink.url, name)}),
        }
    )


def _within(url: str, name: str) -> str:
    return f"{url.rstrip('/')}/{name}" if url else ""
