"""JSON Schemas of the records, for producers and readers in other languages; made from the records."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import msgspec

from stream_rec.schemas.records import AsOf, Reason, Record, SlateItem
from stream_rec.schemas.topics import TOPICS

FOLDER = Path(__file__).parent / "json"
_PARTS: tuple[type[msgspec.Struct], ...] = (AsOf, Reason, SlateItem)
_ATTRIBUTE = re.compile(r"^    (\w+): (.+(?:\n        .+)*)", re.MULTILINE)
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def file_name(record: type[Record]) -> str:
    """`Interaction` -> `interaction.json`, `MetricPoint` -> `metric_point.json`."""
    name = record.__name__
    return name[0].lower() + "".join(f"_{c.lower()}" if c.isupper() else c for c in name[1:]) + ".json"


def schema_of(record: type[Record]) -> dict[str, Any]:
    """The JSON Schema of one record: self-contained, unknown fields allowed.

    Limits of length and range are settings, not schema: see README.md.
    """
    (reference,), components = msgspec.json.schema_components((record,), ref_template="#/$defs/{name}")
    own = components.pop(reference["$ref"].rpartition("/")[2])
    described = {"$schema": DIALECT, **_described(record, own)}
    by_name = {part.__name__: part for part in _PARTS}
    defs = {name: _described(by_name[name], definition) for name, definition in components.items()}
    return {**described, "$defs": defs} if defs else described


def _described(record: type[msgspec.Struct], schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with what the record's docstring says of it and of its fields."""
    doc = inspect.cleandoc(record.__doc__ or "")
    said = dict(_ATTRIBUTE.findall(doc))
    properties = {
        name: {**field, **({"description": " ".join(said[name].split())} if name in said else {})}
        for name, field in schema["properties"].items()
    }
    return {**schema, "description": doc.partition("\n")[0], "properties": properties}


def text_of(record: type[Record]) -> str:
    """The content of the record's file."""
    return json.dumps(schema_of(record), indent=2, ensure_ascii=False) + "\n"


def write(folder: Path = FOLDER) -> list[Path]:
    """Write every record's file; gives their paths."""
    folder.mkdir(exist_ok=True)
    paths = []
    for topic in TOPICS.values():
        path = folder / file_name(topic.record)
        path.write_text(text_of(topic.record), encoding="utf-8")
        paths.append(path)
    return paths
