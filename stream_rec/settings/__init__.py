"""Every setting in one frozen tree, where its value came from, and how it is shown."""

from stream_rec.settings.tree import (
    DATA_VARIABLE,
    DEFAULT_FILE,
    BusSettings,
    DataSettings,
    EngineSettings,
    IngestSettings,
    JournalSettings,
    MeasureSettings,
    ScenarioSettings,
    Settings,
    SnapshotSettings,
    StoreSettings,
    cache_folder,
    load,
)

__all__ = [
    "DATA_VARIABLE",
    "DEFAULT_FILE",
    "BusSettings",
    "DataSettings",
    "EngineSettings",
    "IngestSettings",
    "JournalSettings",
    "MeasureSettings",
    "ScenarioSettings",
    "Settings",
    "SnapshotSettings",
    "StoreSettings",
    "cache_folder",
    "load",
]
