"""Every setting in one frozen tree: defaults that run with no services, unknown keys refused.

Sources, later ones win: defaults, a TOML file (`--config FILE`, else `stream-rec.toml` in the working folder, else
none), the environment (`STREAM_REC__BUS__BOOTSTRAP=...`), flags (`--set bus.bootstrap=...`).
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stream_rec.errors import ConfigError
from stream_rec.settings import key_paths

ENV_PREFIX = "STREAM_REC__"
DEFAULT_FILE = "stream-rec.toml"
DATA_VARIABLE = "STREAM_REC_DATA"


class _Branch(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BusSettings(_Branch):
    """Kafka."""

    bootstrap: str = Field("", description="Kafka bootstrap servers; empty = start the embedded broker")
    prefix: str = Field("", description="put before every topic's name: the tenant")
    group: str = Field("stream-rec", description="consumer group of the workers")
    partitions: int = Field(4, ge=1, le=4096, description="partitions of topics that are created")
    replication: int = Field(1, ge=1, description="replication factor of topics that are created")
    max_message_bytes: int = Field(1_048_576 * 6, ge=1024, description="largest message a topic takes")
    session_timeout_seconds: float = Field(
        6.0, gt=0, description="a silent worker loses its partitions after this"
    )
    commit_interval_seconds: float = Field(1.0, gt=0, description="how often done offsets are committed")
    batch_max_records: int = Field(500, ge=1, description="records in one batch of one partition, at most")
    batch_max_bytes: int = Field(
        1_048_576, ge=1024, description="bytes in one batch, at most (one record may be larger)"
    )
    stream_buffer_batches: int = Field(
        8, ge=2, description="batches of one topic that are fetched and not yet done, at most"
    )
    fetch_wait_seconds: float = Field(
        0.03,
        gt=0,
        le=5,
        description="the broker may hold an empty fetch this long; twice as long after a quiet second",
    )
    drain_seconds: float = Field(
        2.0,
        gt=0,
        le=30,
        description="at a rebalance or a stop, batches in hand get this long, then come again",
    )
    admin_timeout_seconds: float = Field(
        10.0, gt=0, description="one question about topics or offsets may take this"
    )
    metadata_seconds: float = Field(
        5.0, gt=0, le=300, description="how often is looked whether topics have more partitions"
    )
    backoff_max_seconds: float = Field(
        1.0, gt=0, le=60, description="longest pause between tries while Kafka is down"
    )
    follow_ahead_records: int = Field(
        4_000, ge=1, description="records of partitions that others own, read and not yet learned, at most"
    )
    follow_ahead_bytes: int = Field(16_777_216, ge=1024, description="the same in bytes, within a batch")
    follow_slice_seconds: float = Field(
        0.005,
        gt=0,
        le=1,
        description="records that others serve are learned in slices this long, so that owned batches wait no longer",
    )
    ready_within_records: int = Field(
        10_000,
        ge=0,
        description="joins the group when no partition's learning is further behind what the group has served; is "
        "ready when no partition is further from its end",
    )
    publish_timeout_seconds: float = Field(
        30.0, gt=0, description="a record not acknowledged by then is an error"
    )
    publish_linger_ms: float = Field(
        2.0, ge=0, description="a publisher waits this long for more records to send together"
    )
    publish_queue_records: int = Field(
        50_000, ge=1, description="records sent and not yet acknowledged, at most; then `send` waits"
    )
    publish_queue_bytes: int = Field(67_108_864, ge=1024, description="the same in bytes")
    security: dict[str, str] = Field(
        default_factory=dict,
        description="TLS and SASL in librdkafka's words, e.g. security.protocol, sasl.username (secret)",
    )


class StoreSettings(_Branch):
    """Redis."""

    url: str = Field("", description="redis:// or rediss:// URL; empty = start the embedded server (secret)")
    username: str = Field("", description="ACL user; empty = the URL's, or Redis' default user")
    password: str = Field("", description="its password; empty = the URL's, or none (secret)")
    ca_file: str = Field("", description="PEM file of authorities for rediss://; empty = the system's")
    certificate_file: str = Field("", description="PEM file of our certificate, if Redis asks for one")
    key_file: str = Field("", description="PEM file of its key; empty = it is in certificate_file")
    key_password: str = Field("", description="the password of an encrypted key (secret)")
    prefix: str = Field("", description="put before every key: the tenant")
    slate_ttl_seconds: int = Field(7 * 86_400, ge=1, description="a slate not renewed by then expires")
    pipeline_keys: int = Field(512, ge=1, description="keys read or written in one Redis pipeline, at most")
    keys_per_script: int = Field(
        64, ge=1, description="slates written by one call of a script, at most; 1 for Redis Cluster"
    )
    timeout_seconds: float = Field(5.0, gt=0, description="one reply may take this long")
    backoff_max_seconds: float = Field(
        2.0, gt=0, description="longest pause between tries while Redis is down"
    )
    rewrite_per_second: int = Field(
        2000, ge=1, description="slates written again after Redis lost them, at most"
    )
    max_connections: int = Field(16, ge=1, description="connections to Redis per process, at most")
    stop_grace_seconds: float = Field(
        1.0,
        gt=0,
        description="what is under way at revocation or SIGTERM may take this long, then it is dropped",
    )
    list_items: int = Field(
        100, ge=1, le=1000, description="items in popular, trending, new and similar:<item>, at most"
    )
    lists_seconds: float = Field(
        1.0, gt=0, description="popular, trending, new and similar are written this often"
    )
    similar_per_second: float = Field(
        100.0, ge=0, description="similar:<item> lists written, at most; those of items that people touch"
    )
    max_removed: int = Field(100_000, ge=1, description="item ids in `removed`, the latest, at most")
    metrics_ttl_seconds: int = Field(300, ge=1, description="last values of a worker that is silent expire")


class IngestSettings(_Branch):
    """What is let in (the rest is dead-lettered)."""

    max_record_bytes: int = Field(
        65_536, ge=256, description="largest event, item or impression, as bytes on the wire"
    )
    max_id_bytes: int = Field(
        256, ge=8, description="longest user_id, item_id, session_id or event_id, in UTF-8"
    )
    max_future_seconds: float = Field(
        3600.0, ge=0, description="ts may be this far after the broker's timestamp"
    )
    max_lateness_seconds: float = Field(
        0.0,
        ge=0,
        description="ts may be this far before the broker's timestamp; 0 = any age (replays of old logs)",
    )
    dead_letter_raw_bytes: int = Field(16_384, ge=0, description="raw bytes kept in a dead letter, at most")
    max_context_entries: int = Field(32, ge=0, description="entries of an event's context map, at most")
    max_item_tags: int = Field(64, ge=0, description="tags of an item, at most")
    max_impression_items: int = Field(200, ge=1, description="items of one impression, at most")


class SnapshotSettings(_Branch):
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
        2_000_000, ge=1, description="a snapshot is written when so many events were learned"
    )
    min_seconds: float = Field(60.0, ge=0, description="but not sooner than this after the one before")
    write_timeout_seconds: float = Field(
        60.0, gt=0, description="a snapshot that is not on the local disk by then is given up"
    )
    stop_seconds: float = Field(
        2.0, ge=0, le=3, description="a last snapshot at the stop may take this long; 0 = none at the stop"
    )
    scratch: str = Field(
        "", description="folder for snapshots on their way from or to a URL; empty = the system's"
    )


class DataSettings(_Branch):
    """Data sets by name."""

    folder: str = Field("", description="folder with a sub-folder per data set; also from STREAM_REC_DATA")


class ScenarioSettings(_Branch):
    """One kind of slate."""

    k: int = Field(20, ge=1, le=200, description="length of the slate")
    repeats: bool = Field(True, description="may the slate hold items the user has already interacted with")


SourceName = Literal["popularity", "transitions", "neighbours", "item_neighbours", "factorization", "session"]


class EngineSettings(_Branch):
    """Bounds and rates of the engine's state. Same defaults for every data set."""

    max_users: int = Field(1_000_000, ge=16, description="users in state; the longest silent are evicted")
    max_items: int = Field(
        100_000, ge=16, le=1 << 24, description="items in state; the longest silent are evicted"
    )
    history_length: int = Field(64, ge=8, le=128, description="events kept per user (a power of two)")
    session_gap_seconds: float = Field(1800.0, gt=0, description="a pause this long starts a new session")
    ring_length: int = Field(250, ge=8, description="recent sessions kept per item")
    n_factors: int = Field(32, ge=4, le=256, description="width of user and item factors")
    train_sample: float = Field(0.05, ge=0, le=1, description="share of events that train the ranker")
    seed: int = Field(42, ge=0, description="seed of every random choice")
    event_weights: dict[str, Annotated[float, Field(ge=0, le=1000)]] = Field(
        default_factory=lambda: {"purchase": 2.0, "cart": 1.5},
        description="weight of an event type; every other type counts 1",
    )
    index_refresh_events: int = Field(
        16_384, ge=1, description="events between refreshes of the vector index"
    )
    exact_below_items: int = Field(2048, ge=1, description="the vector index is exact up to this many items")
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
        get_args(SourceName), description="sources that rank; one left out still learns, but is not heard"
    )
    river_sources: tuple[str, ...] = Field(
        (), description="river.reco classes used as sources, e.g. 'BiasedMF'"
    )
    scenarios: dict[str, ScenarioSettings] = Field(
        default_factory=lambda: {"default": ScenarioSettings()},
        description="the slates written for every user",
    )


class JournalSettings(_Branch):
    """In which order a worker learned."""

    folder: str = Field("", description="folder on this machine; empty = no journal")
    max_bytes: int = Field(
        268_435_456,
        ge=65_536,
        description="all journals in the folder together, at most; the oldest part goes",
    )
    flush_events: int = Field(
        10_000, ge=1, description="records learned and not yet written to the journal, at most"
    )
    flush_seconds: float = Field(1.0, gt=0, description="it is written this often")


class MeasureSettings(_Branch):
    """Metrics."""

    k: int = Field(10, ge=1, le=100, description="cut-off of the live hit-rate, MRR and nDCG")
    window_seconds: int = Field(
        60, ge=1, description="metric points are sums over windows this long (broker time)"
    )
    attribution_window_seconds: float = Field(
        1800.0, gt=0, description="a click counts for a slate shown at most this long before"
    )
    max_open_impressions: int = Field(200_000, ge=16, description="impressions waiting for outcomes, at most")
    max_open_places: int = Field(
        2_000_000, ge=256, description="places of the impressions waiting for outcomes, at most"
    )
    max_recent_interactions: int = Field(
        200_000, ge=16, description="interactions kept for impressions that are learned after them, at most"
    )
    max_outcome_cells: int = Field(
        8192,
        ge=16,
        description="windows kept open for outcomes (by partition, scenario, variant and segment)",
    )
    conversion_types: tuple[str, ...] = Field(("purchase",), description="event types that are conversions")
    dwell_types: tuple[str, ...] = Field(
        ("dwell", "view"), description="event types whose value is a dwell time in seconds"
    )
    live_seconds: float = Field(
        5.0, ge=0, description="a window that is not over is written as far as it is at most this often"
    )
    open_windows: int = Field(4, ge=2, le=64, description="windows of one partition kept in memory")
    served_cache_users: int = Field(
        65_536, ge=16, description="last written slates kept in memory for the served hit-rate"
    )
    drift_delta: float = Field(0.002, gt=0, lt=1, description="ADWIN's confidence on the served hit-rate")
    prometheus_port: int = Field(0, ge=0, le=65535, description="port of /metrics; 0 = any free port")
    prometheus_host: str = Field("127.0.0.1", description="address of /metrics, /live and /ready")
    live_within_seconds: float = Field(
        30.0, gt=0, description="/live fails when the worker has been stuck for so long"
    )


class Settings(_Branch):
    """The whole tree."""

    bus: BusSettings = Field(default_factory=BusSettings)
    store: StoreSettings = Field(default_factory=StoreSettings)
    ingest: IngestSettings = Field(default_factory=IngestSettings)
    engine: EngineSettings = Field(default_factory=EngineSettings)
    measure: MeasureSettings = Field(default_factory=MeasureSettings)
    journal: JournalSettings = Field(default_factory=JournalSettings)
    snapshot: SnapshotSettings = Field(default_factory=SnapshotSettings)
    data: DataSettings = Field(default_factory=DataSettings)


def load(
    *,
    file: Path | None = None,
    flags: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> tuple[Settings, dict[str, str]]:
    """Read the tree from all its sources.

    Args:
        file: a TOML file; None = `stream-rec.toml` in the working folder if there is one.
        flags: `key.path=value`, from the command line.
        environment: None = the process's.

    Returns:
        The settings, and for every key path that is not at its default where its value came from.

    Raises:
        ConfigError: an unknown key, an ill-typed value, or a file that cannot be read; names the key and its source.
    """
    origins: dict[str, str] = {}
    tree: dict[str, Any] = {}
    path = file or (Path(DEFAULT_FILE) if Path(DEFAULT_FILE).exists() else None)
    if path is not None:
        try:
            data = tomllib.loads(path.read_text())
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(
                f"cannot read settings from {path}: {error}", fix="give a valid TOML file"
            ) from error
        key_paths.merge(tree, data, origins, str(path))
    variables = environment if environment is not None else os.environ  # noqa: TID251
    if DATA_VARIABLE in variables:
        key_paths.merge(
            tree, {"data": {"folder": variables[DATA_VARIABLE]}}, origins, f"environment {DATA_VARIABLE}"
        )
    for name, value in sorted(variables.items()):
        if name.startswith(ENV_PREFIX):
            keys = name[len(ENV_PREFIX) :].lower().split("__")
            key_paths.merge(
                tree,
                key_paths.nest(keys, key_paths.parse(Settings, keys, value)),
                origins,
                f"environment {name}",
            )
    for flag in flags:
        key, equals, value = flag.partition("=")
        if not equals:  # it is not repeated: it may be a URL with a password in it
            raise ConfigError("--set without a `=`", fix="write --set key.path=value")
        keys = key_paths.path(key)
        key_paths.merge(
            tree,
            key_paths.nest(keys, key_paths.parse(Settings, keys, value)),
            origins,
            f"--set {key}",
        )
    try:
        return Settings.model_validate(tree), origins
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            where = ".".join(str(part) for part in problem["loc"])
            lines.append(f"{where} (from {origins.get(where, 'settings')}): {problem['msg']}")
        raise ConfigError(
            "settings are wrong:\n  " + "\n  ".join(lines), fix="`stream-rec settings` lists every setting"
        ) from error


def cache_folder() -> Path:
    """Where compiled kernels, fetched data sets and broker jars are kept: `$XDG_CACHE_HOME/stream-rec`."""
    base = os.environ.get("XDG_CACHE_HOME")  # noqa: TID251
    return (Path(base) if base else Path.home() / ".cache") / "stream-rec"
