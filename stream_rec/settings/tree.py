"""Every setting in one frozen tree: defaults that run with no services, unknown keys refused.

What passes here can be worked with: every number has both bounds, and names are valid for Kafka and Redis. A setting
whose fault only shows at the first event would stop a worker that was thought to be healthy.
The tree and the checks across its branches stand in one file: large branches have files of their own.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from stream_rec.settings.alarm import AlarmSettings
from stream_rec.settings.branch import TEN_YEARS, Branch
from stream_rec.settings.bridge import BridgeSettings, RegistrySettings
from stream_rec.settings.event_types import MOST_BLOCKED, EventTypeTable, built_in_table
from stream_rec.settings.page import PageSettings
from stream_rec.settings.rerank import RerankSettings
from stream_rec.settings.serve import ServeSettings, host_name
from stream_rec.settings.servers import BusSettings, StoreSettings
from stream_rec.settings.shapes import ShapeName, ShapeSettings
from stream_rec.settings.sink import SinkSettings
from stream_rec.sources import features

_SCENARIO = re.compile(r"[A-Za-z0-9.-][A-Za-z0-9_.-]{0,63}")
_SKIPPED = re.compile(
    r"(events|items|vectors|impressions|control)/[0-9]{1,4}:(?P<first>[0-9]{1,18})(-(?P<last>[0-9]{1,18}))?",
    re.ASCII,
)
_DEAD_LETTER_BYTES = 4096
"""Of a dead letter beside the raw bytes, which are in base64."""


def _scenario(name: str) -> str:
    if not _SCENARIO.fullmatch(name):
        raise ValueError("the name of a scenario has 1 to 64 letters, digits, '.', '_' and '-', no '_' first")
    return name


def _skipped(text: str) -> str:
    found = _SKIPPED.fullmatch(text)
    if not found or int(found["last"] or found["first"]) < int(found["first"]):
        raise ValueError(
            "name bad records by topic, partition and offsets: events/3:1000-2000, or items/0:17"
        )
    return text


def _power_of_two(n: int) -> int:
    if n & (n - 1):
        raise ValueError("set a power of two: 32, 64 or 128")
    return n


ScenarioName = Annotated[str, AfterValidator(_scenario)]


class IngestSettings(Branch):
    """What is let in (the rest is dead-lettered)."""

    max_record_bytes: int = Field(
        65_536, ge=256, le=100_000_000, description="largest event, item or impression, as bytes on the wire"
    )
    max_id_bytes: int = Field(
        256, ge=8, le=65_536, description="longest user_id, item_id, session_id or event_id, in UTF-8"
    )
    max_future_seconds: float = Field(
        3600.0, ge=0, le=TEN_YEARS, description="ts may be this far after the broker's timestamp"
    )
    max_lateness_seconds: float = Field(
        0.0,
        ge=0,
        le=10 * TEN_YEARS,
        description="ts may be this far before the broker's timestamp; 0 = any age (replays of old logs)",
    )
    dead_letter_raw_bytes: int = Field(
        16_384, ge=0, le=100_000_000, description="raw bytes kept in a dead letter, at most"
    )
    max_context_entries: int = Field(
        32, ge=0, le=100_000, description="entries of an event's context map, at most"
    )
    max_item_tags: int = Field(64, ge=0, le=100_000, description="tags of an item, at most")
    max_item_attributes: int = Field(32, ge=0, le=1000, description="attributes of an item, at most")
    max_attribute_values: int = Field(
        32, ge=0, le=1000, description="values of an attribute that is a list, at most"
    )
    max_attribute_bytes: int = Field(
        1024, ge=8, le=65_536, description="longest text of an attribute, in UTF-8"
    )
    max_item_text_bytes: int = Field(
        8192, ge=8, le=1_000_000, description="longest title, description, image or link, in UTF-8"
    )
    max_vector_numbers: int = Field(4096, ge=1, le=100_000, description="numbers of a vector, at most")
    max_impression_items: int = Field(200, ge=1, le=100_000, description="items of one impression, at most")
    skip: tuple[Annotated[str, AfterValidator(_skipped)], ...] = Field(
        (),
        max_length=1000,
        description="bad records, e.g. 'events/3:1000-2000' (both ends are left out): the same for all workers",
    )


class SnapshotSettings(Branch):
    """Copies of what the engine has learned, to start from."""

    url: str = Field(
        "",
        description="folder, or fsspec URL such as s3://bucket/folder, that all workers of one tenant share; "
        "empty = no snapshots (secret)",
    )
    options: dict[str, str] = Field(
        default_factory=dict, description="options of the URL's file system, e.g. key, secret (secret)"
    )
    keep: int = Field(3, ge=1, le=1000, description="snapshots kept, the newest")
    every_events: int = Field(
        2_000_000, ge=1, le=1 << 62, description="a snapshot is written when this many events were learned"
    )
    min_seconds: float = Field(
        60.0, ge=0, le=TEN_YEARS, description="but not sooner than this after the one before"
    )
    write_timeout_seconds: float = Field(
        60.0, ge=0.1, le=86_400, description="a snapshot that is not on the local disk by then is abandoned"
    )
    allow_loss: bool = Field(
        False,
        description="start although an incompatible snapshot knows records that the log no longer has; for one start",
    )
    upload_timeout_seconds: float = Field(
        600.0, ge=0.1, le=86_400, description="one that is not at a URL by then is given up"
    )
    stop_seconds: float = Field(
        2.0, ge=0, le=3, description="the last snapshot at shutdown may take this long; 0 = none at shutdown"
    )
    scratch: str = Field(
        "", description="folder for snapshots on their way from or to a URL; empty = the system's"
    )


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")]


class DataSettings(Branch):
    """Data sets by name."""

    folder: str = Field("", description="folder with a sub-folder per data set; also from STREAM_REC_DATA")
    urls: dict[str, str] = Field(
        default_factory=dict,
        max_length=100,
        description="where a data set is fetched from, by its name: any URL that fsspec reads (secret)",
    )
    hashes: dict[str, Sha256] = Field(
        default_factory=dict,
        max_length=100,
        description="sha256 of what is fetched, by the data set's name; by default what it was the first time",
    )
    max_fetch_bytes: int = Field(
        50_000_000_000, ge=1, le=1 << 50, description="bytes of a data set that is fetched, at most"
    )


class ScenarioSettings(Branch):
    """One kind of slate."""

    k: int = Field(20, ge=1, le=200, description="length of the slate")
    repeats: bool = Field(True, description="may the slate hold items the user has already interacted with")


def _known_source(name: str) -> str:
    if name not in features.SWITCHES:
        raise ValueError(f"no source is called {name!r}; there are {', '.join(features.SWITCHES)}")
    return name


SourceName = Annotated[str, AfterValidator(_known_source)]
_MOVED = {
    "event_weights": "[engine.event_types.NAME] with weight = ...",
    "conversion_types": "[engine.event_types.NAME] with conversion = true",
    "dwell_types": "[engine.event_types.NAME] with value = 'dwell'",
}
"""Settings of earlier releases that the table of event types has taken over."""


def _refuse_moved(given: object) -> object:
    """Unlike an unknown key, one that has moved is told where to."""
    for name in _MOVED.keys() & (given.keys() if isinstance(given, dict) else ()):
        raise ValueError(f"{name} is part of the table of event types now: write {_MOVED[name]}")
    return given


class EngineSettings(Branch):
    """Bounds and rates of the engine's state. Same defaults for every data set."""

    _moved = model_validator(mode="before")(_refuse_moved)

    max_users: int = Field(
        1_000_000, ge=16, le=1 << 28, description="users in state; the longest silent are evicted"
    )
    max_items: int = Field(
        100_000, ge=16, le=1 << 24, description="items in state; the longest silent are evicted"
    )
    max_hidden: int = Field(
        100_000,
        ge=16,
        le=1 << 24,
        description="ids of removed or unavailable items that are remembered; those hidden longest ago are forgotten",
    )
    max_windows: int = Field(
        100_000,
        ge=16,
        le=1 << 24,
        description="ids of items with available_from or available_until that are remembered; those whose window ends "
        "first are forgotten",
    )
    max_texts: int = Field(
        500_000,
        ge=16,
        le=1 << 28,
        description="different titles, owners, tags and values of attributes that are held, each once; what there is "
        "no room for is left out",
    )
    max_erased: int = Field(
        100_000,
        ge=16,
        le=1 << 24,
        description="forgotten users whose older events stay forgotten when they are replayed; as many merges",
    )
    history_length: Annotated[int, AfterValidator(_power_of_two)] = Field(
        64,
        ge=8,
        le=128,
        description="events kept per user (a power of two), in their order; of items before them, that they were had",
    )
    session_gap_seconds: float = Field(
        1800.0, gt=0, le=TEN_YEARS, description="a pause this long starts a new session"
    )
    ring_length: int = Field(250, ge=8, le=65_536, description="recent sessions kept per item")
    n_factors: int = Field(32, ge=4, le=256, description="width of user and item factors")
    max_spaces: int = Field(
        4, ge=0, le=16, description="vector spaces, that of `content` among them; gives the ranker its width"
    )
    vector_width: int = Field(
        64, ge=8, le=512, description="width of the vectors that are kept; longer ones are projected to it"
    )
    content: bool = Field(
        True, description="make the vector space `content` from titles, tags, descriptions and attributes"
    )
    train_sample: float = Field(0.05, ge=0, le=1, description="share of events that train the ranker")
    train_first: int = Field(
        3000,
        ge=0,
        le=1_000_000,
        description="events that all train a young ranker; later ones do less and less often, until `train_sample`",
    )
    seed: int = Field(42, ge=0, lt=1 << 63, description="seed of every random choice")
    event_types: EventTypeTable = Field(
        default_factory=built_in_table,
        description="what an event of a type means; every other type is positive and counts 1",
    )
    max_blocked: int = Field(
        262_144,
        ge=16,
        le=1 << 26,
        description="dislikes and `never`s that are remembered, of all users; the oldest are forgotten",
    )
    max_blocked_per_user: int = Field(
        64, ge=1, le=MOST_BLOCKED, description="of them of one user; dislikes are forgotten before `never`s"
    )
    max_undoable: int = Field(
        65_536, ge=16, le=1 << 26, description="events that can still be undone, of all users; 16 of one user"
    )
    index_refresh_events: int = Field(
        16_384, ge=1, le=1 << 40, description="events between refreshes of the vector index"
    )
    exact_below_items: int = Field(
        2048, ge=1, le=1 << 24, description="the vector index is exact up to this many items"
    )
    repeat_window: int = Field(
        65_536,
        ge=0,
        le=1 << 24,
        description="event_ids kept per partition to drop a producer's own repeats; 0 = they are learned again",
    )
    repeat_partitions: int = Field(
        256, ge=1, le=4096, description="partitions whose event_ids are kept: those with a lower number"
    )
    sources: tuple[SourceName, ...] = Field(
        features.SWITCHES, description="sources that rank; one left out still learns, but does not rank"
    )
    river_sources: tuple[str, ...] = Field(
        (), description="river.reco classes used as sources, e.g. 'BiasedMF'"
    )
    catalogue: Literal["auto", "required", "off"] = Field(
        "auto",
        description="recommend only items of the topic `items`: auto = once it has the items of 80 % of the latest "
        "4,096 events, required = always, off = never",
    )
    scenarios: dict[ScenarioName, ScenarioSettings] = Field(
        default_factory=lambda: {"default": ScenarioSettings()},
        min_length=1,
        max_length=64,
        description="the slates written for every user",
    )


class JournalSettings(Branch):
    """In which order a worker learned."""

    folder: str = Field("", description="folder on this machine; empty = no journal")
    max_bytes: int = Field(
        268_435_456,
        ge=65_536,
        le=1 << 50,
        description="all journals in the folder together, at most; the oldest part is deleted",
    )
    flush_events: int = Field(
        10_000, ge=1, le=1 << 40, description="records learned and not yet written to the journal, at most"
    )
    flush_seconds: float = Field(1.0, ge=0.01, le=3600, description="it is written this often")


class MeasureSettings(Branch):
    """Metrics."""

    _moved = model_validator(mode="before")(_refuse_moved)

    k: int = Field(10, ge=1, le=100, description="cut-off of the live hit-rate, MRR and nDCG")
    window_seconds: int = Field(
        60, ge=1, le=86_400, description="metric points are sums over windows this long (broker time)"
    )
    attribution_window_seconds: float = Field(
        1800.0, gt=0, le=TEN_YEARS, description="a click counts for a slate shown at most this long before"
    )
    max_open_impressions: int = Field(
        200_000, ge=16, le=1 << 28, description="impressions waiting for outcomes, at most"
    )
    max_open_places: int = Field(
        2_000_000, ge=256, le=1 << 30, description="places of the impressions waiting for outcomes, at most"
    )
    max_recent_interactions: int = Field(
        200_000,
        ge=16,
        le=1 << 28,
        description="interactions kept for impressions that are learned after them, at most",
    )
    max_outcome_cells: int = Field(
        8192,
        ge=16,
        le=1 << 22,
        description="windows kept open for outcomes (by partition, scenario, variant and segment)",
    )
    max_trial_users: int = Field(
        100_000,
        ge=16,
        le=1 << 26,
        description="users of all experiments together whose outcomes are counted; slates of further ones are not",
    )
    live_seconds: float = Field(
        5.0,
        ge=0,
        le=86_400,
        description="an open window is written, as far as it is, at most this often",
    )
    open_windows: int = Field(4, ge=2, le=64, description="windows of one partition kept in memory")
    served_cache_users: int = Field(
        65_536, ge=16, le=1 << 28, description="last written slates kept in memory for the served hit-rate"
    )
    drift_delta: float = Field(
        0.002, gt=0, lt=1, description="chance of a false drift alarm in 5,000 judged events, at most"
    )
    prometheus_port: int = Field(0, ge=0, le=65535, description="port of /metrics; 0 = any free port")
    prometheus_host: Annotated[str, AfterValidator(host_name)] = Field(
        "127.0.0.1", description="address of /metrics, /live and /ready"
    )
    live_within_seconds: float = Field(
        30.0, ge=0.1, le=86_400, description="/live fails when the worker has made no progress for this long"
    )


class Settings(Branch):
    """The whole tree."""

    bus: BusSettings = Field(default_factory=BusSettings)
    store: StoreSettings = Field(default_factory=StoreSettings)
    ingest: IngestSettings = Field(default_factory=IngestSettings)
    engine: EngineSettings = Field(default_factory=EngineSettings)
    measure: MeasureSettings = Field(default_factory=MeasureSettings)
    alarm: AlarmSettings = Field(default_factory=AlarmSettings)
    journal: JournalSettings = Field(default_factory=JournalSettings)
    snapshot: SnapshotSettings = Field(default_factory=SnapshotSettings)
    sink: SinkSettings = Field(default_factory=SinkSettings)
    rerank: RerankSettings = Field(default_factory=RerankSettings)
    serve: ServeSettings = Field(default_factory=ServeSettings)
    page: PageSettings = Field(default_factory=PageSettings)
    data: DataSettings = Field(default_factory=DataSettings)
    shapes: dict[ShapeName, ShapeSettings] = Field(
        default_factory=dict, max_length=64, description="other people's data, by name (docs/your-data.md)"
    )
    bridge: BridgeSettings = Field(default_factory=BridgeSettings)
    registry: RegistrySettings = Field(default_factory=RegistrySettings)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        """What one setting allows, another must have room for."""
        bus, ingest = self.bus, self.ingest
        if bus.publish_linger_ms >= bus.publish_timeout_seconds * 1000:
            raise ValueError("bus.publish_linger_ms must be shorter than bus.publish_timeout_seconds")
        if self.serve.publish_timeout_seconds >= self.serve.timeout_seconds:
            raise ValueError(
                "serve.publish_timeout_seconds must be shorter than serve.timeout_seconds: who publishes is to be told "
                "what Kafka said"
            )
        if self.bridge.inputs and 0 < self.engine.repeat_window < self.bridge.uncommitted_records:
            raise ValueError(
                "bridge.uncommitted_records is above engine.repeat_window: after a kill, events would be learned twice"
            )
        if ingest.max_record_bytes > bus.max_message_bytes:
            raise ValueError("ingest.max_record_bytes is above bus.max_message_bytes: no topic would take it")
        if ingest.dead_letter_raw_bytes * 4 // 3 + _DEAD_LETTER_BYTES > bus.max_message_bytes:
            raise ValueError(
                "a dead letter with ingest.dead_letter_raw_bytes, in base64, does not fit into bus.max_message_bytes"
            )
        return self
