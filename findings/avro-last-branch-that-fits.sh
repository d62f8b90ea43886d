#!/usr/bin/env bash
# avro 1.12.2 (Apache's package): a union's value is written in the *last* branch that fits, not in the first, or the best.
# A timestamp in ["null", "double", "float"] is written as a float, 50 s off; an integer in ["long", "double"] as a double.
# fastavro 1.13.1 writes and reads both as they were.
# Seen: 1700000050.123 comes back as 1700000000.0; 9007199254740993 as 9007199254740992.0.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${PYTHON:-python3}" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q --disable-pip-version-check avro==1.12.2 fastavro==1.13.1
PYTHONPATH=$(dirname "$0") PYTHONDONTWRITEBYTECODE=1 "$tmp/venv/bin/python" - "$tmp" <<'PY'
import io
import json

import avro.io
import avro.schema
import fastavro


def schema(union: list[str]) -> dict:
    return {"type": "record", "name": "Event", "fields": [{"name": "value", "type": union}]}


def through_avro(union: list[str], value: object) -> object:
    parsed, buffer = avro.schema.parse(json.dumps(schema(union))), io.BytesIO()
    avro.io.DatumWriter(parsed).write({"value": value}, avro.io.BinaryEncoder(buffer))
    buffer.seek(0)
    return avro.io.DatumReader(parsed).read(avro.io.BinaryDecoder(buffer))["value"]


def through_fastavro(union: list[str], value: object) -> object:
    parsed, buffer = fastavro.parse_schema(schema(union)), io.BytesIO()
    fastavro.schemaless_writer(buffer, parsed, {"value": value})
    buffer.seek(0)
    return fastavro.schemaless_reader(buffer, parsed)["value"]


for union, sent, back in (
    (["null", "double", "float"], 1700000050.123, 1700000000.0),
    (["long", "double"], 9007199254740993, 9007199254740992.0),
):
    apache, fast = through_avro(union, sent), through_fastavro(union, sent)
    print(f"{union}: sent {sent!r}, avro {apache!r}, fastavro {fast!r}")
    assert repr(apache) == repr(back) and repr(fast) == repr(sent)
assert through_avro(["null", "float", "double"], 1700000050.123) == 1700000050.123, "with double last it is kept"
PY
