"""Messages with schemas of a registry: TLS, passwords, evolution in mid-stream, and a registry that goes away."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fastavro
import pytest

from stream_rec.errors import ConfigError
from stream_rec.schemas.records import DeadLetter, Interaction
from stream_rec.settings import Settings
from tests.cli.running import addresses, run
from tests.consumers.bridge.bridging import (
    behind,
    bridge_process,
    bridged,
    make_topic,
    one_input,
    run_to_end,
    send,
)
from tests.reading import messages, records
from tests.schema_registry import RegistryServer, framed
from tests.waiting import wait_until

OLD = {
    "type": "record",
    "name": "Click",
    "fields": [
        {"name": "visitor", "type": "string"},
        {"name": "sku", "type": "string"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}
NEW = {
    "type": "record",
    "name": "Click",
    "fields": [
        {"name": "customer", "type": ["null", "string"], "default": None},
        {"name": "sku", "type": "string"},
        {"name": "price", "type": "double"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}
SHAPE = {
    "clicks": {
        "framing": "confluent",
        "events": {"user_id": "customer || visitor", "item_id": "sku", "ts": "at", "value": "price"},
    }
}
SLOW_SECONDS = 180.0
MS = 1_700_000_000_000


def avro(schema_id: int, schema: Mapping[str, Any], value: Mapping[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(dict(schema)), value)
    return framed(schema_id, out.getvalue())


def old(i: int) -> bytes:
    return avro(1, OLD, {"visitor": f"u{i}", "sku": f"i{i}", "at": MS + i})


def new(i: int) -> bytes:
    return avro(2, NEW, {"customer": f"u{i}", "sku": f"i{i}", "price": 9.5, "at": MS + i})


def with_registry(settings: Settings, topic: str, **registry: Any) -> Settings:
    return bridged(settings, SHAPE, bridge=one_input(topic, "clicks"), registry=registry)


def test_a_schema_that_changes_in_mid_stream_is_followed(tansu_settings: Settings, tmp_path: Path) -> None:
    """Over TLS, with a password; each schema is asked for once."""
    bus = tansu_settings.bus
    topic = make_topic(bus.bootstrap, f"{bus.prefix}shop")
    with RegistryServer(tmp_path, "ann:secret") as registry:
        registry.add(1, OLD)
        registry.add(2, NEW)
        send(bus.bootstrap, topic, [old(i) if i % 3 else new(i) for i in range(300)])
        run_to_end(
            with_registry(
                tansu_settings,
                topic,
                url=registry.url,
                username="ann",
                password="secret",
                ca_file=str(registry.ca),
            )
        )
        assert sorted(registry.asked) == ["/schemas/ids/1", "/schemas/ids/2"]
    events = {event.item_id: event for event in records(bus, "events", Interaction)}
    assert len(events) == 300
    assert (events["i1"].user_id, events["i1"].value, events["i1"].ts) == ("u1", None, 1_700_000_000.001)
    assert (events["i3"].user_id, events["i3"].value) == ("u3", 9.5)


def test_what_no_schema_reads_is_a_dead_letter(tansu_settings: Settings) -> None:
    bus = tansu_settings.bus
    topic = make_topic(bus.bootstrap, f"{bus.prefix}shop", 1)
    with RegistryServer() as registry:
        registry.add(1, OLD)
        send(bus.bootstrap, topic, [old(1), b'{"sku": 1}', framed(9, b"x"), framed(1, b"\xff\xff")])
        settings = with_registry(tansu_settings, topic, url=registry.url)
        run_to_end(settings)
    letters = records(bus, "dead-letters", DeadLetter)
    assert [(one.offset, one.reason) for one in letters] == [
        (1, "not_confluent"),
        (2, "unknown_schema"),
        (3, "not_avro"),
    ]
    assert len(messages(bus, "events")) == 1
    assert behind(settings) == 0


def test_a_registry_that_is_away_is_waited_for_in_few_words(tansu_settings: Settings, tmp_path: Path) -> None:
    """Longer than a session lasts: the bridge stays in its group, reads nothing more, and drops nothing."""
    bus = tansu_settings.bus
    topic = make_topic(bus.bootstrap, f"{bus.prefix}shop")
    with RegistryServer() as registry:
        registry.add(1, OLD)
        registry.status = 503
        send(bus.bootstrap, topic, [old(i) for i in range(200)])
        settings = with_registry(tansu_settings, topic, url=registry.url)
        settings = bridged(settings, bus={"session_timeout_seconds": 3, "backoff_max_seconds": 0.3})
        with bridge_process(settings, tmp_path / "bridge.log") as process:
            wait_until(
                lambda: len(registry.asked) > 20, SLOW_SECONDS, "the registry to be asked again and again"
            )
            assert process.log().count("does not answer") == 1, process.log()
            assert process.log().count("partitions assigned") == 1, process.log()
            registry.status = 200
            wait_until(lambda: behind(settings) == 0, SLOW_SECONDS, "the messages")
            assert "server answered again" in process.log()
    assert {event.item_id for event in records(bus, "events", Interaction)} == {f"i{i}" for i in range(200)}
    assert messages(bus, "dead-letters") == []


def test_a_registry_that_refuses_the_password_ends_the_bridge(tansu_settings: Settings) -> None:
    bus = tansu_settings.bus
    topic = make_topic(bus.bootstrap, f"{bus.prefix}shop")
    with RegistryServer(login="ann:secret") as registry:
        registry.add(1, OLD)
        send(bus.bootstrap, topic, [old(1)])
        settings = with_registry(tansu_settings, topic, url=registry.url)
        with pytest.raises(ConfigError, match=r"registry.username"):
            run_to_end(settings)
    assert behind(settings) == 1


def test_a_shape_that_needs_a_registry_says_so(tansu_settings: Settings) -> None:
    settings = bridged(tansu_settings, SHAPE, bridge=one_input("shop", "clicks"))
    with pytest.raises(ConfigError, match=r"registry.url"):
        run_to_end(settings)


def test_shape_guess_asks_the_registry(tansu_settings: Settings) -> None:
    bus = tansu_settings.bus
    topic = make_topic(bus.bootstrap, f"{bus.prefix}shop")
    with RegistryServer() as registry:
        registry.add(1, OLD)
        send(bus.bootstrap, topic, [old(i) for i in range(20)])
        given = {**addresses(tansu_settings), "STREAM_REC__REGISTRY__URL": registry.url}
        done = run("shape", "guess", topic, "--name", "mine", environment=given)
    assert done.returncode == 0, done.stderr
    assert 'framing = "confluent"' in done.stdout
    assert 'user_id = "visitor"' in done.stdout
    assert "20 records looked at, 20 became ours" in done.stderr
