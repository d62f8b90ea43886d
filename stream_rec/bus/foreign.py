"""Where the bridge's foreign topics are, and who reads them."""

from __future__ import annotations

from stream_rec.settings import BusSettings, Settings


def source_bus(settings: Settings) -> BusSettings:
    """The foreign topics' cluster: no prefix is put before their names."""
    bridge, bus = settings.bridge, settings.bus
    there = {"bootstrap": bridge.bootstrap, "security": bridge.security} if bridge.bootstrap else {}
    return bus.model_copy(update={"prefix": "", **there})


def group_of(settings: Settings) -> str:
    """The bridge's consumer group."""
    return settings.bridge.group or f"{settings.bus.group}-bridge"
