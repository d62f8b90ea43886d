"""Every setting in one frozen tree, where its value came from, and how it is shown."""

from stream_rec.settings.alarm import AlarmSettings
from stream_rec.settings.bridge import BridgeSettings, InputSettings, RegistrySettings
from stream_rec.settings.cache import cache_folder, wanted_cache_folder
from stream_rec.settings.event_types import EventTypeSettings, ValueCondition, parse_condition
from stream_rec.settings.load import DATA_VARIABLE, DEFAULT_FILE, load
from stream_rec.settings.rerank import RerankSettings
from stream_rec.settings.serve import ServeSettings
from stream_rec.settings.servers import BusSettings, StoreSettings
from stream_rec.settings.shapes import ShapeSettings
from stream_rec.settings.sink import SinkSettings
from stream_rec.settings.tree import (
    DataSettings,
    EngineSettings,
    IngestSettings,
    JournalSettings,
    MeasureSettings,
    ScenarioSettings,
    Settings,
    SnapshotSettings,
)

__all__ = [
    "DATA_VARIABLE",
    "DEFAULT_FILE",
    "AlarmSettings",
    "BridgeSettings",
    "BusSettings",
    "DataSettings",
    "EngineSettings",
    "EventTypeSettings",
    "IngestSettings",
    "InputSettings",
    "JournalSettings",
    "MeasureSettings",
    "RegistrySettings",
    "RerankSettings",
    "ScenarioSettings",
    "ServeSettings",
    "Settings",
    "ShapeSettings",
    "SinkSettings",
    "SnapshotSettings",
    "StoreSettings",
    "ValueCondition",
    "cache_folder",
    "load",
    "parse_condition",
    "wanted_cache_folder",
]
