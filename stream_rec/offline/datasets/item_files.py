"""A catalogue in a file (CSV, JSON Lines, either may be gzip; Parquet): each row as the record it stands for.

JSON Lines hold records as they go on the wire. In tables, columns are recognised by name, and every other column is an
attribute of that name; an empty cell is not given. Tags are separated by `|` or `;`, or are a JSON list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import polars as pl

from stream_rec import logs
from stream_rec.errors import ConfigError, ContractError
from stream_rec.offline.datasets.blocks import blocks
from stream_rec.offline.datasets.files import file_format, frames
from stream_rec.offline.datasets.recognised import told_separator
from stream_rec.offline.datasets.stock_words import is_stock
from stream_rec.schemas.coercion import Flaw, is_available, parsed, text
from stream_rec.schemas.item_changes import item_change
from stream_rec.schemas.item_names import ALIASES
from stream_rec.schemas.records import Item
from stream_rec.settings import IngestSettings
from stream_rec.shapes.messages import Unread
from stream_rec.shapes.numbers import numbers_of
from stream_rec.shapes.refusals import unreadable
from stream_rec.shapes.values import MARKS, written

FIELDS = tuple(field.name for field in msgspec.structs.fields(Item))
AVAILABLE = (
    "in_stock", "instock", "is_in_stock", "availability", "is_available", "stock_status", "availability_status",
    "active", "is_active",
)  # fmt: skip
"""Columns that are `available`, if each value of the file's first rows is true, false or a word of product feeds."""
MUTE = frozenset({
    *AVAILABLE, "stock", "stock_quantity", "stock_level", "quantity", "qty", "inventory", "inventory_quantity",
    "status", "state", "item_status", "product_status", "enabled", "is_enabled", "published", "is_published",
    "visible", "visibility", "is_visible", "sold", "sold_out", "is_sold", "out_of_stock", "discontinued",
    "is_discontinued", "deleted", "is_deleted", "archived", "is_archived", "inactive",
})  # fmt: skip
"""Attributes that look as if they said whether an item may be shown, and say nothing to us."""
_NOT = ("out_of_stock", "sold", "deleted", "discontinued", "archived", "inactive")
LOOKED_AT = 2_000
"""Rows that tell how a column of prices is written."""
MAX_MEMBERS = 64
"""Of a line of JSON that are compared with an item's fields."""
_ATTRIBUTE = "attributes."
NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?", re.ASCII)
"""A text that is taken for a number: codes such as `007` are none."""
_SEPARATORS = re.compile(r"[|;]")


class ItemRow(NamedTuple):
    """One row of a file.

    Attributes:
        number: of the row, from 1, without the header.
        item: what it says; None = it is no record.
        flaws: parts that were left out of it.
        error: why it is none.
        raw: as it would go on the wire.
        unread: parts that its shape could not read, or that no item has.
        is_told: does the error say what to do already?
    """

    number: int
    item: Item | None
    flaws: list[Flaw]
    error: ContractError | None
    raw: bytes
    unread: Sequence[Unread] = ()
    is_told: bool = False


def separator_of(path: Path, given: str = "") -> str:
    """What stands between a file's columns: what is given, else what its first rows tell; empty = it is no CSV file.

    Raises:
        ConfigError: as `told_separator`, or what is given is not one character.
    """
    given = "\t" if given in ("tab", "\\t") else given
    if len(given.encode()) > 1:
        raise ConfigError("--separator is one character", fix="--separator ';', ',', '|' or tab")
    return given or (told_separator(path) if file_format(path) == "csv" else "")


def read_items(path: Path, rules: IngestSettings, separator: str = "") -> Iterator[ItemRow]:
    """The rows of a catalogue, in bounded memory.

    Args:
        path: the file.
        rules: limits of records.
        separator: between the columns of a CSV file; empty = told by its first rows.

    Raises:
        ConfigError: the file cannot be read, or has no column of ids.
    """
    lines = _json_lines(path) if file_format(path) == "jsonl" else _table(path, separator_of(path, separator))
    for number, raw in enumerate(lines, start=1):
        try:
            given = parsed(raw.decode(errors="replace"))
            item_id = text(given.get("item_id") or "")
            _, item, flaws = item_change(item_id.encode(errors="replace"), raw, -1, rules)
            yield ItemRow(number, item, flaws, None, raw, _unknown(given))
        except ContractError as error:
            found = (
                ContractError("missing_field", "`item_id` is not given")
                if error.reason == "missing_key"
                else error
            )
            yield ItemRow(number, None, [], found, raw)
        except ValueError as error:
            yield ItemRow(number, None, [], ContractError("wrong_type", f"`item_id`: {error}"), raw)


def _unknown(given: Mapping[str, Any]) -> list[Unread]:
    """Members of a line that no item has."""
    said = "no field of an item: put it into `attributes`, or read the file by a shape"
    return [Unread("unknown_field", name, said) for name in islice(given, MAX_MEMBERS) if name not in FIELDS]


def columns_of(names: list[str], says_stock: Callable[[str], bool] = lambda _: False) -> dict[str, str]:
    """Which field each column is: a field of the record, or `attributes.NAME`.

    Args:
        names: of the columns.
        says_stock: can every value of a column be `available`?

    Raises:
        ConfigError: none is the id.
    """
    plain = {name.strip().lower(): name for name in reversed(names)}
    found: dict[str, str] = {}
    for field in FIELDS:
        aliases = ALIASES.get(field, ())
        if field == "available":
            aliases = tuple(name for name in AVAILABLE if name in plain and says_stock(plain[name]))
        for candidate in (field, *aliases):
            if candidate in plain and plain[candidate] not in found:
                found[plain[candidate]] = field
                break
    if "item_id" not in found.values():
        raise ConfigError(
            f"no column of ids among {', '.join(names[:20])}",
            fix="name it item_id (or sku, product_id, id; docs/catalogue.md has the full list); or "
            "`stream-rec shape guess FILE`, which knows other names, prints a shape for `--shape`",
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
    price = mark = ""
    for table in frames(path, separator):
        if columns is None:
            columns = columns_of(table.columns, partial(_says_stock, table))
            price = next((name for name, field in columns.items() if field == "price"), "")
            mark = _mark(path, table[price].head(LOOKED_AT).to_list()) if price else ""
        for row in table.iter_rows(named=True):
            record = _record(row, columns)
            if mark and isinstance(found := written(record.get("price"), mark), float):
                record["price"] = found
            yield json.dumps(record).encode()


def _mark(path: Path, prices: Sequence[Any]) -> str:
    """The decimal mark that all prices together show, which is said; empty = none is needed, or it cannot be told."""
    how = numbers_of("price", [price for price in prices if price not in (None, "")])
    if how is None or not how.mark:
        return ""
    logs.get("import").info(how.remark, log=path.name)
    return how.mark


def left_out(field: str, reason: str, raw: bytes) -> Unread:
    """What of a record was left out: the value, and of a price the line of a shape that reads it.

    Args:
        field: of the record.
        reason: code of `validation.REASONS`; only a `wrong_type` has more to be said of.
        raw: the record.
    """
    if reason != "wrong_type":
        return Unread(reason, field)
    value = json.loads(raw).get(field)
    part = unreadable(field, value)
    marks = [mark for mark in MARKS if field == "price" and isinstance(written(value, mark), float)]
    lines = " or ".join(f"price = \"number(price, '{mark}')\"" for mark in marks)
    if not lines:
        return part
    said = f"{part.detail}; in a shape: {lines} (`stream-rec shape guess FILE`)"
    return Unread(part.reason, part.field, said, part.is_told)


def _says_stock(table: pl.DataFrame, name: str) -> bool:
    """Has the column values, all of them true, false or a word for the stock?"""
    given = [value for value in table[name].unique().to_list() if value not in (None, "")]
    try:
        return bool(given) and all(is_available(value) in (True, False) for value in given)
    except ValueError:
        return False


def mute_hint(name: str, value: Any) -> str:
    """What to do about an attribute that looks as if it hid items, and hides none; empty = it does not look so.

    Args:
        name: of the attribute.
        value: of one item.
    """
    plain = re.sub(r"[\s-]", "_", name.strip().lower())
    if plain not in MUTE and not is_stock(name):
        return ""
    path = name if re.fullmatch(r"[A-Za-z_]\w*", name) else f'\\"{name}\\"'
    if isinstance(value, bool):
        holds = f"{path} == 'true'"
    elif isinstance(value, (int, float)):
        holds = f"{path} > 0"
    else:
        holds = f"{path} == '{value}'"
    if any(word in plain for word in _NOT):
        holds = f"not {holds}"
    return f'an attribute, which hides no item: say it in a shape, available = "({holds})", or in a scenario\'s filter'


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
    if value in ("true", "false") or value[:1] in ("[", "{") or NUMBER.fullmatch(value):
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
