"""A catalogue in a file (CSV, JSON Lines, either may be gzip; Parquet): each row as the record it stands for.

JSON Lines hold records as they go on the wire. In tables, columns are recognised by name, and every other column is an
attribute of that name; an empty cell is not given. Tags are separated by `|` or `;`, or are a JSON list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from stream_rec.errors import ConfigError, ContractError
from stream_rec.offline.datasets.blocks import blocks
from stream_rec.offline.datasets.files import file_format, frames
from stream_rec.schemas.coercion import Flaw, parsed, text
from stream_rec.schemas.item_changes import item_change
from stream_rec.schemas.records import Item
from stream_rec.settings import IngestSettings
from stream_rec.shapes.messages import Unread

_FIELDS = tuple(field.name for field in msgspec.structs.fields(Item))
_ALIASES = {
    "item_id": ("item", "itemid", "product_id", "productid", "sku", "id"),
    "title": ("name", "product_name"),
    "tags": ("categories", "category", "genres"),
    "owner": ("brand", "author", "seller", "vendor"),
    "image": ("image_url", "picture"),
    "link": ("url",),
}
"""How others call a column, in lower case."""
_ATTRIBUTE = "attributes."
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?", re.ASCII)
_SEPARATORS = re.compile(r"[|;]")


class ItemRow(NamedTuple):
    """One row of a file.

    Attributes:
        number: of the row, from 1, without the header.
        item: what it says; None = it is no record.
        flaws: parts that were left out of it.
        error: why it is none.
        raw: as it would go on the wire.
        unread: parts that its shape could not read.
    """

    number: int
    item: Item | None
    flaws: list[Flaw]
    error: ContractError | None
    raw: bytes
    unread: Sequence[Unread] = ()


def read_items(path: Path, rules: IngestSettings, separator: str = ",") -> Iterator[ItemRow]:
    """The rows of a catalogue, in bounded memory.

    Raises:
        ConfigError: the file cannot be read, or has no column of ids.
    """
    lines = _json_lines(path) if file_format(path) == "jsonl" else _table(path, separator)
    for number, raw in enumerate(lines, start=1):
        try:
            item_id = text(parsed(raw.decode(errors="replace")).get("item_id") or "")
            _, item, flaws = item_change(item_id.encode(errors="replace"), raw, -1, rules)
            yield ItemRow(number, item, flaws, None, raw)
        except ContractError as error:
            found = (
                ContractError("missing_field", "`item_id` is not given")
                if error.reason == "missing_key"
                else error
            )
            yield ItemRow(number, None, [], found, raw)
        except ValueError as error:
            yield ItemRow(number, None, [], ContractError("wrong_type", f"`item_id`: {error}"), raw)


def columns_of(names: list[str]) -> dict[str, str]:
    """Which field each column is: a field of the record, or `attributes.NAME`.

    Raises:
        ConfigError: none is the id.
    """
    plain = {name.strip().lower(): name for name in reversed(names)}
    found: dict[str, str] = {}
    for field in _FIELDS:
        for candidate in (field, *_ALIASES.get(field, ())):
            if candidate in plain and plain[candidate] not in found:
                found[plain[candidate]] = field
                break
    if "item_id" not in found.values():
        raise ConfigError(
            f"no column of ids among {', '.join(names[:20])}", fix="name it item_id (or sku, product_id, id)"
        )
    others = [name for name in names if name not in found]
    return found | {name: _ATTRIBUTE + name.removeprefix(_ATTRIBUTE) for name in others}


def _json_lines(path: Path) -> Iterator[bytes]:
    try:
        for data, _ in blocks(path):
            yield from (line for line in data.split(b"\n") if line.strip())
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error}", fix="name a readable file") from error


def _table(path: Path, separator: str) -> Iterator[bytes]:
    columns: dict[str, str] | None = None
    for table in frames(path, separator):
        if columns is None:
            columns = columns_of(table.columns)
        for row in table.iter_rows(named=True):
            yield json.dumps(_record(row, columns)).encode()


def _record(row: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    for name, field in columns.items():
        value = _plain(row.get(name))
        if value is None or value == "":
            continue
        if field.startswith(_ATTRIBUTE):
            attributes[field.removeprefix(_ATTRIBUTE)] = _cell(value)
        elif field == "tags":
            record[field] = _tags(value)
        elif field == "attributes":
            found = _cell(value)
            attributes |= found if isinstance(found, dict) else {"attributes": found}
        else:
            record[field] = value
    return record | ({"attributes": attributes} if attributes else {})


def _tags(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    found = _cell(value)
    return (
        found if isinstance(found, list) else [tag.strip() for tag in _SEPARATORS.split(value) if tag.strip()]
    )


def _cell(value: Any) -> Any:
    """A cell of text: a number, true or false, or JSON, if it is one."""
    if not isinstance(value, str):
        return value
    if value in ("true", "false") or value[:1] in ("[", "{") or _NUMBER.fullmatch(value):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _plain(value: Any) -> Any:
    """As JSON has it; times are seconds since the epoch, UTC where they name no zone."""
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    return value
