"""What passes the check can be worked with: a thousand trees at random, and every setting at its bounds."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import pytest
from confluent_kafka import Consumer, Producer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from stream_rec.bus.clients import client_config, producer_config
from stream_rec.engine.engine import Engine
from stream_rec.errors import ConfigError, StreamRecError
from stream_rec.feedback.measures import Measures
from stream_rec.history.snapshots.store import SnapshotStore
from stream_rec.settings import MeasureSettings, Settings, load
from stream_rec.settings.masking import hide
from stream_rec.settings.table import list_settings, secrets
from stream_rec.store.connection import connect
from stream_rec.store.keys import Keys
from stream_rec.telemetry.metrics_server import MetricsServer
from stream_rec.telemetry.prometheus import registry
from tests.engine.worlds import click

SECRET = "hunter2-s3cr3t"
N_TREES = 1_000
NASTY = (
    "0", "-1", "1", "1e10", "1e18", "1e400", "nan", "inf", "-inf", "''", "'a b'", "'ä/ö'", "'\\u0000'", "true", "[]",
    "{}", "[[[[]]]]", "2020-01-01", "9" * 5000, "[" * 5000, "x" * 10_000, "{a=1}", "{default={k=0}}", "{'a b'={k=5}}",
    f"'redis://u:{SECRET}@h:99999/x'", f"'http://u:{SECRET}@h'", "9223372036854775808", "'*'", "0.1", "65", "['', 'x']",
)  # fmt: skip
SMALL = 100_000
"""Above this a bound takes memory for nothing that this test looks at."""


def leaves(tree: type[BaseModel], at: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in tree.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from leaves(field.annotation, f"{at}{name}.")
        else:
            yield f"{at}{name}", field


def bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    low = high = None
    for each in field.metadata:
        low = getattr(each, "ge", getattr(each, "gt", low))
        high = getattr(each, "le", getattr(each, "lt", high))
    return low, high


MODEST = {
    f"STREAM_REC__{key}": "1000"
    for key in (
        "ENGINE__MAX_USERS",
        "ENGINE__MAX_ITEMS",
        "MEASURE__MAX_OPEN_IMPRESSIONS",
        "MEASURE__MAX_OPEN_PLACES",
        "MEASURE__MAX_RECENT_INTERACTIONS",
        "MEASURE__MAX_OUTCOME_CELLS",
        "MEASURE__SERVED_CACHE_USERS",
    )
}
"""Where nothing else is drawn."""
FIELDS = dict(leaves(Settings))
NUMBERS = {key: field for key, field in FIELDS.items() if field.annotation in (int, float)}


def random_value(key: str, field: FieldInfo, rng: random.Random) -> str:
    if rng.random() < 0.25:
        return rng.choice(NASTY)
    if key in NUMBERS:
        low, high = bounds(field)
        assert low is not None and high is not None
        if rng.random() < 0.2:
            return repr(rng.choice((low, high)))
        drawn = low + (min(high, SMALL) - low) * rng.random() ** 4
        return str(int(drawn)) if field.annotation is int else repr(drawn)
    if get_origin(field.annotation) is Literal:
        return repr(rng.choice(get_args(field.annotation)))
    return rng.choice(NASTY)


def is_modest(settings: Settings) -> bool:
    """Its tables are small enough to be made a thousand times."""
    engine, measure = settings.engine, settings.measure
    rows = (
        engine.max_users,
        engine.max_items * engine.ring_length // 250,
        measure.max_open_impressions,
        measure.max_open_places // 10,
        measure.max_recent_interactions,
        measure.max_outcome_cells * 50,
        measure.served_cache_users,
    )
    return max(rows) <= SMALL


def use(settings: Settings) -> None:
    """What a worker makes of its settings before and at its first event."""
    for client, config in (
        (Producer, producer_config(settings.bus)),
        (Consumer, client_config(settings.bus)),
    ):
        own = {"group.id": settings.bus.group, "bootstrap.servers": "127.0.0.1:9"}
        client({**config, **(own if client is Consumer else {"bootstrap.servers": "127.0.0.1:9"})})
    engine = Engine(settings.engine, settings.measure)
    measures = Measures(settings.measure, engine.sources, attribution=engine.attribution)
    click(engine, *((f"u{n % 5}", f"i{n % 7}", 1.7e9 + n) for n in range(40)))
    for scenario in settings.engine.scenarios:
        assert Keys(settings.store.prefix).slate(scenario, "u1")
        engine.recommend(["u1", "stranger"], scenario=scenario)
    for listed in (engine.popular, engine.trending, engine.new):
        listed(settings.store.list_items)
    measures.figures()
    if settings.store.url:
        asyncio.run(connect(settings.store).aclose())
    if settings.snapshot.url:
        SnapshotStore(settings.snapshot)
    if settings.measure.prometheus_host != MeasureSettings().prometheus_host:
        MetricsServer(registry(measures.figures), settings.measure.prometheus_host, 0).close()


def test_a_thousand_random_trees_are_refused_with_a_fix_or_can_be_worked_with() -> None:
    rng, n_used, n_refused = random.Random(20261128), 0, 0
    for _ in range(N_TREES):
        keys = rng.sample(sorted(FIELDS), rng.choice((1, 1, 2, 5)))
        flags = [f"{key}={random_value(key, FIELDS[key], rng)}" for key in keys]
        try:
            settings, origins = load(environment=MODEST, flags=flags)
            hide(secrets(settings))
            assert SECRET not in str(list(list_settings(settings, origins))), flags
            if is_modest(settings):
                use(settings)
                n_used += 1
        except StreamRecError as error:
            assert isinstance(error, ConfigError), flags
            assert error.fix, flags
            assert SECRET not in str(error), flags
            n_refused += 1
    assert n_used > N_TREES / 4
    assert n_refused > N_TREES / 4


@pytest.mark.parametrize("key", sorted(NUMBERS))
def test_every_number_has_both_bounds_and_can_be_worked_with_at_each(key: str) -> None:
    low, high = bounds(NUMBERS[key])
    assert low is not None, f"{key} has no lower bound"
    assert high is not None, f"{key} has no upper bound"
    for value in (low, high):
        try:
            settings, _ = load(environment=MODEST, flags=[f"{key}={value!r}"])
        except ConfigError as error:
            assert key in str(error), "it does not fit another setting, which is named"
            continue
        if is_modest(settings):
            use(settings)


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("engine.scenarios={'a b'={k=5}}", "the name of a scenario has 1 to 64 letters"),
        ("engine.scenarios={}", "at least 1 item"),
        ("engine.max_users=10_000_000_000", "less than or equal to"),
        ("store.slate_ttl_seconds=1_000_000_000_000_000_000", "less than or equal to 315360000"),
        ("engine.history_length=65", "a power of two"),
        ("engine.seed=18446744073709551616", "less than"),
        ("engine.session_gap_seconds=inf", "finite"),
        ("bus.prefix=shop/", "topics take letters"),
        ("bus.bootstrap=kafka:99999", "ports up to 65535"),
        ("bus.bootstrap=kafka:0", "ports up to 65535"),
        ("bus.bootstrap=http://kafka:9092", "no URLs"),
        (f"bus.bootstrap=ann:{SECRET}@kafka:9092", "write HOST:PORT"),
        ("bus.bootstrap=a:9092,,b:9092", "write HOST:PORT"),
        ("measure.prometheus_host=a b", "a host's name"),
        ('journal.folder="a\\u0000"', "control character"),
        ("bus.group=", "at least 1 character"),
        ("bus.publish_linger_ms=40_000", "shorter than bus.publish_timeout_seconds"),
        ("ingest.dead_letter_raw_bytes=6_000_000", "does not fit into bus.max_message_bytes"),
        ("ingest.max_record_bytes=10_000_000", "above bus.max_message_bytes"),
        (f"{'a.' * 2000}b=1", "no setting lies so deep"),
        (f"redis://u:{SECRET}@h/?a=b", "a key that is none"),
    ],
)
def test_a_setting_that_would_kill_later_is_refused_at_the_start(flag: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        load(environment={}, flags=[flag])
    assert refused.value.fix
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "raw", [b"\xff\xfe", b"a=" + b"9" * 5000, b"a=" + b"[" * 5000, b"a." * 9000 + b"b=1", b"bus=1"]
)
def test_a_file_that_is_no_settings_file_is_an_error_with_a_fix(tmp_path: Any, raw: bytes) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(raw)
    with pytest.raises(ConfigError) as refused:
        load(file=file, environment={})
    assert refused.value.fix


def test_numbers_are_text_where_text_is_wanted() -> None:
    settings, _ = load(
        environment={}, flags=["snapshot.options.key=123456", "bus.group=7", "engine.scenarios.a.k=3"]
    )
    assert settings.snapshot.options == {"key": "123456"}
    assert settings.bus.group == "7"
    assert settings.engine.scenarios["a"].k == 3


@pytest.mark.parametrize(
    "given", ["", "kafka", "b-1.x_y.example:9092, b-2:9092", "[::1]:9092,[fe80::1%eth0]"]
)
def test_brokers_may_be_several_names_or_numbers(given: str) -> None:
    assert load(environment={"STREAM_REC__BUS__BOOTSTRAP": given})[0].bus.bootstrap == given
