"""Messages as trackers, connectors and other recommenders write them, and the records that they become."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import pytest
from fastavro import parse_schema, schemaless_writer
from fastavro.schema import fingerprint, to_parsing_canonical_form
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from stream_rec.schemas.records import Impression, Interaction
from stream_rec.settings import ShapeSettings
from stream_rec.shapes.mapper import compile_shape
from stream_rec.shapes.messages import Mapped, RawMessage, Refused, Registered

SAMPLES = Path(__file__).parent / "samples"
TS = 1700000000.25


def message(shape: str, n: int) -> RawMessage:
    """A sample as the broker gives it: topic t, partition 2, offset 7."""
    folder = SAMPLES / f"live-{shape}"
    headers = folder / f"{n}.headers.json"
    key = folder / f"{n}.key"
    named = json.loads(headers.read_text()) if headers.exists() else {}
    return RawMessage(
        (folder / f"{n}.value").read_bytes(),
        key.read_bytes() if key.exists() else None,
        {name: text.encode() for name, text in named.items()},
        1_700_000_001_000,
        "t",
        2,
        7,
    )


def mapped(shape: ShapeSettings, samples: str, n: int) -> list[Mapped]:
    return compile_shape(shape).records(message(samples, n))


@pytest.mark.parametrize(
    ("n", "user", "item", "ts"),
    [
        (1, "17", "88", 1700000000.0),
        (2, "u", "i", TS),
        (3, "u", "i", TS),
        (4, "u", "i", 1700000000.0),
        (5, "u", "i", TS),
        (6, "u", "i", 1700000000.0),
        (7, "u", "i", 1700000000.0),
        (8, "u", "i", 1700000000.0),
        (10, "u", "i", 1700000000.0),
        (11, "u", "i", 1700000000.0),
        (12, "u", "i", 1700000000.0),
        (13, "u", "i", 1700000000.0),
    ],
)
def test_near_misses_of_our_record_are_read_as_what_they_mean(
    n: int, user: str, item: str, ts: float
) -> None:
    [found] = mapped(ShapeSettings(preset="native"), "almost-native", n)
    value = 9.9 if n == 11 else None
    assert found == Interaction(user, item, "view", ts, "t/2/7/0", None, value)


def test_lines_of_json_in_one_message_are_events_of_their_own_ids() -> None:
    found = mapped(ShapeSettings(preset="native"), "almost-native", 9)
    assert [one.item_id for one in found if isinstance(one, Interaction)] == ["i", "j"]
    assert [one.event_id for one in found if isinstance(one, Interaction)] == ["t/2/7/0", "t/2/7/1"]


def test_a_tombstone_is_left_out_and_no_fault() -> None:
    [found] = compile_shape(ShapeSettings(preset="native")).records(RawMessage(None, b"k"))
    assert isinstance(found, Refused)
    assert found.is_meant


AVRO = {
    "type": "record",
    "name": "Click",
    "fields": [
        *({"name": name, "type": "string"} for name in ("user_id", "item_id", "event_type")),
        {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}


def proto() -> str:
    """The same record as a registry gives it serialised."""
    file = FileDescriptorProto(name="click.proto", package="shop", syntax="proto3")
    fields = (
        ("user_id", "TYPE_STRING"),
        ("item_id", "TYPE_STRING"),
        ("event_type", "TYPE_STRING"),
        ("ts", "TYPE_INT64"),
    )
    record = file.message_type.add(name="Click")
    for number, (name, kind) in enumerate(fields, start=1):
        record.field.add(name=name, number=number, label="LABEL_OPTIONAL", type=kind)
    return base64.b64encode(file.SerializeToString()).decode()


class OneSchema:
    """A registry that knows one schema, and counts how often it is asked."""

    def __init__(self, kind: str, text: str) -> None:
        self.registered, self.asked = Registered(kind, text), []

    def schema(self, schema_id: int | str) -> Registered:
        self.asked.append(schema_id)
        return self.registered


def event(user: str, item: str, kind: str, ts: float, **more: object) -> Interaction:
    return Interaction(user, item, kind, ts, **{"event_id": "t/2/7/0", **more})  # type: ignore[arg-type]


ANN, GUEST = "AiUGstSDIg", "23adfd82-0000-4000-8000-000000000001"
LIVE: list[tuple[str, str, int, list[Interaction | Impression | str]]] = [
    ("segment", "segment", 1, [event(ANN, "507f1f77", "view", TS, event_id="ajs-f8ca1e4d", value=18.99)]),
    ("segment", "segment", 2, [event(GUEST, "507f1f77", "cart", TS, event_id="ajs-f8ca1e4d", value=18.99)]),
    (
        "segment",
        "segment",
        3,
        [
            event(ANN, "507f1f77", "purchase", TS, event_id="ajs-f8ca1e4d", value=19.0),
            event(ANN, "505bd76", "purchase", TS, event_id="ajs-f8ca1e4d/1", value=3.0),
        ],
    ),
    ("segment", "segment", 4, ["not_kept"]),
    (
        "segment-batch",
        "segment-batch",
        1,
        [
            "not_kept",
            event("ann", "a", "view", TS, event_id="m-1", value=3.0),
            event("guest", "b", "purchase", 1700000001.0, event_id="m-2", value=4.0),
            event("guest", "c", "purchase", 1700000001.0, event_id="m-2/1"),
            event("guest", "b", "purchase", 1700000001.0, event_id="m-2/2", value=4.0),
        ],
    ),
    (
        "rudderstack",
        "rudderstack",
        1,
        [event("ann", "i-1", "view", 1700000000.381, event_id="m-1", session_id="1700000000123", value=5.0)],
    ),
    (
        "snowplow-json",
        "snowplow",
        1,
        [event("bc2e92ec6c204a14", "12345", "view", TS, event_id="c6ef3124", session_id="s-77", value=200.0)],
    ),
    ("ga4", "ga4", 1, [event("12345.1700000000", "SKU-1", "view", TS, session_id="1700000000", value=19.9)]),
    (
        "adobe-xdm",
        "adobe-xdm",
        1,
        [
            event(
                "12019606991718502754997192487345616673",
                "12345",
                "view",
                TS,
                event_id="54F68CE5-0001",
                value=19.9,
            )
        ],
    ),
    ("cloudevents-binary", "cloudevents", 1, [event("u-1", "i-1", "view", TS, event_id="1234-1234")]),
    (
        "cloudevents-structured",
        "cloudevents",
        1,
        [event("u-1", "i-1", "view", TS, event_id="A234-1234-1234")],
    ),
    ("connect-json", "connect-json", 1, [event("u-1", "i-1", "view", TS)]),
    ("debezium", "debezium", 1, [event("17", "88", "view", TS)]),
    ("debezium", "debezium", 2, [event("17", "88", "view", TS)]),
    ("debezium", "debezium", 3, ["not_kept"]),
    ("debezium", "debezium", 4, ["tombstone"]),
    ("debezium", "debezium", 5, [event("17", "88", "view", TS)]),
    ("debezium-flat", "debezium", 1, [event("17", "88", "view", TS)]),
    ("datagen-clickstream", "datagen-clickstream", 1, [event("25", "88", "view", 1700000000.0)]),
    ("datagen-pageviews", "datagen-pageviews", 1, [event("User_4", "Page_46", "view", 1700000001.0)]),
    ("datagen-pageviews", "native", 1, ["missing_field"]),
    ("gorse", "gorse", 1, [event("bob", "ollama:ollama", "star", 1645660800.0, value=1.0)]),
    ("gorse", "gorse", 2, [event("bob", "i-2", "read", TS)]),
    ("gorse", "gorse", 3, [event("bob", "i-2", "read", TS)]),
    (
        "metarank",
        "metarank",
        1,
        [event("user1", "item1", "purchase", TS, event_id="0f4c0036", session_id="session1")],
    ),
    ("metarank", "metarank", 2, [Impression("81f46c34", "user1", TS, ("item3", "item1"))]),
    (
        "personalize",
        "personalize",
        1,
        [
            event("u-1", "i-1", "click", 1700000000.0, event_id="e-1", session_id="s-1", value=1.5),
            event("u-1", "i-2", "purchase", 1700000005.0, event_id="t/2/7/1", session_id="s-1"),
            Impression("t/2/7/2", "u-1", 1700000000.0, ("i-1", "i-2")),
        ],
    ),
    ("personalize-csv", "personalize-csv", 1, [event("u-1", "i-1", "click", 1700000000.0, value=1.5)]),
    ("recombee", "recombee", 1, [event("u-1", "i-1", "view", TS, value=30.0)]),
    ("recombee", "recombee", 2, [event("u-1", "i-1", "view", 1700000001.0)]),
    ("msgpack", "msgpack", 1, [event("u-1", "i-1", "view", TS)]),
    ("msgpack", "native", 1, ["not_json"]),
    ("plain-lines", "csv-lines", 1, [event("u-1", "i-1", "view", 1700000000.0)]),
    ("plain-lines", "csv-lines", 2, ["not_csv"]),
    ("plain-lines", "access-log", 2, [event("ann", "88", "view", 1700000000.0)]),
    ("plain-lines", "native", 1, ["not_json"]),
    ("plain-lines", "native", 3, ["not_gzip"]),
]


@pytest.mark.parametrize(("samples", "preset", "n", "expected"), LIVE)
def test_a_message_becomes_its_records(
    samples: str, preset: str, n: int, expected: list[Interaction | Impression | str]
) -> None:
    found = mapped(ShapeSettings(preset=preset), samples, n)
    assert [one.reason if isinstance(one, Refused) else one for one in found] == expected


@pytest.mark.parametrize(
    ("samples", "kind", "ts"),
    [("avro", "AVRO", TS), ("json-schema", "JSON", 1700000000.0), ("protobuf", "PROTOBUF", TS)],
)
def test_confluents_wire_format_is_read_by_the_schema_that_is_asked_for_once(
    samples: str, kind: str, ts: float
) -> None:
    text = {"AVRO": json.dumps(AVRO), "PROTOBUF": proto()}.get(kind, "{}")
    registry = OneSchema(kind, text)
    mapper = compile_shape(ShapeSettings(preset="confluent"), "clicks", registry)
    for _ in range(2):
        assert mapper.records(message(f"confluent-{samples}", 1)) == [event("u-1", "i-1", "view", ts)]
    assert registry.asked == [42]


def test_what_is_not_of_the_schema_is_refused() -> None:
    mapper = compile_shape(ShapeSettings(preset="confluent"), "clicks", OneSchema("AVRO", json.dumps(AVRO)))
    good = message("confluent-avro", 1)
    for value, reason in (
        (good.value + b"x", "not_avro"),
        (good.value[:-3], "not_avro"),
        (b"{}", "not_confluent"),
    ):
        [found] = mapper.records(good._replace(value=value))
        assert isinstance(found, Refused)
        assert found.reason == reason


def test_avro_without_a_registry_is_read_with_the_schema_of_its_fingerprint_only(tmp_path: Path) -> None:
    path = tmp_path / "click.avsc"
    path.write_text(json.dumps(AVRO))
    mapper = compile_shape(ShapeSettings(preset="avro", schema_file=str(path)))
    sample = message("avro-raw", 1)
    assert sample.value is not None
    [other] = mapper.records(sample)
    assert isinstance(other, Refused)
    assert (other.reason, "0001020304050607" in other.detail) == ("other_schema", True)
    mark = bytes.fromhex(fingerprint(to_parsing_canonical_form(AVRO), "CRC-64-AVRO"))
    for value in (sample.value[:2] + mark + sample.value[10:], sample.value[10:]):
        assert mapper.records(sample._replace(value=value)) == [event("u-1", "i-1", "view", TS)]


def test_debeziums_envelope_in_avro_is_read_inside_of_confluents() -> None:
    row = {"type": "record", "name": "Row", "fields": [
        {"name": "user_id", "type": "long"}, {"name": "product_id", "type": "long"},
        {"name": "created_at", "type": "long"},
    ]}  # fmt: skip
    schema = {"type": "record", "name": "Envelope", "fields": [
        {"name": "before", "type": ["null", row]}, {"name": "after", "type": ["null", "Row"]},
        {"name": "op", "type": "string"},
    ]}  # fmt: skip
    stream = io.BytesIO()
    after = {"user_id": 17, "product_id": 88, "created_at": 1_700_000_000_250_000}
    schemaless_writer(stream, parse_schema(schema), {"before": None, "after": after, "op": "c"})
    shape = ShapeSettings(preset="debezium", framing="confluent-debezium")
    mapper = compile_shape(shape, "rows", OneSchema("AVRO", json.dumps(schema)))
    value = b"\x00\x00\x00\x00\x07" + stream.getvalue()
    assert mapper.records(RawMessage(value, None, {}, -1, "t", 2, 7)) == [event("17", "88", "view", TS)]
